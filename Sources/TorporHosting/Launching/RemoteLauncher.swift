import NIOCore
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
    }

    var description: String { "a remote server" }

    func launch(_ order: LaunchOrder) async throws -> any Launched {
        let loop = self.eventLoops.next()
        do {
            return LaunchedRemote(
                try await UpstreamSession.open(
                    over: self.client().transport(to: self.settings, on: loop),
                    as: .torpor(capabilities: order.caller?.capabilities ?? .carried), timeLimit: self.startTimeout,
                    timer: EventLoopTimer(loop), events: order.events))
        } catch let error as UpstreamError {
            throw LaunchError(error.message)
        }
    }
}

/// A conversation with a remote server.
private final class LaunchedRemote: Launched {
    let session: UpstreamSession

    init(_ session: UpstreamSession) { self.session = session }

    var pid: Int32? { nil }
    func setBusy(_ isBusy: Bool) {}
    func memory() -> ByteCount? { nil }

    func stop() async -> Bool {
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
