import TorporJSON

/// Finds the subschemas of a schema and of the documents that it refers to, by place, URI and anchor.
struct SchemaIndex {
    struct Subschema {
        let value: JSONValue
        let place: Place
        let resource: Int
    }

    /// Where a value stands.
    struct Place: Hashable {
        let document: Int
        /// A JSON Pointer.
        let pointer: String
    }

    /// A schema with a URI of its own: the root of a document, or a subschema with `$id`.
    struct Resource {
        let base: URIReference
        let place: Place
        let vocabularies: Vocabularies
        var anchors: [String: Int] = [:]
        var dynamicAnchors: [String: Int] = [:]
    }

    private struct Document {
        let uri: String
        let value: JSONValue
    }

    private let options: SchemaOptions
    private var documents: [Document] = []
    private(set) var subschemas: [Subschema] = []
    private(set) var resources: [Resource] = []
    private var byPlace: [Place: Int] = [:]
    private var resourceByURI: [String: Int] = [:]

    /// Indexes `schema`, whose root becomes the first subschema.
    init(_ schema: JSONValue, options: SchemaOptions) throws(SchemaError) {
        self.options = options
        try self.add(schema, at: "")
    }

    /// The subschema under a keyword, which exists since the keyword's value was walked.
    func child(of id: Int, _ steps: String...) -> Int {
        let place = self.subschemas[id].place
        let pointer = steps.reduce(place.pointer) { $0.pointer(to: $1) }
        guard let child = self.byPlace[Place(document: place.document, pointer: pointer)] else {
            preconditionFailure("every subschema is indexed: \(pointer)")
        }
        return child
    }

    func isResourceRoot(_ id: Int) -> Bool {
        self.resources[self.subschemas[id].resource].place == self.subschemas[id].place
    }

    func error(_ reason: SchemaError.Reason, at place: Place, _ message: String) -> SchemaError {
        SchemaError(
            reason: reason, document: self.documents[place.document].uri, pointer: place.pointer, message: message)
    }

    func error(_ reason: SchemaError.Reason, at id: Int, _ step: String, _ message: String) -> SchemaError {
        let place = self.subschemas[id].place
        return self.error(
            reason, at: Place(document: place.document, pointer: place.pointer.pointer(to: step)), message)
    }

    // MARK: References

    /// The subschema that a reference in another leads to; documents are indexed when first referred to.
    /// - Returns: also the name of the dynamic anchor, when it was found by one.
    mutating func target(of reference: String, in id: Int, _ keyword: String) throws(SchemaError) -> (
        id: Int, dynamicAnchor: String?
    ) {
        let uri = URIReference(reference).resolved(against: self.resources[self.subschemas[id].resource].base)
        let document = uri.document
        if self.resourceByURI[document] == nil {
            guard let value = self.options.documents[document] ?? Metaschemas.document(at: document) else {
                throw self.error(
                    .unresolvedReference, at: id, keyword,
                    "The reference \"\(reference)\" leads to \(document.isEmpty ? "a document" : document), which was "
                        + "not handed in; references are never fetched, so put the schema under \"$defs\".")
            }
            try self.add(value, at: document)
        }
        guard let resource = self.resourceByURI[document] else {
            preconditionFailure("a document that was added is known")
        }
        guard let fragment = uri.decodedFragment else {
            throw self.error(
                .unresolvedReference, at: id, keyword, "The reference \"\(reference)\" has a broken percent-encoding.")
        }
        if fragment.isEmpty || fragment.hasPrefix("/") {
            if let found = try self.subschema(at: fragment, from: resource) { return (found, nil) }
        } else if let found = self.resources[resource].anchors[fragment] {
            return (found, self.resources[resource].dynamicAnchors[fragment] == nil ? nil : fragment)
        }
        throw self.error(
            .unresolvedReference, at: id, keyword,
            "The reference \"\(reference)\" leads to nothing; "
                + (fragment.hasPrefix("/")
                    ? "there is no schema at \(fragment)." : "no schema has the anchor \"\(fragment)\"."))
    }

