package import TorporJSON

/// Why a schema cannot be checked against, where, and what to do about it.
package struct SchemaError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Reason: Sendable, Hashable {
        /// A keyword has a value that 2020-12 does not allow.
        case malformed
        /// A reference leads to no schema that was handed in.
        case unresolvedReference
        /// `$schema` names a dialect, or a vocabulary it requires, that is not implemented.
        case unknownDialect
        /// A regular expression is none, or uses what the engine leaves out.
        case unusablePattern
        /// The schema exceeds one of ``SchemaLimits``.
        case tooLarge
        /// A reference leads back to itself without looking deeper into the value.
        case endless
        /// An `x-mcp-header` that clients would drop the tool for.
        case misplacedHeader
    }

    package let reason: Reason
    /// The URI of the document that the fault lies in; empty for the schema itself.
    package let document: String
    /// A JSON Pointer into the document, empty for its root.
    package let pointer: String
    /// What is wrong and what to do, as a sentence.
    package let message: String

    package var description: String {
        let place = self.pointer.isEmpty ? "the root" : self.pointer
        return "At \(place)\(self.document.isEmpty ? "" : " of \(self.document)"): \(self.message)"
    }
}

/// How large a schema may be, and how much work one check may take.
package struct SchemaLimits: Sendable {
    /// Schemas that may be nested in one another. Default 64.
    package var depthMax = 64
    /// Subschemas of a schema and all documents it refers to. Default 10,000.
    package var subschemasMax = 10_000
    /// Instructions one regular expression may compile to; `a{1,500}` takes about 1,000. Default 10,000.
    package var patternInstructionsMax = 10_000
    /// References and combining keywords (`allOf`, `if`, …) that may be followed within one another during a check.
    /// Default 256.
    package var nestingMax = 256
    /// Work units that one check may spend; beyond, the value is refused as too complex. One schema applied to one
    /// value, eight steps of a regular expression or 64 bytes read again take one unit, which is at most some hundred
    /// nanoseconds. Default 1,000,000.
    package var workMax = 1_000_000

    package init() {}
}

/// What a schema is compiled with, beside itself.
package struct SchemaOptions: Sendable {
    /// The documents that references may lead to, by absolute URI without fragment. Nothing else is ever read; the
    /// metaschemas of 2020-12 are always there.
    package var documents: [String: JSONValue] = [:]
    /// Whether `format` refuses values, for the formats listed in `docs/json-schema.md`. By default it is an
    /// annotation, as 2020-12 has it.
    package var assertsFormats = false
    package var limits = SchemaLimits()

    package init() {}
}
