import Foundation
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing
import TorporFuzzing
import TorporHTTP

/// Compares Torpor's parser with llhttp, through SwiftNIO's decoder: what ours accepts, llhttp accepts and understands
/// alike. Ours may refuse more.
///
/// Exceptions, each on purpose:
/// - A method that ours does not name (`.other`) is given to llhttp as PATCH, because llhttp refuses tokens it does not
///   know, where ours leaves it to the handler to answer 405.
/// - After a request with `Connection: upgrade` and `Upgrade`, llhttp stops; ours goes on, since Torpor never upgrades.
/// - After an HTTP/1.0 request with both `keep-alive` and `close`, or with `keep-alive` in `Proxy-Connection`, llhttp
///   keeps the connection; ours closes it.
///
/// `TORPOR_FUZZ_SECONDS` runs it for that long with a fresh seed; `TORPOR_FUZZ_SEED` repeats the case of one seed.
struct HTTPDifferentialTests {
    @Test func whatIsAcceptedIsWhatLLHTTPUnderstands() {
        let environment = ProcessInfo.processInfo.environment
        var counts = Counts()
        if let seed = environment["TORPOR_FUZZ_SEED"].flatMap(UInt64.init) {
            Self.check(seed: seed, &counts)
            return
        }
        if let seconds = environment["TORPOR_FUZZ_SECONDS"].flatMap(Int.init) {
            let clock = ContinuousClock()
            let end = clock.now + .seconds(seconds)
            var seed = UInt64.random(in: 0...(.max))
            print("HTTP fuzzing from seed \(seed)")
            while clock.now < end, Self.check(seed: seed, &counts) { seed &+= 1 }
            print("HTTP fuzzing: \(counts)")
            return
        }
        for seed in UInt64(0)..<20_000 {
            guard Self.check(seed: seed, &counts) else { return }
        }
        // Streams all refused, or all accepted, would compare nothing.
        #expect(counts.requests > 10_000)
        #expect(counts.refusals > 5_000)
        #expect(counts.chunkedRequests > 2_000)
    }

    /// The refusals of the table, and the valid streams, in front of llhttp.
    @Test func theTablesAgreeWithLLHTTP() {
        for bytes in RefusalCase.all.map(\.bytes) + HTTPRequestStateMachineTests.validStreams.map({ Array($0.utf8) }) {
            #expect(Self.disagreement(on: bytes) == nil)
        }
    }

    private struct Counts: CustomStringConvertible {
        var streams = 0
        var requests = 0
        var chunkedRequests = 0
        var refusals = 0

        var description: String {
            """
            \(self.streams) streams, \(self.requests) requests accepted (\(self.chunkedRequests) chunked), \
            \(self.refusals) streams refused
            """
        }
    }

    /// - Returns: Whether all is well; what is not has been recorded.
    @discardableResult
    private static func check(seed: UInt64, _ counts: inout Counts) -> Bool {
        var generator = HTTPFuzzGenerator(seed: seed)
        let bytes = generator.stream()
        let pieces = generator.pieces(of: bytes)
        let whole = Outcome(of: [bytes])
        counts.streams += 1
        counts.requests += whole.requests.count
        counts.chunkedRequests += whole.requests.count { $0.head.framing == .chunked }
        counts.refusals += whole.refusal == nil ? 0 : 1
        if Outcome(of: pieces) != whole {
            Issue.record("seed \(seed): pieces \(pieces.map(escaped)) give another result than \"\(escaped(bytes))\"")
            return false
        }
        if let disagreement = Self.disagreement(on: bytes) {
            Issue.record("seed \(seed): \(disagreement) in \"\(escaped(bytes))\"")
            return false
        }
        return true
    }

    /// What the two parsers see differently, or nil.
    private static func disagreement(on bytes: [UInt8]) -> String? {
        let ours = Outcome(of: [bytes])
        let theirs = LLHTTPOutcome(of: Self.withKnownMethods(bytes))
        for (index, request) in ours.requests.enumerated() {
            guard index < theirs.requests.count else { return "llhttp does not accept request \(index)" }
            if let difference = theirs.requests[index].difference(from: request) {
                return "request \(index) differs in \(difference)"
            }
            // From here on one of them reads and the other does not: two of the exceptions.
            if theirs.requests[index].isUpgrade { return nil }
            if theirs.requests[index].head.isKeepAlive != request.head.isKeepAlive { return nil }
        }
        guard ours.refusal == nil else { return nil }
        guard ours.requests.count == theirs.requests.count else { return "llhttp accepts more requests" }
        if ours.phase == .idle, theirs.isRefused { return "llhttp refuses what follows the last request" }
        return nil
    }

