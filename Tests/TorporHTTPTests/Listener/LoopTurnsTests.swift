import Dispatch
import NIOCore
import NIOEmbedded
import Testing
import Torpor

@testable import TorporHTTP

/// Callers that share an event loop take turns.
@Suite struct LoopTurnsTests {
    private static let ada = CallerName(.address("192.0.2.1"))
    private static let mallory = CallerName(.address("192.0.2.2"))

    /// What is handled after one look.
    private static func look(_ turns: inout LoopTurns<Int>) -> [Int] {
        turns.looked()
        var handled: [Int] = []
        while let work = turns.next() { handled.append(work) }
        return handled
    }

    private static let lookMax = LoopTurns<Int>.lookMax

    @Test func aCallerAloneNeverWaits() {
        var turns = LoopTurns<Int>()
        for number in 0..<100 {
            let begins = turns.begins(number, of: Self.ada, tick: 0)
            #expect(begins && !turns.isFull)
        }
        #expect(Self.look(&turns).isEmpty)
    }

    @Test func afterAFewTheOthersWaitAndCallersTakeTurns() {
        var turns = LoopTurns<Int>()
        _ = turns.begins(0, of: Self.ada, tick: 0)
        let count = 3 * Self.lookMax
        let begun = (0..<count).map { turns.begins($0, of: Self.mallory, tick: 0) }
        #expect(begun == (0..<count).map { $0 < Self.lookMax } && turns.isFull)
        for number in [1_000, 1_001] {
            let hasBegun = turns.begins(number, of: Self.ada, tick: 0)
            #expect(!hasBegun)
        }
        let first = Self.look(&turns)
        let next = Self.lookMax
        #expect(first == [next, 1_000, next + 1, 1_001] + Array((next + 2)..<(2 * next - 2)) && turns.isFull)
        #expect(Self.look(&turns) == Array((2 * next - 2)..<(3 * next - 2)) && turns.isFull)
        #expect(Self.look(&turns) == [3 * next - 2, 3 * next - 1] && !turns.isFull)
        #expect(Self.look(&turns).isEmpty)
    }

    @Test func aCallerThatHasGoneMakesNobodyWait() {
        var turns = LoopTurns<Int>()
        _ = turns.begins(0, of: Self.mallory, tick: 7)
        _ = turns.begins(0, of: Self.ada, tick: 7)
        let last = 7 + LoopTurns<Int>.aboutTicks
        let shared = (0..<30).map { turns.begins($0, of: Self.ada, tick: last - 1) }
        #expect(shared.contains(false))
        let alone = (0..<30).map { turns.begins($0, of: Self.ada, tick: last) }
        #expect(!alone.contains(false))
        // Those that wait have their turns all the same.
        #expect(Self.look(&turns) == Array((Self.lookMax - 1)..<30))
    }

    @Test func whatWaitsCanBeGivenUp() {
        var turns = LoopTurns<Int>()
        _ = turns.begins(0, of: Self.mallory, tick: 0)
        for number in 1...(Self.lookMax + 2) { _ = turns.begins(number, of: Self.ada, tick: 0) }
        #expect(turns.removeAll() == [Self.lookMax + 1, Self.lookMax + 2])
        #expect(Self.look(&turns).isEmpty)
    }

    @Test func manyCallersThatComeAndGoAreNotKept() {
        var turns = LoopTurns<Int>()
        var handled = 0
        for number in 0..<1_000 {
            if turns.begins(number, of: CallerName(.address("\(number)")), tick: 0) { handled += 1 }
            if number % 10 == 0 { handled += Self.look(&turns).count }
            #expect(turns.lineCount <= 64 && turns.waitingCount + handled == number + 1)
        }
        while turns.isFull { handled += Self.look(&turns).count }
        #expect(handled == 1_000)
    }

    @Test func ofManyCallersThatWaitAtOnceNothingIsLeft() {
        var turns = LoopTurns<Int>()
        let begun = (0..<1_000).count { turns.begins($0, of: CallerName(.address("\($0)")), tick: 0) }
        #expect(turns.waitingCount == 1_000 - begun && turns.lineCount == 1_000 - begun)
        var handled = begun
        while turns.isFull { handled += Self.look(&turns).count }
        #expect(handled == 1_000 && turns.waitingCount == 0 && turns.lineCount <= 64)
    }

    // MARK: On connections

    /// Many connections of one caller, each with a request, and one of another caller that comes last.
    /// - Returns: Those clients; of the many all but the first few wait, as the other does.
    private static func crowd(_ listener: EmbeddedListener, body: String? = nil) throws -> (
        many: [EmbeddedClient], other: EmbeddedClient
    ) {
        let other = try listener.connect(from: "192.0.2.1")
        try other.send(WireRequest.post(WireRequest.ping(id: 0)))
        let many = try (1...40).map { _ in try listener.connect(from: "192.0.2.2") }
        for (number, client) in many.enumerated() {
            try client.send(WireRequest.post(body ?? WireRequest.ping(id: number)))
        }
        #expect(try other.answers().count == 1)
        try other.send(WireRequest.post(WireRequest.ping(id: 100)))
        return (many, other)
    }

