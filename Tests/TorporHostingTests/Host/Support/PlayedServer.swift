import NIOPosix
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

@testable import TorporHosting

/// A foreign server, by what it answers: its children run in this process.
final class PlayedServer: Launcher {
    /// Answers a request; what it throws is the answer's error.
    typealias Answer = @Sendable (PlayedChild, String, JSONObject) async throws -> JSONObject

    /// The children that were started, in order.
    let children = Log<PlayedChild>()
    /// The keys whose folders were to be removed.
    let removals = Log<HostKey>()
    private let revision: ProtocolRevision
    private let capabilities: JSONObject
    private let hasStreams: Bool
    private let answer: Answer

    /// - Parameter hasStreams: Whether it is reached as over HTTP.
    init(
        _ revision: ProtocolRevision = .v2025_11_25, capabilities: JSONObject = ["tools": [:]],
        hasStreams: Bool = false, _ answer: @escaping Answer
    ) {
        self.revision = revision
        self.capabilities = capabilities
        self.hasStreams = hasStreams
        self.answer = answer
    }

    var description: String { "a script" }
    var startsProcesses: Bool { true }

    func begin() {}

    func launch(_ order: LaunchOrder) async throws -> any Launched {
        let child = PlayedChild(order.caller?.key, hasStreams: self.hasStreams)
        let answer = self.answer
        let (revision, capabilities) = (self.revision, self.capabilities)
        child.begin { method, params in
            switch method {
            case "initialize":
                [
                    "protocolVersion": .string(revision.rawValue), "capabilities": .object(capabilities),
                    "serverInfo": ["name": "scripted", "version": "1"],
                ]
            case "server/discover":
                [
                    "supportedVersions": [.string(revision.rawValue)], "capabilities": .object(capabilities),
                    "resultType": "complete",
                ]
            case "tools/list" where capabilities["tools"] == [:]:
                ["tools": [["name": "act", "inputSchema": ["type": "object"]]]]
            case "resources/list": ["resources": [["uri": "file:///a", "name": "a"]]]
            case "resources/templates/list": ["resourceTemplates": []]
            default: try await answer(child, method, params)
            }
        }
        child.session = try await UpstreamSession.open(
            over: child.transport, as: .torpor(capabilities: order.caller?.capabilities ?? .carried),
            known: revision.era, timeLimit: .seconds(30),
            timer: EventLoopTimer(MultiThreadedEventLoopGroup.singleton.next()),
            events: order.events)
        self.children.add(child)
        return child
    }

    func remove(_ caller: HostCaller) async { self.removals.add(caller.key) }

    /// The child of a key, once it is up.
    func child(_ number: Int) async -> PlayedChild { await self.children.first(number + 1)[number] }
}

/// A child of a ``PlayedServer``.
final class PlayedChild: Launched {
    let key: HostKey?
    let transport: MemoryTransport
    /// What it was sent, in order.
    let received = Log<JSONValue>()
    /// Whether what it left was to be discarded, once it has stopped.
    let discards = Log<Bool>()
    /// What headers said of the arguments of each call.
    let headers = Log<[MirroredArgument]>()
    private let opened = Mutex<UpstreamSession?>(nil)
    private let running = Mutex<[Task<Void, Never>]>([])

    init(_ key: HostKey?, hasStreams: Bool) {
        self.key = key
        self.transport = MemoryTransport(hasStreams: hasStreams)
    }

    var session: UpstreamSession {
        get {
            guard let session = self.opened.withLock({ $0 }) else { preconditionFailure("a child that is up is open") }
            return session
        }
        set { self.opened.withLock { $0 = newValue } }
    }

    fileprivate func begin(_ answer: @escaping @Sendable (String, JSONObject) async throws -> JSONObject) {
        self.run {
            while let message = await self.transport.next() {
                // The client writes JSON.
                guard let body = try? JSONValue(parsing: message.body) else { continue }
                self.received.add(body)
                if message.method == "tools/call" { self.headers.add(message.arguments) }
                guard case .string(let method)? = body["method"], let id = body["id"] else { continue }
                let params: JSONObject = if case .object(let sent)? = body["params"] { sent } else { [:] }
                self.run {
                    var reply: JSONObject = ["jsonrpc": "2.0", "id": id]
                    do {
                        reply["result"] = .object(try await answer(method, params))
                    } catch let error as MCPError {
                        reply["error"] = ["code": .integer(error.code.rawValue), "message": .string(error.message)]
                    } catch {
                        return  // It never answers.
                    }
                    self.say(reply)
                }
            }
        }
    }

    private func run(_ body: @escaping @Sendable () async -> Void) {
        let task = Task { await body() }
        self.running.withLock { $0.append(task) }
    }

    func say(_ message: JSONObject) { self.transport.say(JSONValue.object(message).text) }

    /// Says that something happened, of no request.
    func notify(_ method: String, _ params: JSONObject = [:]) {
        self.say(["jsonrpc": "2.0", "method": .string(method), "params": .object(params)])
    }

    /// The first message of a method, as soon as there is one.
    func first(_ method: String) async -> JSONValue { await self.received(1, method)[0] }

    /// The messages of a method, as soon as there are so many.
    @discardableResult
    func received(_ count: Int, _ method: String) async -> [JSONValue] {
        var seen = 1
        while true {
            seen = await self.received.first(seen).count + 1
            let messages = self.messages(method)
            if messages.count >= count { return messages }
        }
    }

    func messages(_ method: String) -> [JSONValue] { self.received.all.filter { $0["method"] == .string(method) } }

    var pid: Int32? { nil }
    func setBusy(_ isBusy: Bool) {}
    func memory() -> ByteCount? { nil }

    func stop(discards: Bool) async -> Bool {
        self.session.close()
        await self.session.closed()
        for task in self.running.withLock({ $0 }) { task.cancel() }
        self.discards.add(discards)
        return true
    }

    func untilEnded() async -> LaunchedEnd { LaunchedEnd(.unexpected, "ended") }
}

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

    /// Returns the entries as soon as there are so many.
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