    /// The subschema at a pointer from a resource's root; `nil` if there is nothing. A place under a keyword that is
    /// not known becomes a subschema by being referred to.
    private mutating func subschema(at pointer: String, from resource: Int) throws(SchemaError) -> Int? {
        let root = self.resources[resource].place
        var names: [String] = []
        for token in (root.pointer + pointer).split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            names.append(token.unescapedStep)
        }
        let place = Place(document: root.document, pointer: names.reduce("") { $0.pointer(to: $1) })
        if let known = self.byPlace[place] { return known }
        var value = self.documents[root.document].value
        var enclosing = resource
        var path = ""
        for name in names {
            switch value {
            case .object(let object):
                guard let member = object[name] else { return nil }
                value = member
            case .array(let elements):
                guard let index = Int(name), elements.indices.contains(index), name == String(index) else {
                    return nil
                }
                value = elements[index]
            default: return nil
            }
            path = path.pointer(to: name)
            if let known = self.byPlace[Place(document: root.document, pointer: path)] {
                enclosing = self.subschemas[known].resource
            }
        }
        return try self.walk(value, place, in: enclosing, depth: 0)
    }

    // MARK: Walking

    private mutating func add(_ value: JSONValue, at uri: String) throws(SchemaError) {
        self.documents.append(Document(uri: uri, value: value))
        let place = Place(document: self.documents.count - 1, pointer: "")
        let resource = try self.addResource(value, place, base: URIReference(uri))
        self.resourceByURI[uri] = resource
        try self.walk(value, place, in: resource, depth: 0)
    }

    private mutating func addResource(_ value: JSONValue, _ place: Place, base: URIReference) throws(SchemaError) -> Int
    {
        var base = base
        if let id = value["$id"] {
            let inside = Place(document: place.document, pointer: place.pointer.pointer(to: "$id"))
            guard case .string(let text) = id else { throw self.error(.malformed, at: inside, "$id is a string.") }
            let reference = URIReference(text)
            guard reference.fragment?.isEmpty ?? true else {
                throw self.error(
                    .malformed, at: inside, "An $id has no fragment in 2020-12; name the schema by $anchor.")
            }
            base = reference.resolved(against: base)
            base.fragment = nil
            if let known = self.resourceByURI[base.document], self.resources[known].place != place {
                throw self.error(.malformed, at: inside, "Two schemas have the $id \"\(text)\"; make them differ.")
            }
        }
        let vocabularies = try self.vocabularies(of: value, place)
        self.resources.append(Resource(base: base, place: place, vocabularies: vocabularies))
        self.resourceByURI[base.document] = self.resources.count - 1
        return self.resources.count - 1
    }

    /// Indexes a schema and those inside it.
    @discardableResult
    private mutating func walk(_ value: JSONValue, _ place: Place, in resource: Int, depth: Int) throws(SchemaError)
        -> Int
    {
        guard depth < self.options.limits.depthMax else {
            throw self.error(
                .tooLarge, at: place,
                "Schemas are nested more than \(self.options.limits.depthMax) deep; move inner ones to \"$defs\".")
        }
        guard self.subschemas.count < self.options.limits.subschemasMax else {
            throw self.error(
                .tooLarge, at: place,
                "There are more than \(self.options.limits.subschemasMax) subschemas; simplify the schema.")
        }
        var resource = resource
        if value["$id"] != nil, self.resources[resource].place != place {
            resource = try self.addResource(value, place, base: self.resources[resource].base)
        }
        let id = self.subschemas.count
        self.subschemas.append(Subschema(value: value, place: place, resource: resource))
        self.byPlace[place] = id
        switch value {
        case .bool: return id
        case .object(let keywords):
            try self.addAnchors(of: keywords, id)
            for (name, holding) in Self.schemaKeywords {
                if let inner = keywords[name] {
                    try self.walk(inner, holding, place.inside(name), in: resource, depth: depth + 1)
                }
            }
            return id
        default: throw self.error(.malformed, at: place, "A schema is an object or a Boolean.")
        }
    }

    private mutating func walk(_ value: JSONValue, _ holding: Holding, _ place: Place, in resource: Int, depth: Int)
        throws(SchemaError)
    {
        switch (holding, value) {
        case (.one, _): try self.walk(value, place, in: resource, depth: depth)
        case (.list, .array(let elements)):
            for (index, element) in elements.enumerated() {
                try self.walk(element, place.inside(String(index)), in: resource, depth: depth)
            }
        case (.named, .object(let object)):
            for (name, value) in object.distinct {
                try self.walk(value, place.inside(name), in: resource, depth: depth)
            }
        case (.namedOrNames, .object(let object)):
            for (name, value) in object.distinct {
                if case .array = value { continue }
                try self.walk(value, place.inside(name), in: resource, depth: depth)
            }
        case (.list, _):
            throw self.error(.malformed, at: place, "\(place.lastStep) is an array of schemas.")
        case (.named, _), (.namedOrNames, _):
            throw self.error(.malformed, at: place, "\(place.lastStep) is an object whose values are schemas.")
        }
    }

    private mutating func addAnchors(of keywords: JSONObject, _ id: Int) throws(SchemaError) {
        let resource = self.subschemas[id].resource
        for keyword in ["$anchor", "$dynamicAnchor"] {
            guard let value = keywords[keyword] else { continue }
            guard case .string(let name) = value, !name.isEmpty, !name.contains("/"), !name.contains("#") else {
                throw self.error(.malformed, at: id, keyword, "\(keyword) is a name without / and #.")
            }
            guard self.resources[resource].anchors[name].map({ $0 == id }) ?? true else {
                throw self.error(.malformed, at: id, keyword, "Two schemas have the anchor \"\(name)\".")
            }
            self.resources[resource].anchors[name] = id
            if keyword == "$dynamicAnchor" { self.resources[resource].dynamicAnchors[name] = id }
        }
    }

    // MARK: Dialects

    /// What a resource's `$schema` switches on.
    private func vocabularies(of value: JSONValue, _ place: Place) throws(SchemaError) -> Vocabularies {
        let standard = self.options.assertsFormats ? Vocabularies.standard.union(.formatAssertion) : .standard
        guard let schema = value["$schema"] else { return standard }
        let inside = place.inside("$schema")
        guard case .string(let text) = schema else { throw self.error(.malformed, at: inside, "$schema is a string.") }
        let uri = URIReference(text).document
        if uri == Metaschemas.root { return standard }
        guard let dialect = self.options.documents[uri], case .string(let meta)? = dialect["$schema"],
            URIReference(meta).document == Metaschemas.root
        else {
            throw self.error(
                .unknownDialect, at: inside,
                "The dialect \"\(text)\" is not supported; write the schema in 2020-12 and declare "
                    + "\"\(Metaschemas.root)\", or leave $schema out.")
        }
        guard case .object(let declared)? = dialect["$vocabulary"] else { return standard }
        var vocabularies: Vocabularies = []
        for (name, isRequired) in declared.distinct {
            if let known = Vocabularies.named(name) {
                vocabularies.formUnion(known)
            } else if isRequired != false {
                throw self.error(
                    .unknownDialect, at: inside,
                    "The dialect \"\(text)\" requires the vocabulary \"\(name)\", which is not supported.")
            }
        }
        return vocabularies
    }
}

