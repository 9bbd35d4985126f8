import TorporTestSupport

/// Fuzzes one target without coverage: mutates a corpus by seed, and keeps inputs of which something new comes.
///
/// The same target, corpus and seed give the same campaign.
package struct Campaign {
    /// An input that broke a property.
    package struct Finding: Error, CustomStringConvertible {
        package let target: String
        package let input: [UInt8]
        package let violation: PropertyViolation

        package var description: String { "\(self.target): \(self.violation) with \"\(escaped(self.input))\"" }
    }

    /// The most inputs that are kept.
    private static let corpusMax = 4_096

    private let target: FuzzTarget
    private let mutator: Mutator
    private var random: SeededGenerator
    private var corpus: [[UInt8]] = []
    private var seen: Set<String> = []

    /// Inputs checked so far, the corpus included.
    package private(set) var executionCount = 0
    package var corpusCount: Int { self.corpus.count }
    /// The different outcomes so far.
    package var outcomeCount: Int { self.seen.count }

    /// Checks the corpus first.
    /// - Parameter willCheck: Told each input before it is checked, to note it for the case that the check traps.
    /// - Throws: ``Finding`` when an input of the corpus breaks a property.
    package init(
        _ target: FuzzTarget, corpus: [[UInt8]], seed: UInt64, willCheck: ([UInt8]) -> Void = { _ in }
    ) throws(Finding) {
        self.target = target
        self.mutator = Mutator(target)
        self.random = SeededGenerator(seed: seed)
        for input in corpus {
            willCheck(input)
            try self.check(input)
        }
        self.corpus = corpus
        if self.corpus.isEmpty { self.corpus = [[]] }
    }

    /// Makes an input and checks it.
    /// - Throws: ``Finding`` when it breaks a property. The campaign may go on.
    package mutating func step(willCheck: ([UInt8]) -> Void = { _ in }) throws(Finding) {
        let input = self.nextInput()
        willCheck(input)
        let isNew = try self.check(input)
        if isNew, self.corpus.count < Self.corpusMax { self.corpus.append(input) }
    }

    private mutating func nextInput() -> [UInt8] {
        if let generate = self.target.generate, self.random.chance(30) {
            return Array(generate(&self.random).prefix(self.target.lengthMax))
        }
        let parent = self.corpus[Int.random(in: 0..<self.corpus.count, using: &self.random)]
        let other = self.corpus[Int.random(in: 0..<self.corpus.count, using: &self.random)]
        return self.mutator.mutate(parent, with: other, using: &self.random)
    }

    @discardableResult
    private mutating func check(_ input: [UInt8]) throws(Finding) -> Bool {
        self.executionCount += 1
        do {
            return self.seen.insert(try self.target.check(input)).inserted
        } catch {
            throw Finding(target: self.target.name, input: input, violation: error)
        }
    }
}
