import TorporJSON

/// One check of one value: where it stands, what it found, and what work it has left.
///
/// A loud check notes every violation; a quiet one ends at the first, since only its outcome is asked for. A quiet
/// check that fails leaves its scanner anywhere. Paths are made when a violation is reported, from the offset of the
/// value, so a value that conforms costs nothing for them.
struct SchemaCheck: ~Escapable {
    static let refused = "is not accepted here"
    static let tooComplex = "is too large or too deeply nested to be checked; send a simpler value"

    /// A violation, before its path is known.
    struct Finding {
        let offset: Int
        var advice: String
        /// Whether a value is none of those listed: the sign that another alternative was meant.
        let isChoice: Bool
    }

    let program: SchemaProgram
    let bytes: Span<UInt8>
    private let start: Int
    var isLoud = true
    var findings: [Finding] = []
    private var workLeft: Int
    private var isExhausted = false
    /// Within how many references and combining keywords the check stands.
    var nesting = 0
    /// The offsets of the members and elements of the value at hand that some keyword spoke of; `nil` while nobody
    /// asks.
    var evaluated: Set<Int>?
    /// The resources entered, outermost first, while ``SchemaProgram/isDynamic``.
    var scope: [Int] = []

    @_lifetime(copy bytes)
    init(_ program: SchemaProgram, _ bytes: Span<UInt8>, at start: Int) {
        self.program = program
        self.bytes = bytes
        self.start = start
        self.workLeft = program.limits.workMax
    }

    mutating func violations() -> [SchemaValidator.Violation] {
        do {
            var scanner = self.scanner(at: self.start)
            if self.program.isDynamic { self.scope.append(self.program.root.resource) }
            if try self.check(self.program.root.node, &scanner) { return [] }
            // Whatever failed has said why; if it ever has not, the value is refused all the same.
            guard !self.findings.isEmpty else { return [.init(path: "", advice: Self.refused)] }
            return try self.findings.map { finding in
                .init(path: try self.pointer(from: self.start, to: finding.offset), advice: finding.advice)
            }
        } catch {
            guard self.isExhausted else {
                preconditionFailure("only validated JSON is checked against a schema: \(error)")
            }
            return [.init(path: "", advice: Self.tooComplex)]
        }
    }

    // MARK: Values

    /// Applies a schema to the value that the scanner stands before, and reads it.
    mutating func check(_ node: SchemaNode, _ scanner: inout JSONScanner) throws(JSONError) -> Bool {
        try self.spend(1)
        if let rules = node.inPlace { return try self.checkInPlace(node, rules.value, &scanner) }
        return try self.checkOwn(node, &scanner)
    }

    /// Checks what the schema itself asks of its value, other schemas aside.
    mutating func checkOwn(_ node: SchemaNode, _ scanner: inout JSONScanner) throws(JSONError) -> Bool {
        let kind = try scanner.peek()
        let start = scanner.position
        guard node.kinds.accepts(kind) else {
            guard self.isLoud else { return false }
            _ = try scanner.skipValue()
            self.report(
                start, node.refusesAll ? Self.refused : "must be \(node.kinds.text), not \(kind.text)")
            return false
        }
        var isValid = true
        switch kind {
        case .object:
            if let rules = node.object {
                isValid = try self.checkObject(rules, &scanner, start)
            } else {
                _ = try scanner.skipValue()
            }
        case .array:
            if let rules = node.array {
                isValid = try self.checkArray(rules, &scanner, start)
            } else {
                _ = try scanner.skipValue()
            }
        case .string:
            let text = try scanner.string()
            if let rules = node.string { isValid = try self.checkString(rules, text, start) }
        case .number:
            let range = try scanner.skipValue()
            if !node.kinds.contains(.number), !self.isIntegral(range) {
                let written = self.isLoud ? self.text(range) : ""
                self.report(start, "must be an integer, not the fraction \(written)")
                return false
            }
            if let rules = node.number { isValid = try self.checkNumber(rules, range) }
        case .true, .false, .null:
            _ = try scanner.skipValue()
        }
        if node.allowed.isEmpty { return isValid }
        guard isValid || self.isLoud else { return false }
        return try self.checkAllowed(node, kind, start..<scanner.position) && isValid
    }

    /// Whether the value at an offset conforms; nothing is reported.
    mutating func passes(_ node: SchemaNode, at offset: Int) throws(JSONError) -> Bool {
        let wasLoud = self.isLoud
        let before = self.evaluated
        if let before { try self.spend(before.count) }  // they are copied when one is added
        self.isLoud = false
        var scanner = self.scanner(at: offset)
        let isValid = try self.check(node, &scanner)
        try self.spend((scanner.position - offset) >> 6)
        self.isLoud = wasLoud
        if !isValid { self.evaluated = before }
        return isValid
    }