// MARK: Where schemas stand

extension SchemaIndex {
    /// How a keyword's value holds schemas.
    enum Holding {
        case one, list, named
        /// `dependencies` of earlier drafts: names or a schema each.
        case namedOrNames
    }

    /// The keywords that hold schemas.
    static let schemaKeywords: [(String, Holding)] = [
        ("$defs", .named), ("definitions", .named), ("allOf", .list), ("anyOf", .list), ("oneOf", .list),
        ("not", .one), ("if", .one), ("then", .one), ("else", .one), ("dependentSchemas", .named),
        ("dependencies", .namedOrNames), ("prefixItems", .list), ("items", .one), ("contains", .one),
        ("properties", .named), ("patternProperties", .named), ("additionalProperties", .one),
        ("propertyNames", .one), ("unevaluatedItems", .one), ("unevaluatedProperties", .one),
        ("contentSchema", .one),
    ]
}

extension SchemaIndex.Place {
    func inside(_ step: String) -> Self { Self(document: self.document, pointer: self.pointer.pointer(to: step)) }

    /// The keyword that the place belongs to.
    var lastStep: String { self.pointer.split(separator: "/").last.map(\.unescapedStep) ?? "" }
}

extension JSONObject {
    /// Each name once, in order, with the value that counts.
    var distinct: [(name: String, value: JSONValue)] {
        var positions: [[UInt8]: Int] = [:]
        for (position, member) in self.members.enumerated() { positions[Array(member.name.utf8)] = position }
        return self.members.enumerated().compactMap { position, member in
            positions[Array(member.name.utf8)] == position ? (member.name, member.value) : nil
        }
    }
}

extension String {
    /// This JSON Pointer, one step further.
    func pointer(to step: String) -> String {
        guard step.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else {
            return "\(self)/\(step)"
        }
        return "\(self)/" + step.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
    }
}

extension Substring {
    /// A step of a JSON Pointer without its escapes.
    var unescapedStep: String {
        guard self.utf8.contains(UInt8(ascii: "~")) else { return String(self) }
        var step = ""
        var isEscape = false
        for character in self.unicodeScalars {
            switch character {
            case "0" where isEscape: step.unicodeScalars.append("~")
            case "1" where isEscape: step.unicodeScalars.append("/")
            case "~" where !isEscape:
                isEscape = true
                continue
            default: step.unicodeScalars.append(character)
            }
            isEscape = false
        }
        return step
    }
}
