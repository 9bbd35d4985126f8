/// An expression, compiled to the steps of a machine that is in many places at once.
struct PatternProgram: Sendable {
    enum Instruction: Sendable {
        /// Reads one character of a set.
        case read(Int)
        /// Goes on at both places.
        case fork(Int, Int)
        case jump(Int)
        case assert(PatternAssertion)
        case accept
    }

    private(set) var instructions: [Instruction] = []
    let sets: [CharacterSet]
    /// Whether text is read from its end to its start, and the expression with it.
    let isBackward: Bool
    /// Whether every match begins at the start of the text, so that a search may give up early.
    let isAnchored: Bool

    init(_ node: PatternNode, sets: [CharacterSet], isBackward: Bool) {
        self.sets = sets
        self.isBackward = isBackward
        self.isAnchored = !isBackward && node.isAnchored
        self.emit(node)
        self.instructions.append(.accept)
    }

    private mutating func emit(_ node: PatternNode) {
        switch node {
        case .empty: break
        case .set(let index): self.instructions.append(.read(index))
        case .assertion(let assertion): self.instructions.append(.assert(assertion))
        case .sequence(let parts):
            if self.isBackward {
                for part in parts.reversed() { self.emit(part) }
            } else {
                for part in parts { self.emit(part) }
            }
        case .choice(let ways):
            var jumps: [Int] = []
            for (offset, way) in ways.enumerated() {
                guard offset < ways.count - 1 else {
                    self.emit(way)
                    break
                }
                let fork = self.reserve()
                self.emit(way)
                jumps.append(self.reserve())
                self.instructions[fork] = .fork(fork + 1, self.instructions.count)
            }
            for jump in jumps { self.instructions[jump] = .jump(self.instructions.count) }
        case .repetition(let node, let atLeast, let atMost):
            for _ in 0..<atLeast { self.emit(node) }
            guard let atMost else {
                let fork = self.reserve()
                self.emit(node)
                self.instructions.append(.jump(fork))
                self.instructions[fork] = .fork(fork + 1, self.instructions.count)
                return
            }
            var forks: [Int] = []
            for _ in atLeast..<max(atLeast, atMost) {
                forks.append(self.reserve())
                self.emit(node)
            }
            for fork in forks { self.instructions[fork] = .fork(fork + 1, self.instructions.count) }
        }
    }

    /// A place for an instruction that is known later.
    private mutating func reserve() -> Int {
        self.instructions.append(.accept)
        return self.instructions.count - 1
    }
}

extension PatternNode {
    /// Whether it begins with `^` whichever way is taken.
    fileprivate var isAnchored: Bool {
        switch self {
        case .assertion(.start): true
        case .sequence(let parts): parts.first?.isAnchored ?? false
        case .choice(let ways): ways.allSatisfy(\.isAnchored)
        case .repetition(let node, let atLeast, _): atLeast > 0 && node.isAnchored
        default: false
        }
    }
}
