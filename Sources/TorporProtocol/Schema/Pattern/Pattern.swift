/// A regular expression of ECMA-262 with Unicode semantics, compiled once and searched for in linear time.
///
/// There is no backtracking: all ways through the expression are followed at once, one character of the text after
/// another, so a match takes at most (bytes of the text) × (instructions) steps. Only whether the text matches somewhere is
/// told, so greedy and lazy quantifiers are the same here. Lookahead and lookbehind are supported; backreferences,
/// which no such engine can have, and `\p{Script=…}` are refused when the pattern is compiled.
package struct Pattern: Sendable {
    package let source: String
    let main: PatternProgram
    /// What the assertions ask for, each after those it contains.
    let looks: [PatternLook]

    /// - Parameter instructionsMax: The most instructions the expression may take, all parts together.
    package init(_ source: String, instructionsMax: Int = SchemaLimits().patternInstructionsMax) throws(PatternError) {
        var parser = PatternParser(source)
        let root = try parser.parse()
        guard
            parser.looks.reduce(root.instructionCount, { $0.saturatingAdd($1.node.instructionCount) })
                <= instructionsMax
        else { throw PatternError("repeats too much: more than \(instructionsMax) instructions") }
        self.source = source
        self.main = PatternProgram(root, sets: parser.sets, isBackward: false)
        self.looks = parser.looks.map { look in
            // What follows a place is found from behind, going backward.
            PatternLook(
                program: PatternProgram(look.node, sets: parser.sets, isBackward: look.isAhead), isAhead: look.isAhead)
        }
    }

    /// Whether the expression matches anywhere in `text`, which is valid UTF-8.
    /// - Parameter work: Steps left to spend; what the search took is subtracted, and below zero the answer is `false`.
    package func matches(_ text: Span<UInt8>, work: inout Int) -> Bool {
        var marks: [[Bool]] = []
        for look in self.looks {
            var search = PatternSearch(look.program, text, marks)
            marks.append(search.places(work: &work))
            if work < 0 { return false }
        }
        var search = PatternSearch(self.main, text, marks)
        return search.isFound(work: &work)
    }
}

/// Why a regular expression cannot be used; ends a sentence that names it.
package struct PatternError: Error, Equatable, Sendable {
    package let message: String
    /// Whether ECMA-262 allows the expression, and only this engine does not.
    package let isUnsupported: Bool

    init(_ message: String, isUnsupported: Bool = false) {
        self.message = message
        self.isUnsupported = isUnsupported
    }
}

/// A lookahead or lookbehind.
struct PatternLook: Sendable {
    let program: PatternProgram
    let isAhead: Bool
}

/// The parts of a parsed expression.
indirect enum PatternNode {
    case empty
    /// One character, of a set.
    case set(Int)
    case sequence([PatternNode])
    case choice([PatternNode])
    /// `atMost` is `nil` without a bound.
    case repetition(PatternNode, atLeast: Int, atMost: Int?)
    case assertion(PatternAssertion)

    /// What the node compiles to; saturates, so that nothing is expanded before it is known to be small.
    var instructionCount: Int {
        switch self {
        case .empty: 0
        case .set, .assertion: 1
        case .sequence(let parts): parts.reduce(0) { $0.saturatingAdd($1.instructionCount) }
        case .choice(let ways): ways.reduce(0) { $0.saturatingAdd($1.instructionCount.saturatingAdd(2)) }
        case .repetition(let node, let atLeast, let atMost):
            node.instructionCount.saturatingAdd(2).saturatingMultiply(max(atLeast, atMost ?? (atLeast + 1), 1))
        }
    }
}

enum PatternAssertion: Sendable {
    case start, end
    case wordBoundary(isNegated: Bool)
    case look(Int, isNegated: Bool)
}

extension Int {
    func saturatingAdd(_ other: Int) -> Int {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    func saturatingMultiply(_ other: Int) -> Int {
        let (product, overflow) = self.multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}
