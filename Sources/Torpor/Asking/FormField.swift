/// One field of a form that a user fills in (2025-11-25, elicitation, requested schema).
public struct FormField: Sendable {
    /// What a text must look like.
    public enum Format: String, Sendable { case email, uri, date, dateTime = "date-time" }

    /// How the titles of choices are sent.
    public enum ChoiceStyle: Sendable {
        /// As `oneOf` and `anyOf` with `const` and `title`. From 2025-11-25; older clients get `enumNames`.
        case titled
        /// As `enumNames` beside `enum`, for clients that know only that.
        case enumNames
    }

    /// A value that may be chosen, and how it is shown.
    public struct Choice: Sendable, ExpressibleByStringLiteral {
        public let value: String
        /// What people read; `nil` for the value itself.
        public let title: String?

        public init(_ value: String, title: String? = nil) {
            self.value = value
            self.title = title
        }

        public init(stringLiteral value: String) { self.init(value) }
    }

    package let name: String
    package let isRequired: Bool
    /// The oldest revision that has such a field.
    package let since: ProtocolRevision
    /// The field's schema as a revision knows it.
    package let schema: @Sendable (ProtocolRevision) -> JSONObject

    private init(
        _ name: String, _ isRequired: Bool, since: ProtocolRevision = .v2025_06_18,
        schema: @escaping @Sendable (ProtocolRevision) -> JSONObject
    ) {
        precondition(!name.isEmpty, "a form field has a name")
        self.name = name
        self.isRequired = isRequired
        self.since = since
        self.schema = schema
    }

    /// A text.
    public static func text(
        _ name: String, _ description: String? = nil, title: String? = nil, required: Bool = true,
        default value: String? = nil, format: Format? = nil, minLength: Int? = nil, maxLength: Int? = nil
    ) -> FormField {
        FormField(name, required) { revision in
            Self.property("string", title, description) { schema in
                schema["format"] = format.map { .string($0.rawValue) }
                schema["minLength"] = minLength.map(JSONValue.integer)
                schema["maxLength"] = maxLength.map(JSONValue.integer)
                if revision >= .v2025_11_25 { schema["default"] = value.map(JSONValue.string) }
            }
        }
    }

    /// A whole number.
    public static func integer(
        _ name: String, _ description: String? = nil, title: String? = nil, required: Bool = true,
        default value: Int? = nil, range: ClosedRange<Int>? = nil
    ) -> FormField {
        FormField(name, required) { revision in
            Self.property("integer", title, description) { schema in
                schema["minimum"] = (range?.lowerBound).map(JSONValue.integer)
                schema["maximum"] = (range?.upperBound).map(JSONValue.integer)
                if revision >= .v2025_11_25 { schema["default"] = value.map(JSONValue.integer) }
            }
        }
    }

    /// A number.
    /// - Precondition: All numbers are finite.
    public static func number(
        _ name: String, _ description: String? = nil, title: String? = nil, required: Bool = true,
        default value: Double? = nil, range: ClosedRange<Double>? = nil
    ) -> FormField {
        let number = { (value: Double) -> JSONValue in
            guard let number = JSONNumber(value) else {
                preconditionFailure("form field \(name): \(value) is no number")
            }
            return .number(number)
        }
        let (least, most) = ((range?.lowerBound).map(number), (range?.upperBound).map(number))
        let preset = value.map(number)
        return FormField(name, required) { revision in
            Self.property("number", title, description) { schema in
                schema["minimum"] = least
                schema["maximum"] = most
                if revision >= .v2025_11_25 { schema["default"] = preset }
            }
        }
    }

    /// Yes or no.
    public static func boolean(
        _ name: String, _ description: String? = nil, title: String? = nil, required: Bool = true,
        default value: Bool? = nil
    ) -> FormField {
        FormField(name, required) { _ in
            Self.property("boolean", title, description) { $0["default"] = value.map(JSONValue.bool) }
        }
    }

    /// One of several values.
    /// - Precondition: There is at least one choice, and `value` is one of them.
    public static func choice(
        _ name: String, _ choices: [Choice], _ description: String? = nil, title: String? = nil, required: Bool = true,
        default value: String? = nil, style: ChoiceStyle = .titled
    ) -> FormField {
        Self.check(name, choices, value.map { [$0] } ?? [])
        return FormField(name, required) { revision in
            Self.property("string", title, description) { schema in
                let hasTitles = choices.contains { $0.title != nil }
                if hasTitles, style == .titled, revision >= .v2025_11_25 {
                    schema["oneOf"] = .array(choices.map(\.titledConstant))
                } else {
                    schema["enum"] = .array(choices.map { .string($0.value) })
                    if hasTitles { schema["enumNames"] = .array(choices.map { .string($0.title ?? $0.value) }) }
                }
                if revision >= .v2025_11_25 { schema["default"] = value.map(JSONValue.string) }
            }
        }
    }

