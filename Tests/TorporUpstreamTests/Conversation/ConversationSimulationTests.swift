import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporTestSupport
import TorporUpstream

/// Conversations by seed: whatever the server sends and the callers do, in any order.
struct ConversationSimulationTests {
    @Test(arguments: 0..<300 as Range<UInt64>)
    func everyRequestEndsOnceAndNothingIsLeft(seed: UInt64) throws {
        var simulation = Simulation(seed: seed)
        try simulation.run(steps: 400)
    }
}

private struct Simulation {
    private static let requestsMax = 8
    private static let asksMax = 3

    private var random: SeededGenerator
    private var machine: ConversationStateMachine
    private var now = Instant(nanoseconds: 0)
    private let isModern: Bool
    private let hasStreams: Bool

    /// Calls of ours that have not ended, and whose they are.
    private var calls: [RequestNumber: UpstreamParty?] = [:]
    /// Requests on the wire that the conversation itself made, by method.
    private var own: [RequestNumber: String] = [:]
    private var asks: Set<AskNumber> = []
    /// Ids of requests of the server that were not answered.
    private var unanswered: [JSONValue: Int] = [:]
    private var lastSent = 0
    private var hasEnded = false
    private var answers = 0

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.isModern = seed % 3 == 0
        self.hasStreams = seed % 2 == 0
        var limits = UpstreamLimits()
        limits.requestsMax = Self.requestsMax
        limits.asksMax = Self.asksMax
        limits.subscriptionsMax = 3
        limits.faultsInARowMax = 30
        self.machine = ConversationStateMachine(
            client: UpstreamClient(info: ["name": "t", "version": "1"], capabilities: [.roots, .sampling]),
            limits: limits, hasStreams: self.hasStreams)
    }

    mutating func run(steps: Int) throws {
        try self.take(
            self.machine.open(known: self.isModern ? .modern : .legacy, timeLimit: .seconds(30), now: self.now))
        try self.introduce()
        for _ in 0..<steps where !self.hasEnded { try self.step() }
        try self.take(self.machine.close())
        #expect(self.calls.isEmpty)
        #expect(self.machine.nextDeadline == nil)
        #expect(self.machine.close().isEmpty)
        try self.take(self.machine.received(IncomingMessage(Array("late".utf8)), now: self.now))
        #expect(self.answers > 0 || self.hasEnded)
    }

    private mutating func step() throws {
        switch Int.random(in: 0..<100, using: &self.random) {
        case 0..<25: try self.begin()
        case 25..<40:
            if let number = self.anyCall() { try self.say(["id": .integer(number.value), "result": ["n": 1]]) }
        case 40..<43:
            if let number = self.anyCall() {
                try self.say(["id": .integer(number.value), "error": ["code": -32_000, "message": "no"]])
            }
        case 43..<46: try self.say(["id": .integer(Int.random(in: 0..<400, using: &self.random)), "result": [:]])
        case 46..<50:
            if let number = self.anyCall() {
                self.calls[number] = nil
                try self.take(self.machine.withdraw(number, reason: "enough", now: self.now))
            }
        case 50..<58: try self.passTime()
        case 58..<68: try self.ask()
        case 68..<75:
            if let ask = self.asks.sorted(by: { $0.value < $1.value }).randomElement(using: &self.random) {
                self.asks.remove(ask)
                try self.take(self.machine.answerAsk(ask, .success([:]), now: self.now))
            }
        case 75..<77:
            try self.say([
                "method": "notifications/cancelled",
                "params": ["requestId": .integer(Int.random(in: 0..<6, using: &self.random))],
            ])
        case 77..<80: try self.junk()
        case 80..<84: try self.notice()
        case 84..<87:
            let codes: [UpstreamError.Code] = [.ended, .unavailable, .tooLarge, .sessionLost]
            if let number = self.anyCall(), let code = codes.randomElement(using: &self.random) {
                try self.take(self.machine.requestFailed(number, UpstreamError(code, "broke"), now: self.now))
            }
        case 87..<94: try self.introduce()
        case 94..<99: try self.subscription()
        default:
            if Int.random(in: 0..<4, using: &self.random) == 0 {
                try self.take(self.machine.transportEnded(UpstreamError(.ended, "gone")))
                #expect(self.hasEnded)
            }
        }
        #expect(self.calls.count <= Self.requestsMax)
    }

    // MARK: Callers

    private func anyParty() -> UpstreamParty? { [nil, UpstreamParty("a"), UpstreamParty("b")][self.calls.count % 3] }

    private mutating func anyCall() -> RequestNumber? {
        self.calls.keys.sorted().randomElement(using: &self.random)
    }

    private mutating func begin() throws {
        guard case .ready(let number, _) = self.machine.reserve() else { return }
        let party = self.anyParty()
        do throws(UpstreamError) {
            try self.machine.begin(
                number, party: party, wantsProgress: true,
                timeLimit: .seconds(Int.random(in: 1...60, using: &self.random)), now: self.now)
            self.calls[number] = .some(party)
        } catch {
            #expect(error.code == .overloaded)
            #expect(self.calls.count + self.own.count >= Self.requestsMax)
        }
    }

    private mutating func subscription() throws {
        guard self.isModern, case .ready(let number, _) = self.machine.reserve() else { return }
        let uri = ["a:1", "a:2", "a:3", "a:4"][Int.random(in: 0..<4, using: &self.random)]
        if Bool.random(using: &self.random) { return try self.take(self.machine.unsubscribe(from: uri, now: self.now)) }
        do throws(UpstreamError) {
            let actions = try self.machine.subscribe(number, to: uri, timeLimit: .seconds(10), now: self.now)
            self.calls[number] = .some(nil)
            self.report(actions)
        } catch {
            #expect([.overloaded, .refused].contains(error.code))
        }
    }

    private mutating func passTime() throws {
        self.now = self.now + .milliseconds(Int.random(in: 0...8_000, using: &self.random))
        try self.take(self.machine.tick(now: self.now))
        if let next = self.machine.nextDeadline { #expect(next > self.now) }
    }

    // MARK: The server

    private mutating func say(_ members: JSONObject, stream: RequestNumber? = nil) throws {
        var message: JSONObject = ["jsonrpc": "2.0"]
        message.members += members.members
        let bytes = Array(JSONValue.object(message).text.utf8)
        try self.take(self.machine.received(IncomingMessage(bytes, stream: stream), now: self.now))
    }

    /// Answers what the conversation asks for itself.
    private mutating func introduce() throws {
        guard let (number, method) = self.own.min(by: { $0.key < $1.key }) else { return }
        switch method {
        case "initialize":
            self.own[number] = nil
            try self.say([
                "id": .integer(number.value), "result": ["protocolVersion": "2025-06-18", "capabilities": [:]],
            ])
        case "server/discover":
            self.own[number] = nil
            try self.say([
                "id": .integer(number.value),
                "result": [
                    "supportedVersions": ["2026-07-28"], "capabilities": ["tools": ["listChanged": true]],
                ],
            ])
        default:
            if Bool.random(using: &self.random) {
                try self.say([
                    "method": "notifications/subscriptions/acknowledged",
                    "params": [
                        "_meta": ["io.modelcontextprotocol/subscriptionId": .integer(number.value)],
                        "notifications": ["resourceSubscriptions": ["a:1", "a:2"]],
                    ],
                ])
            } else {
                self.own[number] = nil
                try self.say(["id": .integer(number.value), "result": [:]])
            }
        }
    }

    private mutating func ask() throws {
        let id = JSONValue.integer(Int.random(in: 0..<6, using: &self.random))
        let method = ["ping", "roots/list", "sampling/createMessage", "odd"].randomElement(using: &self.random) ?? ""
        if !self.isModern, self.unanswered[id] == nil { self.unanswered[id] = 0 }
        let stream = self.hasStreams && Bool.random(using: &self.random) ? self.anyCall() : nil
        try self.say(["id": id, "method": .string(method)], stream: stream)
    }

    private mutating func notice() throws {
        let stream = self.hasStreams ? self.anyCall() : nil
        let token = JSONValue.integer(self.anyCall()?.value ?? 3)
        try self.say(
            ["method": "notifications/progress", "params": ["progressToken": token, "progress": 1]], stream: stream)
        try self.say(["method": "notifications/message", "params": ["data": 1]], stream: stream)
    }

    private mutating func junk() throws {
        var bytes = Array(#"{"jsonrpc":"2.0","id":7,"method":"x","result":{},"params":[],"error":{}}"#.utf8)
        for _ in 0..<Int.random(in: 1...20, using: &self.random) {
            let place = Int.random(in: 0..<bytes.count, using: &self.random)
            if Bool.random(using: &self.random) {
                bytes[place] = UInt8.random(in: 0x20...0x7E, using: &self.random)
            } else {
                bytes.remove(at: place)
            }
        }
        try self.take(self.machine.received(IncomingMessage(bytes), now: self.now))
    }

    // MARK: Checks

    private mutating func take(_ actions: [ConversationStateMachine.Action]) throws { self.report(actions) }

    private mutating func report(_ actions: [ConversationStateMachine.Action]) {
        if self.hasEnded { #expect(actions.isEmpty) }
        for action in actions {
            switch action {
            case .send(let message): self.sent(message)
            case .closeStream(let number):
                #expect(self.hasStreams)
                self.own[number] = nil
            case .answer(let number, _):
                #expect(
                    self.calls.removeValue(forKey: number) != nil, "an answer for \(number), which nobody waits for")
                self.answers += 1
            case .fail(let number, _):
                #expect(self.calls.removeValue(forKey: number) != nil, "an error for \(number), which nobody waits for")
            case .notice(let number, _, _): #expect(self.calls[number] != nil)
            case .ask(let number, let ask):
                #expect(self.calls[number]??.name != nil, "nobody could answer")
                if !self.hasStreams { #expect(Set(self.calls.values.compactMap { $0?.name }).count == 1) }
                #expect(self.asks.insert(ask.number).inserted)
                #expect(self.asks.count <= Self.asksMax + Self.requestsMax)
            case .cancelAsk(_, let ask): self.asks.remove(ask)
            case .opened, .tell: break
            case .openingFailed, .close: self.hasEnded = true
            }
        }
    }

    private mutating func sent(_ message: UpstreamMessage) {
        // What is sent is a whole message of its own.
        let json = try? JSONValue(parsing: message.body)
        #expect(json?["jsonrpc"] == "2.0")
        switch message.kind {
        case .request(let number):
            #expect(number.value > self.lastSent, "numbers are used once")
            self.lastSent = number.value
            self.own[number] = message.method
        case .notification:
            if message.method == "notifications/cancelled", case .number(let id)? = json?["params"]?["requestId"] {
                self.own[RequestNumber(id.int ?? 0)] = nil
            }
        case .answer:
            #expect(!self.isModern, "modern servers are not answered")
            guard let id = json?["id"] else {
                Issue.record("an answer without an id")
                return
            }
            #expect(self.unanswered.removeValue(forKey: id) != nil, "answered twice, or never asked")
        }
    }
}
