import TorporHTTP
import TorporTestSupport

extension FuzzTarget {
    /// However a stream is cut into reads, the same requests come of it; limits hold, and so does the memory's bound.
    static let http = FuzzTarget(
        "http", shape: .lines,
        dictionary: [
            "GET /mcp HTTP/1.1", "POST /mcp HTTP/1.1", "OPTIONS * HTTP/1.1", "HTTP/1.0", "Host: a", "Content-Length: 5",
            "Content-Length: 0", "Transfer-Encoding: chunked", "Connection: close", "Connection: keep-alive",
            "Expect: 100-continue", "Accept: */*", "Mcp-Param-A: 1", "Mcp-Name: a", "X-Forwarded-For: 1.2.3.4",
            "0\r\n\r\n", "5\r\nhello\r\n", "5;a=\"b\"\r\nhello\r\n", "http://a/", "\r\n\r\n",
        ],
        generate: { random in
            var generator = HTTPFuzzGenerator(seed: random.next())
            return generator.stream()
        }
    ) { input throws(PropertyViolation) in
        var random = SeededGenerator(seededBy: input)
        let limits = random.chance(50) ? HTTPLimits() : smallLimits
        let whole = try HTTPResult(of: [input[...]], limits)
        for request in whole.requests { try checkLimits(request, limits) }
        let single = input.indices.map { input[$0...$0] }
        let first = Int.random(in: 0...input.count, using: &random)
        let cuttings = [single, [input[..<first], input[first...]], pieces(of: input, using: &random)]
        for pieces in cuttings {
            let result = try HTTPResult(of: pieces, limits)
            try require(result == whole, "any cutting gives the same result", "\(pieces.map(escaped))")
        }
        return "\(whole.requests.count) \(whole.refusal?.reason ?? "\(whole.phase)")"
    }
}

/// Limits that short streams reach.
private let smallLimits = HTTPLimits(
    headBytesMax: 256, fieldCountMax: 6, targetBytesMax: 24, bodyBytesMax: 64, chunkExtensionBytesMax: 8)

private func pieces(of bytes: [UInt8], using random: inout SeededGenerator) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var start = 0
    let lengthMax = random.pick([2, 8, 40, 300])
    while start < bytes.count {
        let end = min(bytes.count, start + Int.random(in: 1...lengthMax, using: &random))
        pieces.append(bytes[start..<end])
        start = end
    }
    return pieces
}

/// What came of a byte stream.
private struct HTTPResult: Equatable {
    var requests: [HTTPRequest] = []
    var refusal: HTTPRefusal?
    var phase = HTTPRequestStateMachine.Phase.idle

    /// Feeds `pieces` to one machine, each as one read.
    init(of pieces: [ArraySlice<UInt8>], _ limits: HTTPLimits) throws(PropertyViolation) {
        var machine = HTTPRequestStateMachine(limits: limits)
        /// Bytes that arrived since the last request was complete.
        var arrived = 0
        for piece in pieces {
            let bytes = Array(piece)
            var position = 0
            reading: while true {
                let start = position
                let action = machine.next(bytes.span, position: &position)
                try require(start <= position && position <= bytes.count, "a position only goes on", "\(position)")
                arrived += position - start
                switch action {
                case .needsMoreBytes: break reading
                case .sendContinue:
                    try require(machine.phase == .body, "a body is invited before it has come", "\(machine.phase)")
                case .request(let request):
                    try require(self.refusal == nil, "nothing is accepted after a refusal")
                    self.requests.append(request)
                    arrived = 0
                case .refuse(let refusal):
                    try require(self.refusal == nil, "a stream is refused once")
                    try require(machine.phase == .finished, "a refusal is the end", "\(machine.phase)")
                    self.refusal = refusal
                }
            }
            try require(position == bytes.count, "a machine that needs more bytes has taken those it was given")
            // An allocation may be rounded up.
            let bound = 2 * arrived + 16 * 1024 + 64
            try require(
                machine.bufferedBytes <= bound, "memory is bounded by what has arrived",
                "\(machine.bufferedBytes) bytes for \(arrived)")
            if machine.phase == .idle || machine.phase == .finished {
                try require(machine.bufferedBytes == 0, "between requests nothing is held", "\(machine.bufferedBytes)")
            }
        }
        self.phase = machine.phase
    }
}

/// An accepted request keeps all limits, and all its ranges lie where they should.
private func checkLimits(_ request: HTTPRequest, _ limits: HTTPLimits) throws(PropertyViolation) {
    let head = request.head
    let headBytes = request.body.lowerBound
    try require(request.body.upperBound == request.bytes.count, "the body ends the request")
    try require(headBytes <= limits.headBytesMax, "a head keeps its limit", "\(headBytes)")
    try require(request.body.count <= limits.bodyBytesMax, "a body keeps its limit", "\(request.body.count)")
    try require(head.target.count <= limits.targetBytesMax, "a target keeps its limit", "\(head.target.count)")
    let fieldCount = request.bytes[..<headBytes].count { $0 == 0x0A } - 2
    try require(fieldCount <= limits.fieldCountMax, "the number of fields keeps its limit", "\(fieldCount)")
    switch head.framing {
    case .none: try require(request.body.isEmpty, "no framing means no body")
    case .length(let length): try require(request.body.count == length, "a body is as long as it says", "\(length)")
    case .chunked: break
    }
    let named = [
        head.target, head.path, head.host, head.origin, head.authorization, head.contentType, head.accept,
        head.protocolVersion, head.mcpMethod, head.mcpName, head.sessionID, head.lastEventID, head.forwardedFor,
    ].compactMap(\.self)
    for range in named + head.acceptRepeats + head.parameters.flatMap({ [$0.name, $0.value] }) {
        try require(
            range.lowerBound >= 0 && range.upperBound <= headBytes, "every range lies in the head", "\(range)")
        let value = request.bytes[range]
        try require(
            value.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }, "no value holds a control byte",
            escaped(value))
        try require(
            value.first.map { $0 != 0x20 && $0 != 0x09 } ?? true && value.last.map { $0 != 0x20 && $0 != 0x09 } ?? true,
            "no value has blanks around it", escaped(value))
    }
    try require(head.minorVersion == 0 || head.host != nil, "a request of HTTP/1.1 has a host")
}
