import Testing
import Torpor

@testable import TorporHTTP

/// Connections and bytes are bounded, and what was taken is given back on every path.
@Suite struct ResourceLimitTests {
    @Test func oneConnectionTooManyIsToldToComeBack() throws {
        let listener = EmbeddedListener(.sample { $0.connectionsMax = 2 })
        let clients = [try listener.connect(from: "192.0.2.1"), try listener.connect(from: "192.0.2.2")]
        let late = try listener.connect(from: "192.0.2.3")
        let answers = try late.answers()
        #expect(answers.map(\.status) == [503])
        #expect(answers.first?.fields["retry-after"] == "1")
        #expect(answers.allSatisfy { $0.closes })
        #expect(!late.isOpen)
        #expect(listener.state.gate.count == 2)
        try clients[0].disconnect()
        #expect(try listener.answer(to: WireRequest.post(WireRequest.ping())).status == 200)
        try clients[1].disconnect()
        listener.expectNothingLeft()
    }

    @Test func oneAddressTooBusyIsToldToComeBackAndOthersAreServed() throws {
        let listener = EmbeddedListener(.sample { $0.connectionsPerAddressMax = 2 })
        let clients = [try listener.connect(from: "192.0.2.1"), try listener.connect(from: "192.0.2.1")]
        let late = try listener.connect(from: "192.0.2.1")
        let answers = try late.answers()
        #expect(answers.map(\.status) == [429])
        #expect(answers.first?.fields["retry-after"] == "1")
        let other = try listener.connect(from: "2001:db8::1")
        try other.send(WireRequest.post(WireRequest.ping()))
        #expect(try other.answers().map(\.status) == [200])
        for client in clients + [other] { try client.disconnect() }
        listener.expectNothingLeft()
    }

    @Test func onlySoManyAreToldToComeBackAtOnce() throws {
        let listener = EmbeddedListener(.sample { $0.connectionsMax = 1 })
        let admitted = try listener.connect()
        let told = try (0..<ConnectionLoop.turnedAwayMax).map { _ in try listener.connect(staysOpen: true) }
        for client in told { #expect(try client.answers().map(\.status) == [503]) }
        let late = try listener.connect(staysOpen: true)
        #expect(!late.isOpen)
        #expect(try late.received().isEmpty)
        told[0].finishSending()
        let next = try listener.connect(staysOpen: true)
        #expect(try next.answers().map(\.status) == [503])
        #expect(listener.state.gate.count == 1)
        for client in told + [next, admitted] { try client.disconnect() }
        listener.expectNothingLeft()
    }

    @Test func aGateCountsEachConnectionOnce() {
        let gate = ConnectionGate(connectionsMax: 3, perAddressMax: 2)
        #expect(
            [gate.enter("a"), gate.enter("a"), gate.enter("a"), gate.enter("b"), gate.enter("c")] == [
                .admitted, .admitted, .addressFull, .admitted, .full,
            ])
        gate.leave("a")
        #expect(gate.enter("c") == .admitted)
        for address in ["a", "b", "c"] { gate.leave(address) }
        #expect(gate.count == 0)
    }

    @Test func oneByteBeyondTheBudgetIsRefusedAndNotCounted() {
        let budget = ByteBudget(.bytes(100))
        #expect(budget.reserve(60))
        #expect(budget.reserve(40))
        #expect(!budget.reserve(1))
        #expect(budget.usedBytes == 100)
        budget.release(100)
        #expect(budget.usedBytes == 0)
    }

    private static let head =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 600000\r\n\r\n"

    /// A `ping` of 600,000 bytes.
    private static let body =
        WireRequest.ping() + String(repeating: " ", count: 600_000 - WireRequest.ping().utf8.count)

