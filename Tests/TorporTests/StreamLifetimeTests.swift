import Dispatch
import Foundation
import Logging
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporTesting

/// What streams and channels hold is given back, whatever happens at the same time.
@Suite struct StreamLifetimeTests {
    @Test func aSecondSubscriptionOfOneIDIsRefusedAndNothingIsLeftOfTheFirst() throws {
        let dispatcher = Self.dispatcher()
        let channel = try dispatcher.openChannel()
        let listen = Self.modern("subscriptions/listen", #""notifications":{"toolsListChanged":true},"#)
        guard case .stream = dispatcher.dispatch(IncomingMessage(bytes: listen, channel: channel)) else {
            Issue.record("a subscription opens a stream")
            return
        }
        let second = dispatcher.dispatch(IncomingMessage(bytes: listen, channel: channel))
        if case .reply(let reply) = second {
            #expect(try JSONValue(parsing: reply.body)["error"]?["code"] == -32600)
        } else {
            Issue.record("the id is in use")
        }
        #expect(dispatcher.streamCount == 1)
        dispatcher.close(channel)
        #expect(dispatcher.streamCount == 0 && dispatcher.heldSessionCount == 0)
    }

    @Test func aChannelThatHasClosedHoldsNothingAnyMore() throws {
        let dispatcher = Self.dispatcher()
        let channel = try dispatcher.openChannel()
        let initialize =
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
        _ = dispatcher.dispatch(IncomingMessage(bytes: Array(initialize.utf8), channel: channel))
        dispatcher.close(channel)
        // Messages that were on their way when it closed.
        let late = [
            Array(#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}"#.utf8),
            Array(#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"test://a"}}"#.utf8),
            Self.modern("subscriptions/listen", #""notifications":{"toolsListChanged":true},"#),
        ]
        for message in late {
            guard case .reply = dispatcher.dispatch(IncomingMessage(bytes: message, channel: channel)) else {
                Issue.record("nothing begins on a closed channel")
                return
            }
        }
        #expect(dispatcher.streamCount == 0 && dispatcher.heldSessionCount == 0)
    }

    @Test func aCallThatBeginsToSpeakTwiceAtOnceHoldsOneStream() async throws {
        let gate = Gate()
        let interruption = Interruption()
        let dispatcher = Self.dispatcher(gate) { environment in
            environment.randomBits = {
                interruption.happen()
                return UInt128.random(in: .min ... .max)
            }
        }
        let (_, call) = try Self.sessionCall(dispatcher)
        let carrier = CarrierOfOne()
        let task = Task { await call.run(over: carrier, as: 1) }
        await gate.arrival(of: "a")
        // The stream is being made when another task of the handler makes one.
        interruption.plan { call.openStream() }
        call.openStream()
        #expect(dispatcher.streamCount == 1)
        gate.open("a")
        _ = await task.value
        #expect(dispatcher.streamCount == 1)
    }

    @Test func theTransportHearsOfAStreamBeforeItHearsOfTheCallsEnd() async throws {
        let gate = Gate()
        let dispatcher = Self.dispatcher(gate)
        let (_, call) = try Self.sessionCall(dispatcher)
        let ended = DispatchSemaphore(value: 0)
        let order = Mutex<[String]>([])
        let carrier = CarrierOfOne { _ in
            Thread.detachNewThread {
                _ = call.cutShort()
                order.withLock { $0.append("ended") }
                ended.signal()
            }
            // Time enough for the end to come first, if it could.
            if ended.wait(timeout: .now() + 0.2) == .success { ended.signal() }
            order.withLock { $0.append("opened") }
        }
        let task = Task { await call.run(over: carrier, as: 1) }
        await gate.arrival(of: "a")
        call.openStream()
        gate.open("a")
        _ = await task.value
        await Self.wait(for: ended)
        #expect(order.withLock { $0 } == ["opened", "ended"])
    }

    @Test func aCallOfAChannelRunsUntilItsAnswerIsTaken() async throws {
        let dispatcher = Self.dispatcher()
        let channel = try dispatcher.openChannel()
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let attached = channel.output.attach(wake: { signal.yield() })
        let reader = try #require(attached)
        let body = Self.modern("tools/call", #""name":"large","#)
        var calls: [PendingCall] = []
        for _ in 0..<2 {
            guard case .call(let call) = dispatcher.dispatch(IncomingMessage(bytes: body, channel: channel)) else {
                Issue.record("a tool that is not inline is a call")
                return
            }
            calls.append(call)
        }
        // The first answer waits in the stream; for the second there is no room.
        guard case .streamed = await calls[0].run() else {
            Issue.record("the answer is in the channel's stream")
            return
        }
        #expect(dispatcher.runningCallCount == 1)
        let second = calls[1]
        let task = Task { await second.run() }
        var answers = 0
        for await _ in signals {
            while case .message(let entry) = channel.output.next(reader) {
                #expect(entry.message.count > 20_000)
                answers += 1
            }
            if answers == 2 { break }
        }
        guard case .streamed = await task.value else {
            Issue.record("the answer is in the channel's stream")
            return
        }
        #expect(dispatcher.runningCallCount == 0)
        dispatcher.close(channel)
        channel.output.detach(reader)
        #expect(dispatcher.streamBytes == 0)
    }

    @Test(arguments: TestTransport.allCases)
    func streamsThatWereReadToTheirEndMakeRoomForOthers(over transport: TestTransport) async throws {
        var options = TestOptions()
        options.streams.streamsMax = 2
        try await withTestClient(talkingServer(), over: transport, options: options) { client in
            let session = try await client.openSession()
            for _ in 0..<3 { #expect(try await session.callRaw("logs").text == "logged") }
            let status = try await session.openStream { $0.status }
            #expect(status == 200)
        }
    }

    @Test(arguments: TestTransport.allCases)
    func moreAnswersThanAHandlerCanAskForAreRefused(over transport: TestTransport) async throws {
        try await withTestClient(talkingServer(), over: transport) { client in
            let answers = JSONObject((0..<200).map { JSONObject.Member(name: "k\($0)", value: [:]) })
            let response = try await client.offeringAll.request(
                "tools/call", ["name": "asks", "inputResponses": .object(answers)])
            #expect(response.errorCode == -32602)
        }
    }

    @Test func aSessionThatExpiresDoesNotEndWhatItRuns() async throws {
        let gate = Gate()
        let now = Mutex(WallTime(milliseconds: 1_000_000))
        let dispatcher = Self.dispatcher(gate) { $0.wallTime = { now.withLock { $0 } } }
        let (_, call) = try Self.sessionCall(dispatcher)
        let carrier = CarrierOfOne()
        let task = Task { await call.run(over: carrier, as: 1) }
        await gate.arrival(of: "a")
        now.withLock { $0 = WallTime(milliseconds: 2_000_000) }
        dispatcher.sweep()
        #expect(!carrier.wasCancelled && dispatcher.heldSessionCount == 1)
        gate.open("a")
        guard case .reply = await task.value else {
            Issue.record("the call is answered")
            return
        }
        dispatcher.sweep()
        #expect(dispatcher.heldSessionCount == 0)
    }

    @Test func aBatchWhoseCallsWereAllCancelledEndsItsStreamWithoutAMessage() async throws {
        let gate = Gate()
        let dispatcher = Self.dispatcher(gate)
        let (session, call) = try Self.sessionCall(
            dispatcher, #"[{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"waits"}}]"#,
            revision: "2025-03-26")
        let opened = Mutex<MessageStream?>(nil)
        let carrier = CarrierOfOne { stream in opened.withLock { $0 = stream } }
        let task = Task { await call.run(over: carrier, as: 1) }
        await gate.arrival(of: "a")
        call.openStream()
        let cancelled = #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#
        _ = dispatcher.dispatch(Self.message(cancelled, session: session))
        _ = await task.value
        let stream = try #require(opened.withLock { $0 })
        let attached = stream.attach(wake: {})
        let reader = try #require(attached)
        #expect(stream.next(reader) == .ended)
    }

    /// A request of the modern era has no session: none is looked for that its header names.
    @Test func aListenerThatNamesAnOldSessionListens() throws {
        let now = Mutex(WallTime(milliseconds: 1_000_000))
        let dispatcher = Self.dispatcher(state: .inMemory()) { $0.wallTime = { now.withLock { $0 } } }
        let session = try Self.session(dispatcher)
        now.withLock { $0 = $0 + .seconds(61) }
        let listen = Self.modern("subscriptions/listen", #""notifications":{"toolsListChanged":true},"#)
        let body = String(decoding: listen, as: UTF8.self)
        guard case .stream = dispatcher.dispatch(Self.message(body, session: session)) else { throw TestFailure() }
        // One of the era that has sessions is looked for.
        let ping = #"{"jsonrpc":"2.0","id":2,"method":"ping"}"#
        guard case .call(let call) = dispatcher.dispatch(Self.message(ping, session: session)) else {
            throw TestFailure()
        }
        _ = call.cutShort()
    }

    // MARK: Helpers

    private static func dispatcher(
        _ gate: Gate = Gate(), state: StateService? = nil, _ change: (inout DispatcherEnvironment) -> Void = { _ in }
    ) -> Dispatcher {
        var environment = DispatcherEnvironment(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        change(&environment)
        let server = MCPServer(name: "streams", version: "1", announces: [.tools, .resourceUpdates]) {
            Tool("waits", "Answers when the test lets it.") { _ in
                try await gate.wait(for: "a")
                return "done"
            }
            Tool("large", "Answers with many bytes.") { _ in String(repeating: "x", count: 20_000) }
            Resource("test://a", name: "a", description: "A text.", text: "a")
        }
        return Dispatcher(
            server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), service: state),
            state: state, environment: environment)
    }

    private static func modern(_ method: String, _ params: String) -> [UInt8] {
        Array(
            #"{"jsonrpc":"2.0","id":"w","method":"\#(method)","params":{\#(params)"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
                .utf8)
    }

    /// A session whose client takes streams, and a call of it.
    private static func sessionCall(
        _ dispatcher: Dispatcher,
        _ body: String = #"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"waits"}}"#,
        revision: String = "2025-11-25"
    ) throws -> (session: String, call: PendingCall) {
        let session = try Self.session(dispatcher, revision: revision)
        guard case .call(let call) = dispatcher.dispatch(Self.message(body, session: session)) else {
            throw TestFailure()
        }
        return (session, call)
    }

    private static func session(_ dispatcher: Dispatcher, revision: String = "2025-11-25") throws -> String {
        let initialize =
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"\#(revision)","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
        guard case .reply(let opened) = dispatcher.dispatch(IncomingMessage(bytes: Array(initialize.utf8))),
            let session = opened.sessionID
        else { throw TestFailure() }
        return session
    }

    private static func message(_ body: String, session: String) -> IncomingMessage {
        let count = session.utf8.count
        return IncomingMessage(
            bytes: Array((session + body).utf8), bodyStart: count, headers: MessageHeaders(sessionID: 0..<count),
            acceptsStreams: true)
    }

    private struct TestFailure: Error {}

    private static func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                semaphore.wait()
                continuation.resume()
            }
        }
    }
}

/// Something that happens once, in the middle of something else.
private final class Interruption: Sendable {
    private let planned = Mutex<(@Sendable () -> Void)?>(nil)

    func plan(_ body: @escaping @Sendable () -> Void) { self.planned.withLock { $0 = body } }

    func happen() {
        let body = self.planned.withLock { planned in
            defer { planned = nil }
            return planned
        }
        body?()
    }
}

/// Carries one call, whose stream nobody reads.
private final class CarrierOfOne: CallCarrier {
    private let onOpen: @Sendable (MessageStream) -> Void
    private let cancelled = Atomic<Bool>(false)

    var wasCancelled: Bool { self.cancelled.load(ordering: .relaxed) }

    init(onOpen: @escaping @Sendable (MessageStream) -> Void = { _ in }) { self.onOpen = onOpen }

    func open(_ stream: MessageStream, of call: UInt64) { self.onOpen(stream) }
    func cancel(_ call: UInt64) { self.cancelled.store(true, ordering: .relaxed) }
}
