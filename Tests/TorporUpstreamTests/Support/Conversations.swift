import Synchronization
import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

let testClient = UpstreamClient(
    info: ["name": "torpor-test", "version": "1"],
    capabilities: [.roots, .sampling, .elicitationForm])

extension UpstreamMessage {
    /// The message as a tree.
    var json: JSONValue {
        get throws { try JSONValue(parsing: self.body) }
    }

    /// The id of a request.
    var number: RequestNumber? {
        if case .request(let number) = self.kind { number } else { nil }
    }
}

/// Keeps what it is told.
final class Log<Entry: Sendable>: Sendable {
    private let entries = Mutex<[Entry]>([])

    var all: [Entry] { self.entries.withLock { $0 } }
    func add(_ entry: Entry) { self.entries.withLock { $0.append(entry) } }
}

/// Takes part in a request: keeps what it hears, and answers with what it was made with.
final class TestObserver: UpstreamObserver {
    let party: UpstreamParty
    let wantsProgress: Bool
    let heard = Log<Notice>()
    let asked = Log<Ask>()
    private let reply: @Sendable (String, JSONObject) async throws -> JSONObject

    init(
        _ party: String = "someone", wantsProgress: Bool = true,
        reply: @escaping @Sendable (String, JSONObject) async throws -> JSONObject = { _, _ in [:] }
    ) {
        self.party = UpstreamParty(party)
        self.wantsProgress = wantsProgress
        self.reply = reply
    }

    func progress(_ params: JSONObject) async { self.heard.add(.progress(params)) }
    func log(_ params: JSONObject) async { self.heard.add(.log(params)) }

    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject {
        self.asked.add(Ask(number: AskNumber(0), method: method, params: params))
        return try await self.reply(method, params)
    }
}

/// A session over memory, with everything that a test needs to play its server.
struct TestConversation {
    let session: UpstreamSession
    let transport: MemoryTransport
    let timer: ManualTimer
    let events: Log<UpstreamEvent>

    /// The next message of the session, as a tree.
    func next() async throws -> JSONValue { try #require(await self.transport.next()).json }

    /// The next request of the session, and its number.
    func nextRequest() async throws -> (number: RequestNumber, json: JSONValue) {
        let message = try #require(await self.transport.next())
        return (try #require(message.number), try message.json)
    }

    /// The server answers a request.
    func answer(_ number: RequestNumber, _ result: JSONObject = [:], stream: RequestNumber? = nil) {
        let message: JSONValue = ["jsonrpc": "2.0", "id": .integer(number.value), "result": .object(result)]
        self.transport.say(message.text, stream: stream)
    }

    /// Waits until the session has let everything go, and checks that nothing is left.
    func finish() async {
        self.session.close()
        await self.session.closed()
        #expect(self.session.requestsUnderWay == 0)
    }
}

/// Opens a session with a legacy server that was known for one.
func openLegacy(
    _ revision: ProtocolRevision = .v2025_11_25, limits: UpstreamLimits = UpstreamLimits(), hasStreams: Bool = false,
    capabilities: JSONObject = [:]
) async throws -> TestConversation {
    let (transport, timer, events) = (MemoryTransport(hasStreams: hasStreams), ManualTimer(), Log<UpstreamEvent>())
    async let opening = UpstreamSession.open(
        over: transport, as: testClient, known: .legacy, timeLimit: .seconds(30), limits: limits, timer: timer,
        events: { events.add($0) })
    let initialize = try #require(await transport.next())
    try answerInitialize(initialize, revision, capabilities: capabilities, over: transport)
    let conversation = TestConversation(
        session: try await opening, transport: transport, timer: timer, events: events)
    #expect(try await conversation.next()["method"] == "notifications/initialized")
    return conversation
}

func answerInitialize(
    _ message: UpstreamMessage, _ revision: ProtocolRevision, capabilities: JSONObject = [:],
    over transport: MemoryTransport
) throws {
    #expect(message.method == "initialize")
    let number = try #require(message.number)
    let answer: JSONValue = [
        "jsonrpc": "2.0", "id": .integer(number.value),
        "result": [
            "protocolVersion": .string(revision.rawValue), "capabilities": .object(capabilities),
            "serverInfo": ["name": "old", "version": "3"], "instructions": "Be kind.",
        ],
    ]
    transport.say(answer.text)
}

/// Opens a session with a modern server that was known for one.
func openModern(
    limits: UpstreamLimits = UpstreamLimits(), hasStreams: Bool = false, capabilities: JSONObject = [:]
) async throws -> TestConversation {
    let (transport, timer, events) = (MemoryTransport(hasStreams: hasStreams), ManualTimer(), Log<UpstreamEvent>())
    async let opening = UpstreamSession.open(
        over: transport, as: testClient, known: .modern, timeLimit: .seconds(30), limits: limits, timer: timer,
        events: { events.add($0) })
    let discover = try #require(await transport.next())
    try answerDiscover(discover, capabilities: capabilities, over: transport)
    return TestConversation(session: try await opening, transport: transport, timer: timer, events: events)
}

func answerDiscover(
    _ message: UpstreamMessage, versions: [JSONValue] = ["2026-07-28"], capabilities: JSONObject = [:],
    over transport: MemoryTransport
) throws {
    #expect(message.method == "server/discover")
    let number = try #require(message.number)
    let answer: JSONValue = [
        "jsonrpc": "2.0", "id": .integer(number.value),
        "result": [
            "resultType": "complete", "supportedVersions": .array(versions), "capabilities": .object(capabilities),
            "ttlMs": 0, "cacheScope": "private",
            "_meta": ["io.modelcontextprotocol/serverInfo": ["name": "new", "version": "4"]],
        ],
    ]
    transport.say(answer.text)
}

/// The error that `body` throws.
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

/// The error that an outcome is.
func failure<Value>(
    _ code: UpstreamError.Code, _ outcome: Result<Value, any Error>, sourceLocation: SourceLocation = #_sourceLocation
) -> UpstreamError? {
    switch outcome {
    case .success:
        Issue.record("there is no error", sourceLocation: sourceLocation)
        return nil
    case .failure(let error):
        let error = error as? UpstreamError
        #expect(error?.code == code, sourceLocation: sourceLocation)
        return error
    }
}
