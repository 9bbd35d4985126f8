/// One run of a program over a text.
struct PatternSearch: ~Escapable {
    private let program: PatternProgram
    private let text: Span<UInt8>
    /// By lookaround: the places, as byte offsets, where what it asks for is there.
    private let marks: [[Bool]]
    /// The `read` instructions that the next character decides about.
    private var readers: [Int] = []
    private var nextReaders: [Int] = []
    /// By instruction: the round in which it was last reached, so that each is followed once per place.
    private var reached: [Int]
    private var round = 0
    private var isAccepted = false
    private var pending: [Int] = []

    @_lifetime(copy text)
    init(_ program: PatternProgram, _ text: Span<UInt8>, _ marks: [[Bool]]) {
        self.program = program
        self.text = text
        self.marks = marks
        self.reached = Array(repeating: 0, count: program.instructions.count)
    }

    /// Whether the program accepts anywhere.
    mutating func isFound(work: inout Int) -> Bool {
        work -= self.program.instructions.count >> 3  // what `reached` took to make
        var offset = 0
        while true {
            self.beginRound()
            for index in self.readers.indices { self.follow(self.readers[index], at: offset, &work) }
            if offset == 0 || !self.program.isAnchored { self.follow(0, at: offset, &work) }
            if self.isAccepted { return work >= 0 }
            guard offset < self.text.count, work >= 0 else { return false }
            if self.program.isAnchored, self.nextReaders.isEmpty { return false }
            let (character, end) = self.character(from: offset)
            self.read(character, &work)
            offset = end
        }
    }

    /// The places where the program, begun anywhere, accepts.
    mutating func places(work: inout Int) -> [Bool] {
        var places = Array(repeating: false, count: self.text.count + 1)
        work -= (self.program.instructions.count >> 3) + (self.text.count >> 6)
        var offset = self.program.isBackward ? self.text.count : 0
        while work >= 0 {
            self.beginRound()
            for index in self.readers.indices { self.follow(self.readers[index], at: offset, &work) }
            self.follow(0, at: offset, &work)
            places[offset] = self.isAccepted
            self.isAccepted = false
            if self.program.isBackward {
                guard offset > 0 else { break }
                let (character, start) = self.character(before: offset)
                self.read(character, &work)
                offset = start
            } else {
                guard offset < self.text.count else { break }
                let (character, end) = self.character(from: offset)
                self.read(character, &work)
                offset = end
            }
        }
        return places
    }

    private mutating func beginRound() {
        self.round += 1
        self.nextReaders.removeAll(keepingCapacity: true)
    }

    /// Keeps the readers that accept the character, each moved on behind it.
    private mutating func read(_ character: UInt32, _ work: inout Int) {
        work -= self.nextReaders.count + 1
        self.readers.removeAll(keepingCapacity: true)
        for place in self.nextReaders {
            if case .read(let set) = self.program.instructions[place], self.program.sets[set].contains(character) {
                self.readers.append(place + 1)
            }
        }
    }

    /// Follows all ways from an instruction that need no character.
    private mutating func follow(_ start: Int, at offset: Int, _ work: inout Int) {
        self.pending.append(start)
        while let place = self.pending.popLast() {
            guard self.reached[place] != self.round else { continue }
            self.reached[place] = self.round
            work -= 1
            switch self.program.instructions[place] {
            case .read: self.nextReaders.append(place)
            case .fork(let first, let second):
                self.pending.append(second)
                self.pending.append(first)
            case .jump(let target): self.pending.append(target)
            case .assert(let assertion): if self.holds(assertion, at: offset) { self.pending.append(place + 1) }
            case .accept: self.isAccepted = true
            }
        }
    }

    private func holds(_ assertion: PatternAssertion, at offset: Int) -> Bool {
        switch assertion {
        case .start: offset == 0
        case .end: offset == self.text.count
        case .wordBoundary(let isNegated):
            (self.isWord(at: offset - 1) != self.isWord(at: offset)) != isNegated
        case .look(let index, let isNegated): self.marks[index][offset] != isNegated
        }
    }

    /// Word characters are ASCII, so single bytes tell.
    private func isWord(at index: Int) -> Bool {
        guard self.text.indices.contains(index) else { return false }
        let byte = self.text[index]
        return byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "_")
    }

    // MARK: Characters

    private func character(from start: Int) -> (UInt32, end: Int) {
        let lead = self.text[start]
        let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        return (self.scalar(start, length), start + length)
    }

    private func character(before end: Int) -> (UInt32, start: Int) {
        var start = end - 1
        while start > 0, self.text[start] & 0xC0 == 0x80 { start -= 1 }
        return (self.scalar(start, end - start), start)
    }

    private func scalar(_ start: Int, _ length: Int) -> UInt32 {
        let lead = UInt32(self.text[start])
        if length == 1 { return lead }
        var value = lead & (0x7F >> UInt32(length))
        for index in (start + 1)..<(start + length) { value = value << 6 | UInt32(self.text[index] & 0x3F) }
        return value
    }
}