    @Test func aLargeBodyBeyondTheBudgetIsRefusedAndThoseWithinItAreServed() throws {
        let listener = EmbeddedListener(.sample { $0.buffersMax = .mebibytes(1) })
        let first = try listener.connect()
        let second = try listener.connect()
        try first.send(Self.head + Self.body.dropLast(1))
        #expect((599_999...1 << 20).contains(listener.state.buffers.usedBytes))
        let used = listener.state.buffers.usedBytes
        try second.send(Self.head + Self.body.dropLast(1))
        let refused = try second.answers()
        #expect(refused.map(\.status) == [503])
        #expect(refused.first?.fields["retry-after"] == "1")
        #expect(!second.isOpen)
        #expect(listener.state.buffers.usedBytes == used)
        try first.send(" ")
        #expect(try first.answers().map(\.status) == [200])
        #expect(listener.state.buffers.usedBytes == 0)
        // What fails is the large request, not the server.
        #expect(try listener.answer(to: WireRequest.post(WireRequest.ping())).status == 200)
        try first.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aLargeRequestThatArrivesWholeIsCountedToo() throws {
        let listener = EmbeddedListener(.sample { $0.buffersMax = .kibibytes(512) })
        let client = try listener.connect()
        try client.send(Self.head + Self.body)
        #expect(try client.answers().map(\.status) == [503])
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func smallRequestsNeedNoBudget() throws {
        let listener = EmbeddedListener(.sample { $0.buffersMax = .bytes(0) })
        let body = WireRequest.ping() + String(repeating: " ", count: 8_000)
        let client = try listener.connect()
        for byte in WireRequest.post(body).utf8 { try client.send([byte]) }
        #expect(try client.answers().map(\.status) == [200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aClientThatLeavesAmidItsBodyGivesItsBytesBack() throws {
        let listener = EmbeddedListener()
        for ending in 0..<3 {
            let client = try listener.connect()
            try client.send(Self.head + Self.body.dropLast(1))
            #expect(listener.state.buffers.usedBytes >= 599_999)
            switch ending {
            case 0: try client.disconnect()
            case 1: client.finishSending()
            default: client.fail()
            }
            #expect(!client.isOpen)
            #expect(listener.state.buffers.usedBytes == 0)
        }
        listener.expectNothingLeft()
    }

    @Test func aRefusedChunkedBodyGivesItsBytesBack() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n"
                + String(repeating: " ", count: 200_000))
        #expect(listener.state.buffers.usedBytes >= 200_000)
        try client.send(String(repeating: " ", count: 0x40000 - 200_000) + "no end of a chunk")
        #expect(try client.answers().map(\.status) == [400])
        listener.expectNothingLeft()
    }

    @Test func aLargeAnswerIsCountedUntilItIsReadOrTheClientLeaves() throws {
        let listener = EmbeddedListener()
        let call = WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":300000}"#))
        let reader = try listener.connect()
        reader.stopReading()
        try reader.send(call + call)
        let used = listener.state.buffers.usedBytes
        #expect((300_000..<301_000).contains(used), "the second request waits until the first answer is read")
        reader.readOn()
        #expect(listener.state.buffers.usedBytes == 0)
        #expect(try reader.answers().map(\.status) == [200, 200])
        let leaver = try listener.connect()
        leaver.stopReading()
        try leaver.send(call)
        #expect(listener.state.buffers.usedBytes == used)
        try leaver.disconnect()
        try reader.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aLargeAnswerBeyondTheBudgetIsReplacedByAnErrorThatInvitesARetry() throws {
        let listener = EmbeddedListener(.sample { $0.buffersMax = .kibibytes(100) })
        let client = try listener.connect()
        try client.send(WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":300000}"#)))
        let answers = try client.answers()
        #expect(answers.map(\.status) == [503])
        #expect(answers.first?.fields["retry-after"] == "1")
        #expect(client.isOpen)
        try client.send(WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":30000}"#)))
        #expect(try client.answers().map(\.status) == [200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aThousandAbandonedSessionsLeaveNothing() throws {
        let listener = EmbeddedListener()
        var ids: Set<String> = []
        for _ in 0..<1_000 {
            let client = try listener.connect()
            try client.send(WireRequest.initialize())
            let answers = try client.answers()
            ids.insert(try #require(answers.first?.fields["mcp-session-id"]))
            try client.disconnect()
        }
        #expect(ids.count == 1_000)
        listener.expectNothingLeft()
    }
}
