import NIOCore
import Testing
import Torpor

@testable import TorporHTTP

/// Time limits on an embedded clock. A limit of n seconds is noticed at tick n + 1, and never before n seconds have
/// passed.
@Suite struct TimeLimitTests {
    @Test func aHeadThatDoesNotEndIsGivenUpAtItsLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send("POST /mcp HTTP/1.1\r\nHo")
        for _ in 0..<10 {
            listener.advance(seconds: 1)
            // Drop by drop does not help.
            try client.send("s")
            #expect(client.isOpen)
        }
        listener.advance(seconds: 1)
        let answers = try client.answers()
        #expect(answers.map(\.status) == [408])
        #expect(answers.allSatisfy { $0.closes })
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func aBodyThatDoesNotEndIsGivenUpAtItsLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")
        listener.advance(seconds: 30)
        try client.send(String(repeating: " ", count: 70_000))
        #expect(listener.state.buffers.usedBytes > 0)
        #expect(client.isOpen)
        listener.advance(seconds: 1)
        #expect(try client.answers().map(\.status) == [408])
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func theBodysTimeBeginsWhenTheHeadEnds() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        try client.send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        listener.advance(seconds: 10)
        try client.send("Content-Length: \(WireRequest.ping().utf8.count)\r\n\r\n")
        listener.advance(seconds: 30)
        try client.send(WireRequest.ping())
        #expect(try client.answers().map(\.status) == [200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func eachPipelinedBodyHasItsOwnTime() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        let request = WireRequest.post(WireRequest.ping())
        try client.send(String(request.dropLast(2)))
        listener.advance(seconds: 20)
        // Ends the first request and begins the body of the second in one read: the phase is the same, its beginning is
        // not.
        try client.send(String(request.suffix(2)) + String(request.dropLast(2)))
        listener.advance(seconds: 30)
        #expect(client.isOpen)
        try client.send(String(request.suffix(2)))
        #expect(try client.answers().map(\.status) == [200, 200])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func anIdleConnectionIsClosedAtItsLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        listener.advance(seconds: 75)
        #expect(client.isOpen)
        listener.advance(seconds: 1)
        #expect(!client.isOpen)
        #expect(try client.received().isEmpty)
        listener.expectNothingLeft()
    }

    @Test func idlenessBeginsAnewWithEachRequest() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        for _ in 0..<5 {
            listener.advance(seconds: 75)
            try client.send(WireRequest.post(WireRequest.ping()))
            #expect(try client.answers().map(\.status) == [200])
        }
        listener.advance(seconds: 75)
        #expect(client.isOpen)
        listener.advance(seconds: 1)
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func anAnswerThatIsNotReadEndsTheConnectionAtTheLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        client.stopReading()
        try client.send(WireRequest.post(WireRequest.legacyCall("text", #"{"bytes":300000}"#)))
        #expect(listener.state.buffers.usedBytes > 300_000)
        listener.advance(seconds: 30)
        #expect(client.isOpen)
        listener.advance(seconds: 1)
        #expect(!client.isOpen)
        listener.expectNothingLeft()
    }

    @Test func aClientHasTimeToReadItsLastAnswerAndNoMore() throws {
        let listener = EmbeddedListener()
        let stays = try listener.connect(staysOpen: true)
        let goes = try listener.connect(staysOpen: true)
        for client in [stays, goes] {
            try client.send(WireRequest.post(WireRequest.ping(), fields: ["Connection: close"]))
            #expect(try client.answers().map(\.status) == [200])
            #expect(client.isOpen)
        }
        goes.finishSending()
        #expect(!goes.isOpen)
        listener.advance(seconds: 30)
        try stays.send(WireRequest.post(WireRequest.ping()))
        #expect(try stays.received().isEmpty)
        #expect(stays.isOpen)
        listener.advance(seconds: 1)
        #expect(!stays.isOpen)
        listener.expectNothingLeft()
    }

    @Test func aStopDoesNotWaitForClientsThatStay() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect(staysOpen: true)
        try client.send(WireRequest.post(WireRequest.ping(), fields: ["Connection: close"]))
        listener.state.beginDraining()
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        listener.advance(seconds: 1)
        #expect(client.isOpen)
        #expect(!isDrained)
        listener.advance(seconds: 1)
        #expect(!client.isOpen)
        #expect(isDrained)
    }

    @Test func timesAreConfigured() throws {
        let listener = EmbeddedListener(
            .sample {
                $0.headTimeout = .seconds(2)
                $0.idleTimeout = .milliseconds(2_500)
            })
        let slow = try listener.connect()
        let idle = try listener.connect()
        try slow.send("P")
        listener.advance(seconds: 2)
        #expect(slow.isOpen)
        listener.advance(seconds: 1)
        #expect(!slow.isOpen)
        #expect(idle.isOpen)
        listener.advance(seconds: 1)
        #expect(!idle.isOpen)
        listener.expectNothingLeft()
    }
}
