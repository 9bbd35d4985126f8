import TorporJSON

/// A tool argument that clients send in a header too: `Mcp-Param-{header}`.
package struct MirroredParameter: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable { case string, integer, boolean }

    /// The names that lead from the arguments to the value.
    package let path: [String]
    /// What `x-mcp-header` says: the end of the header's name.
    package let header: String
    package let kind: Kind

    package init(path: [String], header: String, kind: Kind) {
        self.path = path
        self.header = header
        self.kind = kind
    }
}

extension JSONSchema {
    /// The arguments that the schema marks with `x-mcp-header`, in the order of the schema.
    ///
    /// - Throws: ``SchemaError`` with ``SchemaError/Reason/misplacedHeader`` for the first mark that breaks a rule of
    ///   revision 2026-07-28, since clients leave out a tool that has one. A mark is a non-empty HTTP token, unlike
    ///   every other when case is ignored, and stands on a property of type string, integer or boolean that is
    ///   reached from the root through `properties` alone.
    package func mirroredParameters() throws(SchemaError) -> [MirroredParameter] {
        var reader = MirrorReader()
        try reader.read(self.value, pointer: "", path: [], depth: 0)
        return reader.parameters
    }
}

/// Collects the marks of a schema.
private struct MirrorReader {
    static let keyword = "x-mcp-header"

    var parameters: [MirroredParameter] = []
    private var pointers: [String: String] = [:]

    /// - Parameter path: the names on the way here, or `nil` when it led through more than `properties`.
    mutating func read(_ schema: JSONValue, pointer: String, path: [String]?, depth: Int) throws(SchemaError) {
        guard case .object(let keywords) = schema else { return }
        guard depth < SchemaLimits().depthMax else {
            throw SchemaError(
                reason: .tooLarge, document: "", pointer: pointer,
                message: "Schemas are nested more than \(SchemaLimits().depthMax) deep; move inner ones to \"$defs\".")
        }
        if let mark = keywords[Self.keyword] { try self.add(mark, keywords, pointer.pointer(to: Self.keyword), path) }
        for (keyword, holding) in SchemaIndex.schemaKeywords {
            guard let value = keywords[keyword] else { continue }
            let pointer = pointer.pointer(to: keyword)
            switch (holding, value) {
            case (.one, _): try self.read(value, pointer: pointer, path: nil, depth: depth + 1)
            case (.list, .array(let elements)):
                for (index, element) in elements.enumerated() {
                    try self.read(element, pointer: pointer.pointer(to: String(index)), path: nil, depth: depth + 1)
                }
            case (.named, .object(let object)), (.namedOrNames, .object(let object)):
                for (name, value) in object.distinct {
                    try self.read(
                        value, pointer: pointer.pointer(to: name),
                        path: keyword == "properties" ? path.map { $0 + [name] } : nil, depth: depth + 1)
                }
            default: break
            }
        }
    }

    private mutating func add(_ mark: JSONValue, _ keywords: JSONObject, _ pointer: String, _ path: [String]?)
        throws(SchemaError)
    {
        func error(_ message: String) -> SchemaError {
            SchemaError(reason: .misplacedHeader, document: "", pointer: pointer, message: message)
        }
        guard case .string(let header) = mark, !header.isEmpty else {
            throw error("x-mcp-header is the end of a header's name, a string that is not empty.")
        }
        guard header.utf8.allSatisfy(\.isTokenByte) else {
            throw error(
                "x-mcp-header \"\(header.shortened(to: 40))\" is no HTTP token; use letters, digits, - and _ alone.")
        }
        guard let path else {
            throw error(
                "x-mcp-header stands where properties alone do not lead to; mark a property that is reached from the "
                    + "root through properties only, never through $ref, items or combining keywords.")
        }
        guard !path.isEmpty else { throw error("x-mcp-header stands on a property, not on the root.") }
        guard case .string(let type)? = keywords["type"], let kind = MirroredParameter.Kind(rawValue: type) else {
            throw error("x-mcp-header needs a property whose type is string, integer or boolean.")
        }
        if let other = self.pointers.updateValue(pointer, forKey: header.lowercased()) {
            throw error("x-mcp-header \"\(header)\" is used at \(other) already; upper and lower case are the same.")
        }
        self.parameters.append(MirroredParameter(path: path, header: header, kind: kind))
    }
}

extension UInt8 {
    /// Whether the byte may stand in an HTTP token (RFC 9110, section 5.6.2).
    fileprivate var isTokenByte: Bool {
        self.isASCIILetter || self.isASCIIDigit || "!#$%&'*+-.^_`|~".utf8.contains(self)
    }
}
