import TorporTestSupport

/// Makes byte streams that are mostly valid requests, and breaks some of them.
///
/// It knows the structure: it repeats fields, bends their blanks, lies about lengths, and only then flips bytes, so
/// that most of its streams get past the first checks.
package struct HTTPFuzzGenerator {
    private var random: SeededGenerator
    /// How much of what could be odd in this stream is, in percent.
    private let oddity: Int

    package init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.oddity = self.random.pick([0, 3, 10, 30, 100])
    }

    /// One to three requests as one client might send them.
    package mutating func stream() -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<self.random.pick([1, 1, 1, 2, 2, 3]) {
            if self.isOdd(10) { bytes += latin1(self.random.pick(["\r\n", "\r\n", "\r\n\r\n", "\n", "\r", " "])) }
            bytes += self.request()
        }
        if self.random.chance(30) {
            for _ in 0..<self.random.pick([1, 1, 2, 3]) { self.mutate(&bytes) }
        }
        return bytes
    }

    /// `bytes` as a few reads.
    package mutating func pieces(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var cuts = [0, bytes.count]
        for _ in 0..<Int.random(in: 1...6, using: &self.random) {
            cuts.append(Int.random(in: 0...bytes.count, using: &self.random))
        }
        cuts.sort()
        return zip(cuts, cuts.dropFirst()).map { bytes[$0..<$1] }
    }

    // MARK: Requests

    private enum Framing { case none, length, chunked, both, oddLength, oddCoding }

    private mutating func request() -> [UInt8] {
        let framing = self.random.pick([
            Framing.none, .none, .length, .length, .length, .length, .chunked, .chunked, .chunked, .chunked,
            self.isOdd(60) ? .both : .length, self.isOdd(60) ? .oddLength : .chunked,
            self.isOdd(60) ? .oddCoding : .none,
        ])
        let body = self.body()
        var lines: [String] = []
        if !self.isOdd(3) { lines.append(self.field("Host", self.usually("a.example:80", Self.hosts, 6))) }
        for _ in 0..<self.random.pick([0, 1, 2, 3, 5, 8]) {
            let (name, values) = self.random.pick(self.isOdd(15) ? Self.oddFields : Self.fields)
            lines.append(self.field(name, self.random.pick(values)))
        }
        if !self.isOdd(30) { Self.removeRepeats(&lines) }
        let chunks = self.chunks(of: body)
        switch framing {
        case .none: break
        case .length: lines.append(self.field("Content-Length", "\(body.count)"))
        case .chunked:
            lines.append(self.field("Transfer-Encoding", self.usually("chunked", ["Chunked", "CHUNKED"], 20)))
        case .both:
            lines.append(self.field("Transfer-Encoding", "chunked"))
            lines.append(self.field("Content-Length", "\(body.count)"))
        case .oddLength:
            let length = self.random.pick(Self.oddLengths).replacing("N", with: "\(body.count)")
            lines.append(self.field("Content-Length", length))
            if self.random.chance(30) { lines.append(self.field("Content-Length", "\(body.count)")) }
        case .oddCoding:
            lines.append(self.field("Transfer-Encoding", self.random.pick(Self.oddCodings)))
            if self.random.chance(30) { lines.append(self.field("Transfer-Encoding", "chunked")) }
        }
        lines.shuffle(using: &self.random)
        var bytes = latin1(self.requestLine() + "\r\n" + lines.joined() + "\r\n")
        switch framing {
        case .none: break
        case .length, .oddLength: bytes += body
        case .chunked, .both, .oddCoding: bytes += chunks
        }
        return bytes
    }

    private mutating func requestLine() -> String {
        let method = self.usually(self.random.pick(Self.methods), Self.oddMethods, 20)
        let target = self.usually(self.random.pick(Self.targets), Self.oddTargets, 20)
        let version = self.usually(self.random.chance(80) ? "HTTP/1.1" : "HTTP/1.0", Self.oddVersions, 10)
        let first = self.usually(" ", ["  ", "\t", ""], 2)
        let second = self.usually(" ", ["  ", "\t", ""], 2)
        return method + first + target + second + version
    }

    private mutating func field(_ name: String, _ value: String) -> String {
        let spelling = self.random.chance(15) ? name.lowercased() : self.random.chance(5) ? name.uppercased() : name
        let colon = self.usually(": ", [":", ":\t", ":  \t ", " :", "\t:", ":\u{B}", "", ":\r\n "], 20)
        let end = self.usually("\r\n", [" \r\n", "\t \r\n", "\n", "\r", "\r\r\n", "\r\n\r\n", "\r\n "], 10)
        return spelling + colon + value + end
    }

    private mutating func body() -> [UInt8] {
        let count = self.random.pick([0, 1, 2, 5, 15, 16, 17, 40, 300])
        let texts = ["x", "{\"id\":1}", "0\r\n\r\n", "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{0}\u{FF}"]
        var body: [UInt8] = []
        while body.count < count { body += latin1(self.random.pick(texts)) }
        return Array(body.prefix(count))
    }

    private mutating func chunks(of body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            let chunk = rest.prefix(Int.random(in: 1...rest.count, using: &self.random))
            rest = rest.dropFirst(chunk.count)
            bytes += latin1(self.chunkSize(chunk.count) + self.chunkExtension() + self.lineEnd()) + chunk
            bytes += latin1(self.lineEnd())
        }
        bytes += latin1(self.usually("0", ["00", "", "0x0", "-0", "000000000"], 6) + self.chunkExtension())
        bytes += latin1(self.lineEnd())
        if self.random.chance(20) {
            for _ in 0..<self.random.pick([1, 1, 2, 4]) {
                let (name, values) = !self.isOdd(50) ? ("X-Trailer", ["1", ""]) : self.random.pick(Self.fields)
                bytes += latin1(self.field(name, self.random.pick(values)))
            }
        }
        return bytes + latin1(self.lineEnd())
    }

    private mutating func chunkSize(_ size: Int) -> String {
        let digits = String(size, radix: 16, uppercase: self.random.chance(50))
        return self.isOdd(8)
            ? self.random.pick(["0x", "+", "-", " ", "0", "00000000", "F", "_"]) + digits : digits
    }

    private mutating func chunkExtension() -> String {
        guard self.random.chance(15) else { return "" }
        return self.usually(
            self.random.pick([";a", ";a=b", ";a=\"b c\"", ";a=\"\\\"\"", ";a;b=c;d", ";a=\"\u{80}\t\""]),
            [
                ";", ";;a", ";a=", ";=b", " ;a", "; a",
                ";a =b", ";a= b", ";a=\"b", ";a=\"b\"c", ";a=\"b\";c", ";a=\"\\", ";a\u{0}", ";a=\"\u{1}\"", " ", "\t",
                ";a=\"\\\u{7F}\"",
            ],
            40
        )
    }

    private mutating func lineEnd() -> String { self.usually("\r\n", ["\n", "\r", "", "\r\r\n", " \r\n"], 2) }

    private mutating func usually(_ normal: String, _ others: [String], _ percent: Int) -> String {
        self.isOdd(percent) ? self.random.pick(others) : normal
    }

    private mutating func isOdd(_ percent: Int) -> Bool {
        self.random.chance(percent) && self.random.chance(self.oddity)
    }

    /// Keeps the first line of each name.
    private static func removeRepeats(_ lines: inout [String]) {
        var names: Set<Substring> = []
        lines.removeAll { !names.insert($0.prefix { $0 != ":" }).inserted }
    }

    // MARK: Mutations

    private mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &self.random)
        let end = Swift.min(bytes.count, index + Int.random(in: 1...30, using: &self.random))
        switch Int.random(in: 0..<8, using: &self.random) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &self.random)
        case 1: bytes[index] = UInt8.random(in: 0...255, using: &self.random)
        case 2: bytes.insert(self.random.pick(Self.specials), at: index)
        case 3: bytes[index] = self.random.pick(Self.specials)
        case 4: bytes.remove(at: index)
        case 5: bytes.insert(contentsOf: bytes[index..<end], at: index)
        case 6: bytes.removeSubrange(index..<end)
        default: bytes.removeLast(bytes.count - index)
        }
    }

    private static let specials = latin1("\r\n\0\t :,;\"\\=*/?#.-0189aAfFgG\u{7F}\u{80}\u{FF}\u{B}\u{1}")

    // MARK: Words

    private static let methods = [
        "POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "QUERY", "FOO",
    ]
    private static let oddMethods = [
        "get", "Post", "CONNECT", "PRI", "SOURCE", "M-SEARCH", "DESCRIBE", "P", "PO(ST", "",
    ]
    private static let targets = ["/mcp", "/mcp", "/", "/mcp?x=1&y=%20", "/mcp?a?b", "//", "/a;b,c'(d)*!$"]
    private static let oddTargets = [
        "*", "http://a.example:80/mcp", "https://a.example:80/", "http://b/", "http://a.example:80",
        "http://u@a.example:80/",
        "http://[::1]:80/", "HTTP://a.example:80/", "ftp://a/", "/a#f", "mcp", "a:80", "/\u{E9}", "/\"<>\\^`{|}",
        "/\u{7F}",
        "?x", "",
    ]
    private static let oddVersions = [
        "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1.10", "http/1.1", "HTTP/1.", "HTTP/1", "ICE/1.0", "RTSP/1.0",
        "HTTP /1.1", "",
    ]
    private static let hosts = ["a", "[::1]:80", "A.example:80", "", "a b", "a,b", "a/b", "u@a", "a\u{0}", "\u{E9}"]
    private static let fields: [(String, [String])] = [
        ("Accept", ["application/json", "application/json, text/event-stream", "*/*", ""]),
        ("Authorization", ["Bearer abc", ""]), ("Origin", ["http://a.example", "null"]),
        ("Content-Type", ["application/json"]), ("Last-Event-ID", ["1", "\u{E9}"]),
        ("MCP-Protocol-Version", ["2026-07-28", "2025-11-25"]), ("Mcp-Method", ["tools/call", "  x  "]),
        ("Mcp-Name", ["echo", "=?base64?eA==?=", "a\tb"]), ("Mcp-Session-Id", ["s1"]),
        ("X-Forwarded-For", ["1.2.3.4", "1.2.3.4, 5.6.7.8"]),
        ("Mcp-Param-A", ["1", "", "\u{FC}"]), ("Mcp-Param-B", ["2"]), ("Mcp-Param-", ["3"]),
        ("User-Agent", ["test/1 (x; y)"]),
        (
            "Connection",
            [
                "close", "keep-alive", "Keep-Alive", "CLOSE", "upgrade", "close, keep-alive", "keep-alive,close",
                "x,close",
                "x , close", "close ", "close,", ",close", "closed", "keep-alive, Upgrade", "", "x, keep-alive",
                "keep-alive ,x",
                "x ,, keep-alive", "keepalive", "keep-alive-x", "closeclose", ", ,",
            ]
        ),
        ("Proxy-Connection", ["close", "keep-alive", "x, close"]), ("Upgrade", ["h2c", "websocket"]),
        ("Expect", ["100-continue", "100-Continue"]), ("Trailer", ["X-Trailer"]), ("Keep-Alive", ["timeout=5"]),
        ("Content-Lengt", ["5"]), ("Content-Length-X", ["5"]), ("Transfer-Encodin", ["chunked"]), ("X_Y", ["1"]),
        ("!#$%&'*+-.^_`|~", ["1"]),
    ]
    private static let oddFields: [(String, [String])] = [
        (
            "Connection",
            [
                "x,\tclose", "close\t", "close x", "x close", "clo\tse", "\tkeep-alive", "x\t,keep-alive",
                "keep-alive\t,x",
                "close;x", "\"close\"", "\u{E9},close",
            ]
        ),
        ("User-Agent", ["a\u{0}b", "a\u{7F}b", "a\u{1}b", "a\u{80}b"]), ("Expect", ["x", ""]),
        ("Host", ["a.example:80"]),
        ("Content-Length", ["5", "0"]), ("Transfer-Encoding", ["chunked", "identity"]), ("X\u{0}Y", ["1"]),
        ("Bad Name", ["1"]), ("", ["1"]), ("X(Y", ["1"]), ("X\u{E9}", ["1"]),
    ]
    private static let oddLengths = [
        "+N", "-N", " N ", "N N", "N,N", "N, N", "0xN", "Na", "N.0", "", "0N", "000000000000000000000N",
        "18446744073709551617",
        "9223372036854775808", "N\t", "\tN", "N;", "4194305", "\u{B}N",
    ]
    private static let oddCodings = [
        "gzip", "identity", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,", ",chunked", "xchunked",
        "chunkedx",
        "chunked;q=1", "\"chunked\"", "", "\u{B}chunked", "chunked\t", "chun ked", "deflate",
    ]
}
