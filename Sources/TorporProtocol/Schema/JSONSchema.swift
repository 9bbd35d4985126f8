public import TorporJSON

/// A JSON Schema (2020-12): what a tool's arguments or its structured result look like.
///
/// It reaches clients member for member as it was given.
public struct JSONSchema: Sendable, Hashable {
    public let value: JSONValue

    /// A schema as it stands.
    /// - Precondition: `value` is an object or a Boolean.
    public init(_ value: JSONValue) {
        switch value {
        case .object, .bool: self.value = value
        default: preconditionFailure("a JSON Schema is an object or a Boolean")
        }
    }

    /// The schema of no arguments at all.
    public static let empty = JSONSchema(["type": "object", "additionalProperties": false])

    /// Whether values that conform are objects, as every tool's arguments are.
    package var describesObject: Bool {
        guard case .object(let members) = self.value else { return false }
        return members["type"] == "object"
    }
}

/// What a schema says of one property of a `Codable` type, beside its Swift type.
///
/// A string literal is a description and nothing else:
///
///     struct Search: ToolInput {
///         var query: String
///         var limit: Int?
///         static let fields: [String: Field] = [
///             "query": "Words that must all appear.",
///             "limit": Field("The most hits to return.", range: 1...100),
///         ]
///     }
public struct Field: Sendable, Hashable, ExpressibleByStringLiteral {
    /// For the model: what the property means.
    public var description: String
    /// The least and the greatest number accepted.
    public var range: ClosedRange<Double>?
    /// The shortest and the longest text accepted, in characters (Unicode scalars), or the fewest and most elements.
    public var length: ClosedRange<Int>?

    public init(_ description: String) { self.description = description }

    public init(stringLiteral description: String) { self.init(description) }

    public init(_ description: String, range: ClosedRange<Int>) {
        self.description = description
        self.range = Double(range.lowerBound)...Double(range.upperBound)
    }

    public init(_ description: String, length: ClosedRange<Int>) {
        self.description = description
        self.length = length
    }
}

/// A type that says more about its properties than their Swift types do.
public protocol DescribedFields {
    /// By coding key. Every key must be a property of the type.
    static var fields: [String: Field] { get }
}

extension DescribedFields {
    public static var fields: [String: Field] { [:] }
}

/// The arguments of a tool: a `Decodable` struct whose properties become the tool's input schema.
public protocol ToolInput: Decodable, Sendable, DescribedFields {}