    /// `bytes` with PATCH for each accepted method that ours does not name.
    private static func withKnownMethods(_ bytes: [UInt8]) -> [UInt8] {
        var machine = HTTPRequestStateMachine(limits: HTTPLimits())
        var replaced: [UInt8] = []
        var position = 0
        while true {
            let start = position
            guard case .request(let request) = machine.next(bytes.span, position: &position) else {
                return replaced + bytes[start...]
            }
            let methodStart = bytes[start...].firstIndex { $0 != 0x0D && $0 != 0x0A } ?? start
            replaced += bytes[start..<methodStart]
            if request.head.method == .other {
                replaced += Array("PATCH".utf8) + bytes[(methodStart + request.methodText.utf8.count)..<position]
            } else {
                replaced += bytes[methodStart..<position]
            }
        }
    }
}

/// What SwiftNIO's decoder makes of a stream.
private struct LLHTTPOutcome {
    var requests: [LLHTTPRequest] = []
    /// Whether it refused what follows `requests`.
    var isRefused = false

    init(of bytes: [UInt8]) {
        let channel = EmbeddedChannel()
        do {
            try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
            try channel.writeInbound(ByteBuffer(bytes: bytes))
        } catch {
            self.isRefused = true
        }
        do {
            var current: LLHTTPRequest?
            while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
                switch part {
                case .head(let head): current = LLHTTPRequest(head: head)
                case .body(let body): current?.body += Array(body.readableBytesView)
                case .end:
                    if let current { self.requests.append(current) }
                    current = nil
                }
            }
            // Whatever it complains about now is only that the stream ended.
            _ = try? channel.finish()
        } catch {
            Issue.record("a part of another type: \(error)")
        }
    }
}

private struct LLHTTPRequest {
    let head: NIOHTTP1.HTTPRequestHead
    var body: [UInt8] = []

    init(head: NIOHTTP1.HTTPRequestHead) { self.head = head }

    var isUpgrade: Bool {
        let options = self.values("connection") + self.values("proxy-connection")
        return !self.values("upgrade").isEmpty && options.contains { $0.lowercased().contains("upgrade") }
    }

    /// In which respect `ours` differs, or nil.
    func difference(from ours: HTTPRequest) -> String? {
        let head = ours.head
        guard self.head.method.rawValue == (head.method == .other ? "PATCH" : ours.methodText) else { return "method" }
        guard self.head.uri == ours.text(head.target) else { return "target" }
        guard self.head.version == HTTPVersion(major: 1, minor: head.minorVersion) else { return "version" }
        guard self.body == Array(ours.bytes[ours.body]) else { return "body" }
        guard self.head.isKeepAlive == head.isKeepAlive || self.closesInOursAlone(head) else { return "keep-alive" }

        let fields: [(String, Range<Int>?)] = [
            ("origin", head.origin), ("authorization", head.authorization), ("content-type", head.contentType),
            ("mcp-protocol-version", head.protocolVersion), ("mcp-method", head.mcpMethod), ("mcp-name", head.mcpName),
            ("mcp-session-id", head.sessionID), ("last-event-id", head.lastEventID),
        ]
        for (name, range) in fields where self.values(name) != [ours.text(range)].compactMap(\.self) { return name }
        // Without Host, ours takes the authority of the target.
        let host = self.values("host").isEmpty && head.minorVersion == 0 ? [] : [ours.text(head.host)]
        guard self.values("host") == host.compactMap(\.self) else { return "host" }
        let accepts = ([head.accept].compactMap(\.self) + head.acceptRepeats).map { ours.text($0) }
        guard self.values("accept") == accepts else { return "accept" }
        let forwarded = self.values("x-forwarded-for")
        guard head.isForwardedForRepeated == (forwarded.count > 1) else { return "repeated x-forwarded-for" }
        guard ours.text(head.forwardedFor) == (forwarded.count == 1 ? forwarded[0] : nil) else {
            return "x-forwarded-for"
        }

        let prefix = "mcp-param-"
        let parameters = self.head.headers.filter {
            $0.name.lowercased().hasPrefix(prefix) && $0.name.count > prefix.count
        }
        guard
            parameters.map({ String($0.name.dropFirst(prefix.count)) }) == head.parameters.map({ ours.text($0.name) }),
            parameters.map({ Self.trimmed($0.value) }) == head.parameters.map({ ours.text($0.value) })
        else { return "parameters" }
        return nil
    }

    private func closesInOursAlone(_ head: TorporHTTP.HTTPRequestHead) -> Bool {
        let options = (self.values("connection") + self.values("proxy-connection")).map { $0.lowercased() }
        return !head.isKeepAlive && head.minorVersion == 0 && options.contains { $0.contains("keep-alive") }
            && (options.contains { $0.contains("close") } || !self.values("proxy-connection").isEmpty)
    }

    /// The values of all fields of that name, in order, without the blanks around them.
    private func values(_ name: String) -> [String] {
        self.head.headers.filter { $0.name.lowercased() == name }.map { Self.trimmed($0.value) }
    }

    private static func trimmed(_ value: String) -> String {
        value.trimmingCharacters(in: CharacterSet(charactersIn: " \t"))
    }
}
