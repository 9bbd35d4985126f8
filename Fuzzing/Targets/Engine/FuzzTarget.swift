package import TorporTestSupport

/// One thing that is fuzzed: a property that must hold for every input, and what helps to find inputs that reach it.
///
/// To add a target, write `extension FuzzTarget { static let … }` in a file of its own, name it in ``all``, and put
/// seeds into `Fuzzing/Corpora/<name>/`.
package struct FuzzTarget: Sendable {
    /// How inputs are built, so that mutations can keep them close to what gets past the first checks.
    package enum Shape: Sendable {
        /// Bytes without a known structure.
        case bytes
        /// JSON text, alone or behind lines of another kind and an empty line (or, without such, behind one line feed).
        case json
        /// Lines, as of HTTP.
        case lines
    }

    /// Lower-case words joined by `-`; also the name of its corpus.
    package let name: String
    package let shape: Shape
    /// Inputs are cut to this many bytes.
    package let lengthMax: Int
    /// Words that mean something to what is fuzzed.
    package let dictionary: [[UInt8]]
    /// Makes an input from nothing, if there is a generator that knows the structure.
    package let generate: (@Sendable (inout SeededGenerator) -> [UInt8])?
    private let property: @Sendable ([UInt8]) throws(PropertyViolation) -> String

    /// - Parameter property: Checks one input, and says in a word or two what came of it (``check(_:)``).
    package init(
        _ name: String, shape: Shape = .bytes, lengthMax: Int = 4_096, dictionary: [String] = [],
        generate: (@Sendable (inout SeededGenerator) -> [UInt8])? = nil,
        property: @escaping @Sendable ([UInt8]) throws(PropertyViolation) -> String
    ) {
        self.name = name
        self.shape = shape
        self.lengthMax = lengthMax
        self.dictionary = dictionary.map { Array($0.utf8) }
        self.generate = generate
        self.property = property
    }

    /// Checks one input.
    ///
    /// It depends on the input alone: no clock, no randomness of its own, nothing kept from input to input.
    /// - Returns: What came of it, as one of few texts: why it was refused, or what kind of thing it was. A campaign
    ///   without coverage keeps inputs that lead to new ones.
    /// - Throws: the property that does not hold.
    package func check(_ input: [UInt8]) throws(PropertyViolation) -> String { try self.property(input) }

    /// The target of that name.
    package static func named(_ name: String) -> FuzzTarget? { self.all.first { $0.name == name } }
}

/// A property that an input breaks.
package struct PropertyViolation: Error, CustomStringConvertible {
    /// The property, in the same words for every input that breaks it.
    package let property: String
    /// What was seen.
    package let detail: String

    package init(_ property: String, _ detail: String = "") {
        self.property = property
        self.detail = detail
    }

    package var description: String { self.detail.isEmpty ? self.property : "\(self.property): \(self.detail)" }
}

/// - Throws: a violation of `property` unless `condition` holds.
func require(_ condition: Bool, _ property: String, _ detail: @autoclosure () -> String = "")
    throws(PropertyViolation)
{
    guard condition else { throw PropertyViolation(property, detail()) }
}
