import AsyncHTTPClient
package import NIOCore
package import NIOSSL
import Synchronization
import TorporCore
import TorporUpstream

/// What all remote servers share: one HTTP client with a bounded number of connections to each host.
package final class HTTPUpstreamClient: Sendable {
    package struct Limits: Sendable {
        /// Connections to one host (HTTP/1.1); requests beyond wait for one, up to `connectTimeLimit`. Default 128.
        package var connectionsPerHostMax = 128
        /// Of those, the ones that streams may hold which stay open. Default 64.
        package var streamsPerHostMax = 64
        /// For a connection to be made, TLS included. Default 10 seconds.
        package var connectTimeLimit: Duration = .seconds(10)

        package init() {}
    }

    let http: HTTPClient
    private let limits: Limits
    private let streams = Mutex<[String: Int]>([:])

    /// - Parameters:
    ///   - group: Where connections run; it is not shut down with the client.
    ///   - tls: How `https:` servers are verified; `nil` for the certificates that the system trusts.
    package init(group: any EventLoopGroup, limits: Limits = Limits(), tls: TLSConfiguration? = nil) {
        precondition(
            limits.streamsPerHostMax < limits.connectionsPerHostMax, "streams leave connections for requests")
        self.limits = limits
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.timeout = .init(connect: .nanoseconds(limits.connectTimeLimit.wholeNanoseconds))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = limits.connectionsPerHostMax
        configuration.connectionPool.retryConnectionEstablishment = false
        self.http = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// A transport to one server, for one conversation. It is to be opened, and closed.
    package func transport(to settings: HTTPUpstreamSettings, on eventLoop: any EventLoop) -> HTTPTransport {
        HTTPTransport(self, settings, on: eventLoop)
    }

    /// The same to a server of 2024-11-05, whose stream is at the URL.
    package func twoEndpointTransport(
        to settings: HTTPUpstreamSettings, on eventLoop: any EventLoop
    ) -> TwoEndpointTransport {
        TwoEndpointTransport(self, settings, on: eventLoop)
    }

    /// Closes all connections. Transports are closed before.
    package func shutdown() async throws { try await self.http.shutdown() }

    // MARK: Streams that stay open

    /// A stream to the host may be opened; to be given back with ``releaseStream(to:)``.
    func takeStream(to host: String) -> Bool {
        self.streams.withLock { streams in
            let count = streams[host] ?? 0
            guard count < self.limits.streamsPerHostMax else { return false }
            streams[host] = count + 1
            return true
        }
    }

    func releaseStream(to host: String) {
        self.streams.withLock { streams in
            guard let count = streams[host] else { preconditionFailure("a stream is given back once") }
            streams[host] = count == 1 ? nil : count - 1
        }
    }
}
