import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Torpor

/// Keeps the connections to HTTP APIs: a bounded number to each host, for all that share it.
public final class HTTPDownstreamClient: Sendable {
    /// The one that is used unless another is named. It lives as long as the process.
    public static let shared = HTTPDownstreamClient()

    private let http: HTTPClient

    /// A client of its own, which somebody has to ``shutdown()``.
    /// - Parameters:
    ///   - connectionsPerHostMax: Connections to one host (HTTP/1.1); requests beyond wait for one, as part of their
    ///     time. Default 128.
    ///   - connectTimeMax: For a connection to be made, TLS included. Default 5 s.
    /// - Precondition: Both are above 0, `connectTimeMax` at most an hour.
    public init(connectionsPerHostMax: Int = 128, connectTimeMax: Duration = .seconds(5)) {
        precondition(connectionsPerHostMax > 0, "there is a connection to each host")
        precondition(connectTimeMax > .zero && connectTimeMax <= .seconds(3_600), "a connection takes a while")
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout = .init(connect: .nanoseconds(connectTimeMax.wholeNanoseconds))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHostMax
        // A downstream that cannot be reached says so to its breaker, at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        self.http = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
    }

    /// Closes all connections. Nothing is requested any more.
    ///
    /// A server does that after it has stopped; the process needs not before it ends.
    /// - Throws: When it was shut down before.
    public func shutdown() async throws { try await self.http.shutdown() }

    struct Request: Sendable {
        let method: String
        let url: String
        /// Later ones count.
        let headers: [[String: String]]
        let body: [UInt8]?
        let responseMax: Int
    }

    /// Makes a request and reads the answer to its end; cancelled, it closes the connection.
    /// - Throws: ``HTTPFailure``; ``DownstreamError/Code/tooLarge``; else what went wrong on the way.
    func execute(_ request: Request, of name: String) async throws -> HTTPDownstreamResponse {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers.joined() { outgoing.headers.replaceOrAdd(name: name, value: value) }
        if let body = request.body { outgoing.body = .bytes(ByteBuffer(bytes: body)) }
        // The downstream's own limit cancels it before.
        let response = try await self.http.execute(outgoing, deadline: .distantFuture)
        let status = Int(response.status.code)
        guard status < 500, status != 429 else {
            await Self.skip(response.body)
            throw HTTPFailure(
                status: status, retryAfter: response.headers.first(name: "retry-after").flatMap(Self.retryAfter))
        }
        return HTTPDownstreamResponse(
            status: status, headers: response.headers.map { ($0.name, $0.value) },
            body: try await Self.read(response, request, of: name), downstream: name)
    }

    private static func read(_ response: HTTPClientResponse, _ request: Request, of name: String) async throws
        -> [UInt8]
    {
        let tooLarge = DownstreamError(
            .tooLarge, of: name,
            "The answer of \(name) is larger than may be, \(ByteCount(request.responseMax)). Ask for less.")
        let announced = response.headers.first(name: "content-length").flatMap { Int($0) }
        guard request.method == "HEAD" || announced ?? 0 <= request.responseMax else { throw tooLarge }
        var body: [UInt8] = []
        for try await part in response.body {
            guard body.count + part.readableBytes <= request.responseMax else { throw tooLarge }
            body.append(contentsOf: part.readableBytesView)
        }
        return body
    }

    /// Reads what nobody wants, if it is little, so that the connection can be used again.
    private static func skip(_ body: HTTPClientResponse.Body) async {
        var room = 64 << 10
        do {
            for try await part in body {
                room -= part.readableBytes
                if room < 0 { break }
            }
        } catch {
            // The connection is lost, or nobody waits any more; the status is the answer.
        }
    }

    /// The seconds that a `Retry-After` gives; `nil` for a date.
    private static func retryAfter(_ text: String) -> Duration? {
        // A day and more is all the same.
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return .seconds(min(Int(text) ?? 86_400, 86_400))
    }
}
