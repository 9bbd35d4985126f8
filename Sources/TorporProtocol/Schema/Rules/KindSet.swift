import TorporJSON

/// The kinds of JSON values, as `type` names them.
struct KindSet: OptionSet, Sendable {
    let rawValue: UInt8
    static let object = KindSet(rawValue: 1 << 0)
    static let array = KindSet(rawValue: 1 << 1)
    static let string = KindSet(rawValue: 1 << 2)
    static let number = KindSet(rawValue: 1 << 3)
    static let integer = KindSet(rawValue: 1 << 4)
    static let boolean = KindSet(rawValue: 1 << 5)
    static let null = KindSet(rawValue: 1 << 6)
    static let all = KindSet(rawValue: 0x7F)

    static let named: [(String, KindSet)] = [
        ("object", .object), ("array", .array), ("string", .string), ("number", .number), ("integer", .integer),
        ("boolean", .boolean), ("null", .null),
    ]

    /// Whether a value of this kind may be accepted; of a number, more must be known where integers alone are.
    func accepts(_ kind: JSONScanner.Kind) -> Bool { !self.isDisjoint(with: kind.acceptors) }

    /// `a string or a null`.
    var text: String {
        let named = self.contains(.number) ? self.subtracting(.integer) : self
        return Self.named.filter { named.contains($0.1) }.map { "\($0.1.isSubset(of: .vowels) ? "an" : "a") \($0.0)" }
            .joined(separator: " or ")
    }

    /// The kinds whose names begin with a vowel.
    private static let vowels: KindSet = [.object, .array, .integer]
}

extension JSONScanner.Kind {
    /// The kinds that values which begin like this may be of.
    @inline(__always)
    var acceptors: KindSet {
        switch self {
        case .object: .object
        case .array: .array
        case .string: .string
        case .number: [.number, .integer]
        case .true, .false: .boolean
        case .null: .null
        }
    }

    /// `a string`.
    var text: String { self == .number ? KindSet.number.text : self.acceptors.text }
}