    @Test func aRequestBehindThoseOfManyConnectionsIsAnsweredAmongTheFirst() throws {
        let listener = EmbeddedListener()
        let (many, other) = try Self.crowd(listener)
        #expect(try other.answers().isEmpty)
        // The loop has been through what arrived.
        listener.eventLoop.run()
        #expect(try other.answers().map(\.status) == [200])
        let answered = try many.reduce(0) { try $0 + $1.answers().count }
        #expect(answered < 40, "the many wait")
        // It has looked for more again and again.
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        let rest = try many.reduce(0) { try $0 + $1.answers().count }
        #expect(answered + rest == 40)
        for client in many + [other] { try client.disconnect() }
        listener.expectNothingLeft()
    }

    @Test func pipelinedRequestsKeepTheirOrder() throws {
        let listener = EmbeddedListener()
        let (many, other) = try Self.crowd(listener)
        try other.send((1...20).map { WireRequest.post(WireRequest.ping(id: $0)) }.joined())
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        let expected = ([100] + (1...20)).map { #"{"jsonrpc":"2.0","id":\#($0),"result":{}}"# }
        #expect(try other.answers().map(\.body) == expected)
        for client in many + [other] { try client.disconnect() }
        listener.expectNothingLeft()
    }

    @Test func aRequestWhoseClientGoesWhileItWaitsTakesNothingAlong() throws {
        let listener = EmbeddedListener()
        let large = WireRequest.legacyCall("echo", #"{"message":"\#(String(repeating: "x", count: 100_000))"}"#)
        let (many, other) = try Self.crowd(listener, body: large)
        #expect(listener.state.buffers.usedBytes > 100_000)
        for client in many + [other] { try client.channel.close().wait() }
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        listener.expectNothingLeft()
    }

    @Test(.timeLimit(.minutes(1))) func answersOfCallsTakeTurnsToo() async throws {
        let held = HeldCalls()
        let listener = try await SocketListener(.sample(sampleServer(held)))
        let (eventLoop, loop, port) = (listener.eventLoop, listener.loop, listener.port)
        try await withThrowingTaskGroup(of: Void.self) { clients in
            for number in 0..<40 {
                clients.addTask {
                    try await RawConnection.open(port: port, from: "127.0.0.\(2 + number % 2)") { connection in
                        try await connection.send(WireRequest.post(WireRequest.legacyCall("hold", id: number)))
                        let answer = try #require(try await connection.answer())
                        #expect(answer.body.hasPrefix(#"{"jsonrpc":"2.0","id":\#(number),"#))
                    }
                }
            }
            for _ in 0..<40 { await held.nextBegins() }
            let calls = try await eventLoop.submit { loop.value.calls.values.map(\.task) }.get()
            // All return while the loop does something else, and are handled before anything that comes after.
            let isBusy = DispatchSemaphore(value: 0)
            eventLoop.execute { isBusy.wait() }
            held.release()
            for call in calls { await call.value }
            let waitingCount = eventLoop.submit { loop.value.waitingCount }
            isBusy.signal()
            #expect(try await waitingCount.get() >= 40 - LoopTurns<LoopWork>.lookMax - 2)
            try await clients.waitForAll()
        }
        try await listener.expectNothingLeft()
    }

    @Test func aStopAnswersWhatWaits() throws {
        let listener = EmbeddedListener()
        let (many, other) = try Self.crowd(listener)
        listener.state.beginDraining()
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        for client in many { #expect(try client.answers().map(\.status) == [200]) }
        #expect(try other.answers().map(\.closes) == [true])
        listener.eventLoop.advanceTime(by: .seconds(10))
        #expect(isDrained)
        listener.loop.stop()
    }

    @Test func aStopWaitsForRequestsWhoseClientsHaveGone() throws {
        let listener = EmbeddedListener()
        let (many, other) = try Self.crowd(listener)
        for client in many + [other] { client.channel.close(promise: nil) }
        listener.state.beginDraining()
        #expect(listener.loop.waitingCount > 0)
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        #expect(!isDrained)
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        #expect(isDrained && listener.loop.waitingCount == 0)
        listener.loop.stop()
    }

    @Test func aStopThatIsCutShortLetsGoOfWhatWaits() throws {
        let listener = EmbeddedListener()
        let large = WireRequest.legacyCall("echo", #"{"message":"\#(String(repeating: "x", count: 100_000))"}"#)
        let (many, other) = try Self.crowd(listener, body: large)
        listener.state.beginDraining()
        listener.loop.cutShort()
        listener.eventLoop.advanceTime(by: .milliseconds(1))
        #expect((many + [other]).allSatisfy { !$0.isOpen })
        listener.expectNothingLeft()
    }
}
