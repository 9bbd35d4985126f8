/// Reads the syntax of ECMA-262 with Unicode semantics, and as much of its older form as patterns in the wild use.
struct PatternParser {
    /// Groups that may be open at once.
    private static let depthMax = 100
    /// The greatest count in a quantifier that is told apart from a greater one.
    private static let countMax = 1 << 30

    private let characters: [Unicode.Scalar]
    private var index = 0
    private var depth = 0
    private(set) var sets: [CharacterSet] = []
    private(set) var looks: [(node: PatternNode, isAhead: Bool)] = []

    init(_ source: String) { self.characters = Array(source.unicodeScalars) }

    mutating func parse() throws(PatternError) -> PatternNode {
        let node = try self.choice()
        guard self.index == self.characters.count else { throw PatternError("closes a group that it never opened") }
        return node
    }

    // MARK: Structure

    private mutating func choice() throws(PatternError) -> PatternNode {
        var ways = [try self.sequence()]
        while self.take("|") { ways.append(try self.sequence()) }
        return ways.count == 1 ? ways[0] : .choice(ways)
    }

    private mutating func sequence() throws(PatternError) -> PatternNode {
        var parts: [PatternNode] = []
        while let next = self.peek, next != "|", next != ")" {
            let part = try self.term()
            parts.append(try self.quantified(part))
        }
        return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func term() throws(PatternError) -> PatternNode {
        let character = self.characters[self.index]
        self.index += 1
        switch character {
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case ".": return self.add(CharacterSet(CharacterClass.lineEnds, isNegated: true))
        case "(": return try self.group()
        case "[": return try self.bracket()
        case "*", "+", "?": throw PatternError("has \(character) with nothing to repeat")
        case "\\": return try self.escape()
        default: return self.add(CharacterSet([character.value...character.value]))
        }
    }

    private mutating func add(_ set: CharacterSet) -> PatternNode {
        self.sets.append(set)
        return .set(self.sets.count - 1)
    }

    private mutating func group() throws(PatternError) -> PatternNode {
        self.depth += 1
        defer { self.depth -= 1 }
        guard self.depth <= Self.depthMax else { throw PatternError("has groups nested too deeply") }
        var look: (isAhead: Bool, isNegated: Bool)?
        if self.take("?") {
            switch (self.next(), self.peek) {
            case (":", _): break
            case ("=", _): look = (true, false)
            case ("!", _): look = (true, true)
            case ("<", "="):
                self.index += 1
                look = (false, false)
            case ("<", "!"):
                self.index += 1
                look = (false, true)
            case ("<", _): try self.groupName()
            default: throw PatternError("has a group of a kind that ECMA-262 does not know")
            }
        }
        let node = try self.choice()
        guard self.take(")") else { throw PatternError("has a group without its closing parenthesis") }
        guard let look else { return node }
        self.looks.append((node, look.isAhead))
        return .assertion(.look(self.looks.count - 1, isNegated: look.isNegated))
    }

    /// Passes over `name>`.
    private mutating func groupName() throws(PatternError) {
        var count = 0
        while let character = self.next(), character != ">" {
            guard character == "_" || character == "$" || character.properties.isIDContinue else {
                throw PatternError("has a group with a name that is none")
            }
            count += 1
        }
        guard count > 0, self.characters[self.index - 1] == ">" else {
            throw PatternError("has a group with a name that is none")
        }
    }

    private mutating func quantified(_ node: PatternNode) throws(PatternError) -> PatternNode {
        let atLeast: Int
        let atMost: Int?
        switch self.peek {
        case "*": (atLeast, atMost) = (0, nil)
        case "+": (atLeast, atMost) = (1, nil)
        case "?": (atLeast, atMost) = (0, 1)
        case "{":
            guard let counts = self.counts() else { return node }
            (atLeast, atMost) = counts
            if let atMost, atMost < atLeast { throw PatternError("has a quantifier with its bounds out of order") }
            self.index -= 1
        default: return node
        }
        self.index += 1
        _ = self.take("?")  // lazy: it matches the same texts
        if let next = self.peek, "*+?".unicodeScalars.contains(next) {
            throw PatternError("has \(next) with nothing to repeat")
        }
        // What holds at a place holds however often it is asked.
        if case .assertion = node { return atLeast > 0 ? node : .empty }
        return .repetition(node, atLeast: atLeast, atMost: atMost)
    }

    /// Reads `{2}`, `{2,}` or `{2,5}`; a brace that begins none of them stands for itself.
    private mutating func counts() -> (Int, Int?)? {
        let start = self.index
        self.index += 1
        guard let atLeast = self.number() else {
            self.index = start
            return nil
        }
        var atMost: Int? = atLeast
        if self.take(",") { atMost = self.number() }
        guard self.take("}") else {
            self.index = start
            return nil
        }
        return (atLeast, atMost)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let next = self.peek, ("0"..."9").contains(next) {
            value = min((value ?? 0) * 10 + Int(next.value - 0x30), Self.countMax)
            self.index += 1
        }
        return value
    }

    // MARK: Characters

    private mutating func escape() throws(PatternError) -> PatternNode {
        switch self.peek {
        case "b":
            self.index += 1
            return .assertion(.wordBoundary(isNegated: false))
        case "B":
            self.index += 1
            return .assertion(.wordBoundary(isNegated: true))
        case .some("1"..."9"), "k":
            throw PatternError("has a backreference, which is not supported", isUnsupported: true)
        default: break
        }
        switch try self.escapedAtom() {
        case .character(let value): return self.add(CharacterSet([value...value]))
        case .ranges(let ranges): return self.add(CharacterSet(ranges))
        case .property(let property, let isNegated):
            return self.add(CharacterSet([], properties: [(property, isNegated)]))
        }
    }

    private enum Atom {
        case character(UInt32)
        case ranges([ClosedRange<UInt32>])
        case property(CharacterProperty, isNegated: Bool)
    }

    /// Reads what stands behind a backslash.
    private mutating func escapedAtom() throws(PatternError) -> Atom {
        guard let character = self.next() else { throw PatternError("ends in a backslash") }
        switch character {
        case "d": return .ranges(CharacterClass.digits)
        case "D": return .ranges(CharacterClass.complement(CharacterClass.digits))
        case "w": return .ranges(CharacterClass.words)
        case "W": return .ranges(CharacterClass.complement(CharacterClass.words))
        case "s": return .ranges(CharacterClass.spaces)
        case "S": return .ranges(CharacterClass.complement(CharacterClass.spaces))
        case "p", "P": return .property(try self.property(), isNegated: character == "P")
        case "t": return .character(0x09)
        case "n": return .character(0x0A)
        case "v": return .character(0x0B)
        case "f": return .character(0x0C)
        case "r": return .character(0x0D)
        case "0":
            guard self.peek.map({ !("0"..."9").contains($0) }) ?? true else {
                throw PatternError("has an octal escape, which is not supported")
            }
            return .character(0)
        case "c":
            guard let letter = self.next(), letter.isASCII, UInt8(letter.value).isASCIILetter else {
                throw PatternError("has \\c without a letter")
            }
            return .character(letter.value & 0x1F)
        case "x":
            guard let value = self.hexadecimal(2) else { throw PatternError("has \\x without two hexadecimal digits") }
            return .character(value)
        case "u": return .character(try self.unicodeEscape())
        default:
            let isWord = character.isASCII && (UInt8(character.value).isASCIILetter || ("0"..."9").contains(character))
            guard !isWord else { throw PatternError("has the unknown escape \\\(character)") }
            return .character(character.value)
        }
    }

    private mutating func unicodeEscape() throws(PatternError) -> UInt32 {
        if self.take("{") {
            var value: UInt32 = 0
            var count = 0
            while let digit = self.peek.flatMap({ $0.isASCII ? UInt8($0.value).hexadecimalValue : nil }) {
                value = min(value << 4 | UInt32(digit), 0x110000)
                count += 1
                self.index += 1
            }
            guard count > 0, value <= 0x10FFFF, self.take("}") else { throw PatternError("has a broken \\u{…}") }
            return value
        }
        guard let first = self.hexadecimal(4) else { throw PatternError("has \\u without four hexadecimal digits") }
        guard (0xD800...0xDBFF).contains(first), self.peek == "\\" else { return first }
        let start = self.index
        self.index += 1
        if self.take("u"), let second = self.hexadecimal(4), (0xDC00...0xDFFF).contains(second) {
            return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
        }
        self.index = start
        return first
    }

    private mutating func hexadecimal(_ count: Int) -> UInt32? {
        guard self.index + count <= self.characters.count else { return nil }
        var value: UInt32 = 0
        for character in self.characters[self.index..<(self.index + count)] {
            guard character.isASCII, let digit = UInt8(character.value).hexadecimalValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        self.index += count
        return value
    }

    private mutating func property() throws(PatternError) -> CharacterProperty {
        guard self.take("{") else { throw PatternError("has \\p without a name in braces") }
        var name = ""
        while let character = self.next(), character != "}" { name.unicodeScalars.append(character) }
        guard self.characters[self.index - 1] == "}", let property = CharacterProperty(name) else {
            throw PatternError(
                "has \\p{\(name.shortened(to: 40))}, a property that is not supported", isUnsupported: true)
        }
        return property
    }

    /// Reads what stands behind `[`.
    private mutating func bracket() throws(PatternError) -> PatternNode {
        let isNegated = self.take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var properties: [(property: CharacterProperty, isNegated: Bool)] = []
        while true {
            guard let character = self.peek else { throw PatternError("has [ without its ]") }
            if character == "]" {
                self.index += 1
                return self.add(CharacterSet(ranges, properties: properties, isNegated: isNegated))
            }
            let first = try self.bracketAtom()
            let isRange =
                self.peek == "-" && self.index + 1 < self.characters.count && self.characters[self.index + 1] != "]"
            switch first {
            case .ranges(let more): ranges += more
            case .property(let property, let isNegated): properties.append((property, isNegated))
            case .character(let low) where isRange:
                self.index += 1
                guard case .character(let high) = try self.bracketAtom() else {
                    throw PatternError("has a range that ends in a class of characters")
                }
                guard low <= high else { throw PatternError("has a range with its ends out of order") }
                ranges.append(low...high)
            case .character(let value): ranges.append(value...value)
            }
        }
    }

    private mutating func bracketAtom() throws(PatternError) -> Atom {
        guard let character = self.next() else { throw PatternError("has [ without its ]") }
        guard character == "\\" else { return .character(character.value) }
        if self.take("b") { return .character(0x08) }
        return try self.escapedAtom()
    }

    // MARK: Steps

    private var peek: Unicode.Scalar? { self.index < self.characters.count ? self.characters[self.index] : nil }

    private mutating func next() -> Unicode.Scalar? {
        guard let character = self.peek else { return nil }
        self.index += 1
        return character
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard self.peek == character else { return false }
        self.index += 1
        return true
    }
}
