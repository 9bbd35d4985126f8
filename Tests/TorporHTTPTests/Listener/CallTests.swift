import NIOCore
import NIOEmbedded
import Testing
import Torpor

@testable import TorporHTTP

/// Calls that run off the event loop: their order, their cancellation, their limits.
@Suite(.timeLimit(.minutes(1))) struct CallTests {
    @Test func pipelinedRequestsWaitForACallThatRuns() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        let later = (2...50).map { id in
            WireRequest.post(
                WireRequest.legacyCall(id.isMultiple(of: 3) ? "echo_later" : "echo", #"{"message":"m\#(id)"}"#, id: id))
        }
        try await client.send(WireRequest.post(WireRequest.legacyCall("hold")) + later.joined())
        await held.nextBegins()
        #expect(try await client.channel.readOutbound(as: ByteBuffer.self) == nil)
        held.release()
        #expect(try await client.answer().body.hasPrefix(#"{"jsonrpc":"2.0","id":1,"#))
        for id in 2...50 {
            let body = try await client.answer().body
            #expect(body.hasPrefix(#"{"jsonrpc":"2.0","id":\#(id),"#))
            #expect(body.contains("m\(id)"))
        }
        try await client.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func equalIdsOfTwoClientsGetTheirOwnAnswers() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let left = try await listener.connect()
        let right = try await listener.connect()
        try await left.send(WireRequest.modernCall("hold_text", #"{"message":"left"}"#, id: 7))
        await held.nextBegins()
        try await right.send(WireRequest.modernCall("hold_text", #"{"message":"further right"}"#, id: 7))
        await held.nextBegins()
        held.release()
        #expect(try await right.answer().body.contains("held 13"))
        #expect(try await left.answer().body.contains("held 4"))
        try await left.disconnect()
        try await right.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func aModernCallIsCancelledWhenItsClientGoes() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.modernCall("hold"))
        await held.nextBegins()
        #expect(listener.state.dispatcher.runningCallCount == 1)
        try await client.disconnect()
        #expect(await held.nextEnding() == .cancelled)
        try await listener.expectNothingLeft()
    }

    @Test func aModernCallIsCancelledWhenItsClientClosesItsHalfAndNothingIsSentForIt() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.modernCall("hold"))
        await held.nextBegins()
        try await client.finishSending()
        #expect(await held.nextEnding() == .cancelled)
        try await client.isClosed()
        // The write that learns when everything was sent, and no answer.
        while let buffer = try await client.channel.readOutbound(as: ByteBuffer.self) {
            #expect(buffer.readableBytes == 0)
        }
        try await listener.expectNothingLeft()
    }

    @Test func aLegacyCallGoesOnWhenItsClientGoes() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.post(WireRequest.legacyCall("hold")))
        await held.nextBegins()
        try await client.disconnect()
        #expect(listener.state.gate.count == 0)
        #expect(listener.state.dispatcher.runningCallCount == 1)
        held.release()
        #expect(await held.nextEnding() == .released)
        try await listener.expectNothingLeft()
    }

    @Test func aHalfClosedLegacyClientGetsAllItsAnswers() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(
            WireRequest.post(WireRequest.legacyCall("hold")) + WireRequest.post(WireRequest.ping(id: 2))
                + WireRequest.post(WireRequest.legacyCall("echo_later", #"{"message":"last"}"#, id: 3)))
        await held.nextBegins()
        try await client.finishSending()
        held.release()
        #expect(try await client.answer().body.contains("released"))
        #expect(try await client.answer().body.hasPrefix(#"{"jsonrpc":"2.0","id":2,"#))
        #expect(try await client.answer().body.contains("last"))
        try await client.isClosed()
        try await listener.expectNothingLeft()
    }

    @Test func aModernCallBehindAHalfClosedLegacyOneIsCancelled() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.post(WireRequest.legacyCall("hold")) + WireRequest.modernCall("hold", id: 2))
        await held.nextBegins()
        try await client.finishSending()
        held.release()
        #expect(try await client.answer().body.contains("released"))
        #expect(await held.nextEnding() == .released)
        #expect(await held.nextEnding() == .cancelled)
        try await client.isClosed()
        try await listener.expectNothingLeft()
    }

    @Test func aCallIsCancelledAndAnsweredAtItsTimeLimitAndNotBefore() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)) { $0.callTimeout = .seconds(5) })
        let client = try await listener.connect()
        try await client.send(WireRequest.modernCall("hold", id: 9) + WireRequest.post(WireRequest.ping(id: 10)))
        await held.nextBegins()
        await listener.advance(seconds: 5)
        #expect(try await client.channel.readOutbound(as: ByteBuffer.self) == nil)
        await listener.advance(seconds: 1)
        let answer = try await client.answer()
        #expect(answer.status == 200)
        #expect(answer.body.contains(#""id":9"#))
        #expect(answer.body.contains("limit of 5s"))
        #expect(await held.nextEnding() == .cancelled)
        // The connection goes on.
        #expect(try await client.answer().body.hasPrefix(#"{"jsonrpc":"2.0","id":10,"#))
        try await client.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func theTimeLimitHoldsForCallsWhoseClientIsGone() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)) { $0.callTimeout = .seconds(5) })
        let client = try await listener.connect()
        try await client.send(WireRequest.post(WireRequest.legacyCall("hold")))
        await held.nextBegins()
        try await client.disconnect()
        await listener.advance(seconds: 6)
        #expect(await held.nextEnding() == .cancelled)
        try await listener.expectNothingLeft()
    }

    @Test func aCallLongerThanTheIdleLimitIsNotCut() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.modernCall("hold"))
        await held.nextBegins()
        await listener.advance(seconds: 500)
        held.release()
        #expect(try await client.answer().body.contains("released"))
        try await client.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func callsBeyondTheLimitAreToldToComeBack() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(
            .sample(sampleServer(held), limits: CallLimits(callsMax: 2, principalCallsMax: 1, queuedMax: 0)) {
                $0.connectionsPerAddressMax = 10
            })
        let first = try await listener.connect()
        let second = try await listener.connect()
        try await first.send(WireRequest.modernCall("hold"))
        await held.nextBegins()
        try await second.send(WireRequest.modernCall("hold"))
        let busy = try await second.answer()
        #expect(busy.status == 429)
        #expect(busy.fields["retry-after"] == "1")
        held.release()
        #expect(try await first.answer().status == 200)
        try await second.send(WireRequest.modernCall("hold"))
        await held.nextBegins()
        held.release()
        #expect(try await second.answer().status == 200)
        try await first.disconnect()
        try await second.disconnect()
        try await listener.expectNothingLeft()
    }

    @Test func aLargeRequestIsCountedUntilItsCallEnds() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        for leaves in [false, true] {
            let client = try await listener.connect()
            try await client.send(
                WireRequest.post(
                    WireRequest.legacyCall("hold_text", #"{"message":"\#(String(repeating: "x", count: 200_000))"}"#)))
            await held.nextBegins()
            #expect((200_000..<201_000).contains(listener.state.buffers.usedBytes))
            if leaves {
                try await client.disconnect()
                #expect(listener.state.buffers.usedBytes > 200_000)
                held.release()
            } else {
                held.release()
                #expect(try await client.answer().body.contains("held 200000"))
                #expect(listener.state.buffers.usedBytes == 0)
                try await client.disconnect()
            }
        }
        try await listener.expectNothingLeft()
    }

    // MARK: Stopping

    @Test func aDrainClosesIdleConnectionsAndWaitsForCalls() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let idle = try await listener.connect()
        let used = try await listener.connect()
        try await used.send(WireRequest.post(WireRequest.ping()))
        _ = try await used.answer()
        let busy = try await listener.connect()
        try await busy.send(WireRequest.modernCall("hold") + WireRequest.post(WireRequest.ping(id: 2)))
        await held.nextBegins()
        listener.state.beginDraining()
        let drained = listener.drain()
        try await idle.isClosed()
        try await used.isClosed()
        #expect(listener.state.gate.count == 1)
        held.release()
        let answer = try await busy.answer()
        #expect(answer.body.contains("released"))
        #expect(answer.closes)
        try await busy.isClosed()
        try await drained.get()
        #expect(listener.state.dispatcher.runningCallCount == 0)
    }

    @Test func aDrainAnswersTheRequestThatIsArriving() async throws {
        let listener = try await TestingListener(.sample())
        let client = try await listener.connect()
        let request = WireRequest.post(WireRequest.ping())
        try await client.send(String(request.dropLast(5)))
        listener.state.beginDraining()
        let drained = listener.drain()
        try await client.send(String(request.suffix(5)))
        let answer = try await client.answer()
        #expect(answer.status == 200)
        #expect(answer.closes)
        try await drained.get()
    }

    @Test func aConnectionThatWasAcceptedTooLateIsClosed() async throws {
        let listener = try await TestingListener(.sample())
        listener.state.beginDraining()
        try await listener.drain().get()
        let late = try await listener.connect()
        try await late.isClosed()
        #expect(listener.state.gate.count == 0)
    }

    @Test func aDrainIsNotHeldUpByAClientThatHadNotReadItsAnswer() throws {
        let listener = EmbeddedListener()
        let client = try listener.connect()
        client.stopReading()
        try client.send(WireRequest.post(WireRequest.ping()))
        listener.state.beginDraining()
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        #expect(client.isOpen)
        client.readOn()
        #expect(!client.isOpen)
        #expect(isDrained)
    }

    @Test func callsCutShortAreToldToTryAgain() async throws {
        let held = HeldCalls()
        let listener = try await TestingListener(.sample(sampleServer(held)))
        let client = try await listener.connect()
        try await client.send(WireRequest.post(WireRequest.legacyCall("hold", id: 4)))
        await held.nextBegins()
        listener.state.beginDraining()
        let drained = listener.drain()
        let loop = listener.loop
        try await listener.eventLoop.executeInContext { loop.value.cutShort() }
        let answer = try await client.answer()
        #expect(answer.status == 503)
        #expect(answer.fields["retry-after"] == "1")
        #expect(answer.body.contains(#""id":4"#))
        #expect(answer.closes)
        #expect(await held.nextEnding() == .cancelled)
        try await drained.get()
        #expect(listener.state.dispatcher.runningCallCount == 0)
    }
}
