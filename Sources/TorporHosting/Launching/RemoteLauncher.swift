import NIOCore
import Synchronization
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream
import TorporUpstreamHTTP

/// Opens a conversation of its own with a remote server for each key, and ends it properly.
final class RemoteLauncher: Launcher {
    private let name: String
    private let settings: HTTPUpstreamSettings
    private let client: @Sendable () -> HTTPUpstreamClient
    private let eventLoops: any EventLoopGroup
    private let startTimeout: Duration
    /// Whether it is spoken to as of 2024-11-05: as it is set, or because it took nothing else last time.
    private let isOlder: Mutex<Bool>
    /// Whether that is to be found out.
    private let isTried: Bool

    /// - Throws: `UpstreamError`, when the URL or a header is none.
    init(
        _ name: String, _ remote: HostedServerSettings.Remote, startTimeout: Duration,
        client: @escaping @Sendable () -> HTTPUpstreamClient,
        eventLoops: any EventLoopGroup
    ) throws(UpstreamError) {
        self.name = name
        self.settings = try HTTPUpstreamSettings(
            url: remote.url, headers: remote.headers.map { (name: $0.name, value: $0.value) })
        self.client = client
        self.eventLoops = eventLoops
        self.startTimeout = startTimeout
        self.isOlder = Mutex(remote.transport == .sse)
        self.isTried = remote.transport == .http
    }

    var description: String { "a remote server" }
    var startsProcesses: Bool { false }

    func begin() {}

    func launch(_ order: LaunchOrder) async throws -> any Launched {
        do {
            return LaunchedRemote(try await self.open(order))
        } catch let error as UpstreamError {
            throw LaunchError(error.message)
        }
    }

    private func open(_ order: LaunchOrder) async throws -> UpstreamSession {
        if self.isOlder.withLock({ $0 }) {
            do {
                return try await self.openOlder(order)
            } catch let error as UpstreamError where self.isTried && error.code == .refused {
                // It may speak Streamable HTTP by now.
                self.isOlder.withLock { $0 = false }
            }
        }
        let loop = self.eventLoops.next()
        let transport = self.client().transport(to: self.settings, on: loop)
        do {
            return try await self.open(over: transport, on: loop, order, known: nil)
        } catch let error as UpstreamError where transport.mayBeOlder {
            do {
                let session = try await self.openOlder(order)
                self.isOlder.withLock { $0 = true }
                return session
            } catch is UpstreamError {
                // No such server either: then what it said first is what tells most.
                throw error
            }
        }
    }

    private func openOlder(_ order: LaunchOrder) async throws -> UpstreamSession {
        let loop = self.eventLoops.next()
        return try await self.open(
            over: self.client().twoEndpointTransport(to: self.settings, on: loop), on: loop, order, known: .legacy)
    }

    private func open(
        over transport: some UpstreamTransport, on loop: any EventLoop, _ order: LaunchOrder,
        known: ProtocolRevision.Era?
    ) async throws -> UpstreamSession {
        try await UpstreamSession.open(
            over: transport, as: .torpor(capabilities: order.caller?.capabilities ?? .carried), known: known,
            timeLimit: self.startTimeout, timer: EventLoopTimer(loop), events: order.events)
    }

    /// What a remote server keeps is its own affair.
    func remove(_ caller: HostCaller) async {}
}

/// A conversation with a remote server.
private final class LaunchedRemote: Launched {
    let session: UpstreamSession

    init(_ session: UpstreamSession) { self.session = session }

    var pid: Int32? { nil }
    func setBusy(_ isBusy: Bool) {}
    func memory() -> ByteCount? { nil }

    func stop(discards: Bool) async -> Bool {
        self.session.close()
        await self.session.closed()
        return true
    }

    func untilEnded() async -> LaunchedEnd {
        self.session.close()
        await self.session.closed()
        return LaunchedEnd(
            .unexpected, "ended the conversation",
            advice: "The next call opens another; what it kept for this one may be lost.")
    }
}

extension UpstreamClient {
    /// As whom Torpor introduces itself.
    static func torpor(capabilities: ClientCapabilities) -> UpstreamClient {
        UpstreamClient(info: ["name": "torpor", "version": "1"], capabilities: capabilities)
    }
}
