/// The vocabularies of 2020-12 that a schema's dialect switches on. Core is always on; metadata and content only
/// annotate, so they are not told apart.
struct Vocabularies: OptionSet, Sendable {
    let rawValue: UInt8
    static let applicator = Vocabularies(rawValue: 1 << 0)
    static let unevaluated = Vocabularies(rawValue: 1 << 1)
    static let validation = Vocabularies(rawValue: 1 << 2)
    /// `format` refuses values.
    static let formatAssertion = Vocabularies(rawValue: 1 << 3)

    /// What the dialect of 2020-12 itself switches on.
    static let standard: Vocabularies = [.applicator, .unevaluated, .validation]

    /// The vocabulary of a URI, empty for one without keywords that are checked; `nil` for one that is not implemented.
    static func named(_ uri: String) -> Vocabularies? {
        let prefix = "https://json-schema.org/draft/2020-12/vocab/"
        guard uri.hasPrefix(prefix) else { return nil }
        switch uri.dropFirst(prefix.count) {
        case "applicator": return .applicator
        case "unevaluated": return .unevaluated
        case "validation": return .validation
        case "format-assertion": return .formatAssertion
        case "core", "meta-data", "format-annotation", "content": return []
        default: return nil
        }
    }
}