    /// Any number of several values. From 2025-11-25.
    /// - Precondition: There is at least one choice, and `values` are among them.
    public static func choices(
        _ name: String, _ choices: [Choice], _ description: String? = nil, title: String? = nil, required: Bool = true,
        default values: [String] = [], count: ClosedRange<Int>? = nil
    ) -> FormField {
        Self.check(name, choices, values)
        return FormField(name, required, since: .v2025_11_25) { _ in
            Self.property("array", title, description) { schema in
                schema["minItems"] = (count?.lowerBound).map(JSONValue.integer)
                schema["maxItems"] = (count?.upperBound).map(JSONValue.integer)
                schema["items"] =
                    choices.contains { $0.title != nil }
                    ? ["anyOf": .array(choices.map(\.titledConstant))]
                    : ["type": "string", "enum": .array(choices.map { .string($0.value) })]
                if !values.isEmpty { schema["default"] = .array(values.map(JSONValue.string)) }
            }
        }
    }

    /// A field of a schema that is known already.
    init(name: String, isRequired: Bool, schema: JSONObject) {
        self.init(name, isRequired) { _ in schema }
    }

    private static func check(_ name: String, _ choices: [Choice], _ values: [String]) {
        precondition(!choices.isEmpty, "form field \(name) has something to choose from")
        precondition(
            values.allSatisfy { value in choices.contains { $0.value == value } },
            "form field \(name): the default is one of the choices")
    }

    private static func property(
        _ type: String, _ title: String?, _ description: String?, _ complete: (inout JSONObject) -> Void
    ) -> JSONObject {
        var schema: JSONObject = ["type": .string(type)]
        schema["title"] = title.map(JSONValue.string)
        schema["description"] = description.map(JSONValue.string)
        complete(&schema)
        return schema
    }
}

extension FormField.Choice {
    fileprivate var titledConstant: JSONValue {
        ["const": .string(self.value), "title": .string(self.title ?? self.value)]
    }
}

/// The fields of a form, and the check of what was filled in.
struct Form: Sendable {
    private let fields: [FormField]
    private let validator: SchemaValidator

    /// The oldest revision that can carry the form.
    var since: ProtocolRevision { self.fields.map(\.since).max() ?? .v2025_06_18 }

    /// - Precondition: No two fields have the same name.
    init(_ fields: [FormField]) {
        precondition(Set(fields.map(\.name)).count == fields.count, "no two fields of a form have the same name")
        self.fields = fields
        do {
            self.validator = try SchemaValidator(JSONSchema(Self.schema(fields, .v2026_07_28)))
        } catch {
            preconditionFailure("the fields of a form make a schema. \(error)")
        }
    }

    /// - Precondition: The type's fields are texts, numbers, Booleans and enums.
    init<Content: ToolInput>(fieldsOf type: Content.Type) {
        let schema: JSONValue
        do {
            schema = try JSONSchema.derived(from: type).value
        } catch {
            preconditionFailure("form \(type): \(error)")
        }
        guard case .object(let properties)? = schema["properties"] else {
            preconditionFailure("form \(type) has no fields")
        }
        var required: [JSONValue] = []
        if case .array(let names)? = schema["required"] { required = names }
        self.init(
            properties.members.map { member in
                guard case .object(let property) = member.value, case .string(let kind)? = property["type"],
                    ["string", "integer", "number", "boolean"].contains(kind)
                else { preconditionFailure("form \(type): \(member.name) is no text, number, Boolean or enum") }
                return FormField(
                    name: member.name, isRequired: required.contains(.string(member.name)), schema: property)
            })
    }

    private static func schema(_ fields: [FormField], _ revision: ProtocolRevision) -> JSONValue {
        var properties = JSONObject()
        for field in fields { properties[field.name] = .object(field.schema(revision)) }
        var schema: JSONObject = ["type": "object", "properties": .object(properties)]
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        return .object(schema)
    }

    /// The parameters of `elicitation/create`.
    func params(_ message: String) -> @Sendable (ProtocolRevision) -> JSONObject {
        { [fields] revision in
            var params: JSONObject = ["message": .string(message), "requestedSchema": Self.schema(fields, revision)]
            if revision >= .v2025_11_25 { params["mode"] = "form" }
            return params
        }
    }

    /// - Throws: ``UnusableAnswer`` for contents that do not fit the fields.
    func check(_ content: JSONValue) throws(UnusableAnswer) {
        let bytes = Array(content.text.utf8)
        guard let violation = self.validator.validate(bytes.span, at: 0..<bytes.count).first else { return }
        throw UnusableAnswer(reason: "content\(violation.path): \(violation.advice)")
    }
}