    /// Applies another schema to the value at an offset, which was read already.
    mutating func apply(_ node: SchemaNode, at offset: Int) throws(JSONError) -> Bool {
        var scanner = self.scanner(at: offset)
        let isValid = try self.check(node, &scanner)
        try self.spend((scanner.position - offset) >> 6)
        return isValid
    }

    /// Applies a schema to a member or element of the value at hand.
    @inline(__always)
    mutating func checkInside(_ node: SchemaNode, _ scanner: inout JSONScanner) throws(JSONError) -> Bool {
        guard self.evaluated != nil else { return try self.check(node, &scanner) }
        // The value inside has members of its own; what is known of ours must not mix with them.
        let ours = self.evaluated.take()
        let isValid = try self.check(node, &scanner)
        self.evaluated = ours
        return isValid
    }

    @_lifetime(copy self)
    func scanner(at offset: Int) -> JSONScanner {
        JSONScanner(self.bytes, at: offset, depthMax: JSONScanner.depthMaxLimit)
    }

    // MARK: Work

    /// Takes work units from what is left.
    /// - Throws: when there are none; ``violations()`` tells why.
    @inline(__always)
    mutating func spend(_ units: Int) throws(JSONError) {
        self.workLeft &-= units
        if self.workLeft < 0 { throw self.exhausted() }
    }

    /// Ends the check, as one that takes too much.
    mutating func exhausted() -> JSONError {
        self.isExhausted = true
        return JSONError(.tooDeep, at: self.start)
    }

    mutating func matches(_ pattern: Pattern, _ text: Range<Int>, hasEscapes: Bool) throws(JSONError) -> Bool {
        let steps = self.workLeft << 3
        var work = steps
        let isMatch: Bool
        if hasEscapes {
            let decoded = JSONText.string(in: self.bytes, text, hasEscapes: true)
            isMatch = pattern.matches(decoded.utf8.span, work: &work)
        } else {
            isMatch = pattern.matches(self.bytes.extracting(text), work: &work)
        }
        // An outcome that was cut short means nothing.
        guard work >= 0 else { throw self.exhausted() }
        try self.spend((steps - work) >> 3)
        return isMatch
    }

    // MARK: Findings

    /// Notes a violation if the check is loud. From the last that is noted on, it is quiet.
    mutating func report(_ offset: Int, isChoice: Bool = false, _ advice: @autoclosure () -> String) {
        guard self.isLoud else { return }
        self.findings.append(Finding(offset: offset, advice: advice(), isChoice: isChoice))
        if self.findings.count == SchemaValidator.violationsMax { self.isLoud = false }
    }

    /// A JSON Pointer from the value at one offset to a value inside it at another.
    func pointer(from start: Int, to offset: Int) throws(JSONError) -> String {
        var pointer = ""
        var scanner = self.scanner(at: start)
        descent: while true {
            let kind = try scanner.peek()
            guard scanner.position < offset else { return pointer }
            var isFirst = true
            switch kind {
            case .object:
                try scanner.beginObject()
                while let key = try scanner.nextKey(&isFirst) {
                    let range = try scanner.skipValue()
                    guard range.contains(offset) else { continue }
                    pointer = pointer.pointer(
                        to: JSONText.string(in: self.bytes, key.range, hasEscapes: key.hasEscapes))
                    scanner = self.scanner(at: range.lowerBound)
                    continue descent
                }
            case .array:
                try scanner.beginArray()
                var index = 0
                while try scanner.nextElement(&isFirst) {
                    let range = try scanner.skipValue()
                    if range.contains(offset) {
                        pointer = pointer.pointer(to: String(index))
                        scanner = self.scanner(at: range.lowerBound)
                        continue descent
                    }
                    index += 1
                }
            default: break
            }
            return pointer
        }
    }

    /// Notes that a keyword spoke of the member or element at an offset, if somebody asks.
    @inline(__always)
    mutating func markEvaluated(_ offset: Int) throws(JSONError) {
        guard self.evaluated != nil else { return }
        try self.spend(1)
        self.evaluated?.insert(offset)
    }

    /// A number as it is written, cut off where it gets long.
    func text(_ range: Range<Int>) -> String {
        JSONText.string(in: self.bytes, range.prefix(40), hasEscapes: false) + (range.count > 40 ? "…" : "")
    }
}

extension Range<Int> {
    fileprivate func prefix(_ count: Int) -> Range<Int> {
        self.lowerBound..<Swift.min(self.upperBound, self.lowerBound + count)
    }
}
