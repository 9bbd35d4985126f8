import HTTPTypes
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// Serves health checks, metrics and what operators look at and do, on a port and an event loop of its own.
///
/// Health and metrics are answered on that loop, not on the shared thread pool: a pool whose threads are all blocked
/// cannot stop `/livez` from saying so.
package struct AdminListener: Service {
    /// What it listens on, once it does.
    package struct Address: Equatable, Sendable {
        package var host: String
        package var port: Int
    }

    private let configuration: AdminConfiguration
    private let responder: AdminResponder
    private let debug: AdminDebug
    private let logger: Logger
    private let onListening: @Sendable (Address) async -> Void

    /// - Parameter onListening: Called once, when connections are accepted, with the port that was really taken.
    package init(
        configuration: AdminConfiguration,
        sources: AdminSources,
        logger: Logger,
        onListening: @escaping @Sendable (Address) async -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.responder = AdminResponder(configuration: configuration, sources: sources)
        self.debug = AdminDebug(sources.operations)
        self.logger = logger
        self.onListening = onListening
    }

    /// Listens until graceful shutdown or cancellation.
    ///
    /// At graceful shutdown no connection is accepted any more, idle ones are closed, and requests under way are
    /// answered. On return every connection is closed, the port is free, and the loop's thread has ended.
    /// - Throws: ``AdminListenerError`` when the address cannot be listened on; nothing is left behind then.
    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<Void, any Error>
        do {
            let executor = EventLoopTaskExecutor(group.next())
            try await withTaskExecutorPreference(executor) { try await self.serve(on: group) }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try await group.shutdownGracefully()
        try outcome.get()
    }

    private func serve(on group: MultiThreadedEventLoopGroup) async throws {
        let isListening = Atomic(false)
        let host = self.configuration.host
        let server = try HTTPServerBuilder.http1(
            configuration: HTTP1Channel.Configuration(
                idleTimeout: TimeAmount(self.configuration.idleTimeout),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 8_192,
                    maxHeaderListSize: 16_384,
                    maxHeaderFieldCount: 64
                )
            )
        ).buildServer(
            configuration: ServerConfiguration(
                address: .hostname(host, port: self.configuration.port),
                availableConnectionsDelegate: .maximum(self.configuration.connectionsMax, logger: self.logger)
            ),
            eventLoopGroup: group,
            logger: self.logger,
            responder: { request, writer, _ in
                let response: AdminResponder.Response
                switch self.responder.answer(to: request.head) {
                case .response(let answer): response = answer
                case .ask(let question):
                    switch await self.debug.answer(to: question, body: request.body) {
                    case .response(let answer): response = answer
                    case .lines(let lines, let slot):
                        let head = HTTPResponse(status: .ok, headerFields: AdminResponder.Response.lineFields)
                        return try await writer.write(response: head, body: AdminDebug.body(lines, slot))
                    }
                }
                let head = HTTPResponse(status: response.status, headerFields: response.fields)
                let body = request.method == .head ? "" : response.body
                try await writer.write(response: head, body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
            },
            onServerRunning: { channel in
                isListening.store(true, ordering: .relaxed)
                // A bound TCP socket has an address with a port.
                let port = channel.localAddress?.port ?? self.configuration.port
                await self.onListening(Address(host: host, port: port))
            }
        )
        do {
            try await server.run()
        } catch let error where !isListening.load(ordering: .relaxed) && !(error is CancellationError) {
            throw AdminListenerError(host: host, port: self.configuration.port, underlying: error)
        }
    }
}
