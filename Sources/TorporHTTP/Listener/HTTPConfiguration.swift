public import Torpor

/// How the MCP listener behaves. Every limit has a unit and a default, and reaching it is an answer, not a surprise.
public struct HTTPConfiguration: Sendable {
    /// The address to listen at. Default `127.0.0.1`: this machine only.
    public var host = "127.0.0.1"
    /// The port; 0 lets the system choose. Default 8080.
    public var port = 8_080
    /// The path of the endpoint. Default `/mcp`; any other is answered 404.
    public var path = "/mcp"
    /// What the listener proves itself with; then it speaks TLS 1.2 or later, and nothing else. Default: none, plain HTTP.
    public var tls: TLSCertificate?
    /// Threads that read and write sockets and run inline handlers. Default: the number of cores, at most 8.
    public var eventLoopCount = HTTPConfiguration.eventLoopCountDefault

    /// Whether clients of 2024-11-05 are served, at `/sse`. Default `true`.
    public var servesSSETransport = true

    /// Names beside the loopback ones by which the server may be addressed (`Host`); a foreign one is answered 403.
    /// Empty means: any name when listening beyond loopback, none otherwise. Without ports.
    public var allowedHosts: [String] = []
    /// Web origins beside the loopback ones whose pages may call the server, such as `https://app.example.com`; others
    /// are answered 403.
    public var allowedOrigins: [String] = []
    /// Listens beyond loopback although nobody has to prove who they are.
    public var allowsAnonymousBeyondLoopback = false

    /// The body of one request; a larger one is answered 413. Default 4 MiB.
    public var requestMax = ByteCount.mebibytes(4)
    /// The head of one request; a larger one is answered 431. Default 16 KiB.
    public var headMax = ByteCount.kibibytes(16)
    /// Large requests that are arriving or whose calls run, and large answers that clients have not read, in all
    /// connections together. A request or answer beyond it is refused with 503. Large is more than 16 KiB. Default 64
    /// MiB.
    public var buffersMax = ByteCount.mebibytes(64)
    /// What the process may take of memory. Near it, what is idle leaves memory sooner, then requests are refused, and at
    /// last the server drains and ``HTTPServer/run()`` throws, rather than be killed. Default `nil`: 90 % of the control
    /// group's limit, else 75 % of the machine's memory.
    public var memoryLimit: ByteCount?
    /// Connections in all; one more is answered 503 and closed. Default 10,000.
    public var connectionsMax = 10_000
    /// Connections of one client address; one more is answered 429 and closed. Default 2,500.
    public var connectionsPerAddressMax = 2_500
    /// Requests of one HTTP/2 connection under way at once. Default 100. Each takes 4 KiB of `buffersMax` beside what it
    /// brings; one beyond that is refused, to be tried again.
    public var streamsPerConnectionMax = 100

    /// From the first byte of a request to the end of its head; then 408. The handshake of a TLS connection may take as
    /// long; then the connection is closed. Default 10 s. Measured in whole seconds, as all of these.
    public var headTimeout = Duration.seconds(10)
    /// From the end of the head to the end of the body; then 408. Default 30 s.
    public var bodyTimeout = Duration.seconds(30)
    /// Between two requests; then the connection is closed. Default 75 s.
    public var idleTimeout = Duration.seconds(75)
    /// How long a client may leave an answer unread; then the connection is closed. Default 30 s.
    public var writeTimeout = Duration.seconds(30)
    /// How long a stream may be silent before a comment is sent, which keeps it alive and finds out dead clients. A call
    /// that has said nothing for so long is answered by a stream. Default 15 s.
    public var heartbeatInterval = Duration.seconds(15)
    /// How long a call may run; then it is cancelled and answered with an error. Default 10 min.
    public var callTimeout = Duration.seconds(600)

    /// At a graceful stop, how long new requests are still taken, so that load balancers notice. Default 5 s; 0.1 s
    /// on loopback, where nobody balances: enough for what has been sent already.
    public var drainDelay: Duration?
    /// Then, how long running calls may take to end; later they are answered 503. Default 30 s.
    public var gracePeriod = Duration.seconds(30)

    public init() {}

    /// How URLs of the listener begin: `http` or `https`.
    package var scheme: String { self.tls == nil ? "http" : "https" }

    package var effectiveDrainDelay: Duration {
        self.drainDelay ?? (self.isLoopback ? .milliseconds(100) : .seconds(5))
    }

    package var isLoopback: Bool { Self.isLoopback(self.host) }

    /// Whether an address or name is this machine's loopback.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host == "[::1]"
            || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
    }

    var limits: HTTPLimits {
        HTTPLimits(
            headBytesMax: self.headMax.bytes, targetBytesMax: min(2_048, self.headMax.bytes - 1),
            bodyBytesMax: self.requestMax.bytes)
    }
}

/// Who may call.
public struct Authentication: Sendable {
    enum Kind: Sendable {
        case none
        case tokens(TokenFile)
    }

    let kind: Kind

    /// Everybody, without a principal.
    public static let none = Authentication(kind: .none)
    /// Who has a bearer token of the file.
    public static func tokens(_ file: TokenFile) -> Authentication { Authentication(kind: .tokens(file)) }
}

/// Why the listener could not start, or stop in time, and what to do.
public struct HTTPServerError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String { case cannotBind, unsafeConfiguration, drainTimedOut, outOfMemory }
        private let value: Value
        private init(_ value: Value) { self.value = value }
        /// The address is taken, or not this machine's.
        public static let cannotBind = Code(.cannotBind)
        /// The configuration would let strangers in.
        public static let unsafeConfiguration = Code(.unsafeConfiguration)
        /// Calls were still running at the end of the grace period; they were answered 503.
        public static let drainTimedOut = Code(.drainTimedOut)
        /// Memory was nearly used up, and could not be given back. Restart the server; its log says what was tried.
        public static let outOfMemory = Code(.outOfMemory)
        public var description: String { self.value.rawValue }
    }

    public let code: Code
    public let description: String
}
