import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream
import TorporUpstreamHTTP

let testClient = UpstreamClient(
    info: ["name": "torpor-test", "version": "1"], capabilities: [.roots, .sampling, .elicitationForm])

/// Keeps what it is told.
final class Log<Entry: Sendable>: Sendable {
    private struct State {
        var entries: [Entry] = []
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var all: [Entry] { self.state.withLock { $0.entries } }

    func add(_ entry: Entry) {
        let ready = self.state.withLock { state in
            state.entries.append(entry)
            let ready = state.waiters.filter { $0.count <= state.entries.count }
            state.waiters.removeAll { $0.count <= state.entries.count }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Returns the first entries as soon as there are so many.
    func first(_ count: Int) async -> [Entry] {
        await withCheckedContinuation { continuation in
            let isReady = self.state.withLock { state in
                if state.entries.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
        return self.all
    }
}

/// A legacy or modern server over HTTP: does the handshake itself, and the rest by what a test says.
final class RemoteServer: Sendable {
    let requests = Log<StubRequest>()
    private let handler: StubServer.Handler
    private let sessions = Mutex(0)
    private let era: ProtocolRevision
    private let capabilities: JSONObject
    private let hasSession: Bool

    init(
        _ era: ProtocolRevision, capabilities: JSONObject = [:], hasSession: Bool = true,
        _ handler: @escaping StubServer.Handler
    ) {
        self.era = era
        self.capabilities = capabilities
        self.hasSession = hasSession
        self.handler = handler
    }

    func handle(_ request: StubRequest, _ responder: StubResponder) {
        self.requests.add(request)
        switch (request.method, request.rpcMethod) {
        case (.POST, "server/discover") where self.era.era == .modern:
            responder.result(
                request,
                [
                    "resultType": "complete", "supportedVersions": [.string(self.era.rawValue)],
                    "capabilities": .object(self.capabilities), "ttlMs": 0, "cacheScope": "private",
                ])
        case (.POST, "initialize") where self.era.era == .legacy:
            let number = self.sessions.withLock { sessions in
                sessions += 1
                return sessions
            }
            responder.result(
                request,
                [
                    "protocolVersion": .string(self.era.rawValue), "capabilities": .object(self.capabilities),
                    "serverInfo": ["name": "remote", "version": "1"],
                ], headers: self.hasSession ? ["Mcp-Session-Id": "session-\(number)"] : [:])
        case (.POST, "notifications/initialized"): responder.status(.accepted)
        case (.DELETE, _): responder.status(.noContent)
        default: self.handler(request, responder)
        }
    }

    /// All requests of a method of JSON-RPC so far.
    func requests(_ method: String) -> [StubRequest] { self.requests.all.filter { $0.rpcMethod == method } }
}

/// Runs a server and a session with it; both are gone at the end.
func withRemote(
    _ server: RemoteServer, known: ProtocolRevision.Era? = nil, limits: HTTPUpstreamClient.Limits = .init(),
    adjust: (inout HTTPUpstreamSettings) -> Void = { _ in }, headers: [(name: String, value: String)] = [],
    bearerToken: String? = nil,
    _ body: (UpstreamSession, Log<UpstreamEvent>) async throws -> Void
) async throws {
    let stub = try await StubServer.start { server.handle($0, $1) }
    let group = MultiThreadedEventLoopGroup.singleton
    let client = HTTPUpstreamClient(group: group, limits: limits)
    let loop = group.next()
    let events = Log<UpstreamEvent>()
    var thrown: (any Error)?
    do {
        var settings = try HTTPUpstreamSettings(url: stub.url, headers: headers, bearerToken: bearerToken)
        adjust(&settings)
        let session = try await UpstreamSession.open(
            over: client.transport(to: settings, on: loop), as: testClient, known: known, timeLimit: .seconds(30),
            timer: EventLoopTimer(loop), events: { events.add($0) })
        do {
            try await body(session, events)
        } catch {
            thrown = error
        }
        session.close()
        await session.closed()
    } catch {
        thrown = error
    }
    try await client.shutdown()
    await stub.stop()
    if let thrown { throw thrown }
}

/// The error that `body` throws.
@discardableResult
func upstreamError(
    _ code: UpstreamError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> UpstreamError? {
    let error = await #expect(throws: UpstreamError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    return error
}

/// What comes of `body`, to be looked at later.
func outcome<Value: Sendable>(_ body: @Sendable () async throws -> Value) async -> Result<Value, any Error> {
    do {
        return .success(try await body())
    } catch {
        return .failure(error)
    }
}

/// Takes part in a request: keeps what it hears, and answers the same to every question.
final class TestObserver: UpstreamObserver {
    let party: UpstreamParty
    let wantsProgress = true
    let heard = Log<JSONObject>()
    private let reply: JSONObject

    init(_ party: String = "someone", reply: JSONObject = [:]) {
        self.party = UpstreamParty(party)
        self.reply = reply
    }

    func progress(_ params: JSONObject) async { self.heard.add(params) }
    func log(_ params: JSONObject) async { self.heard.add(params) }
    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject { self.reply }
}
