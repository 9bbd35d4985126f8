import NIOCore
import NIOEmbedded
import NIOHTTP2
import Testing
import TorporCore

@testable import TorporHTTP

/// How a plain connection comes to HTTP/2, and when it ends, on an embedded clock.
@Suite struct HTTP2ConnectionTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let windowUpdate: UInt8 = 8
    private static let emptySettings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]

    // MARK: Detection

    @Test(arguments: [1, 2, 15, 16, 17, 24, 33])
    func thePrefaceIsRecognisedHoweverItIsCut(length: Int) throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        var rest = (Self.preface + Self.emptySettings)[...]
        while !rest.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        // Its settings, and that it has seen the client's.
        let frames = try channel.frameTypes()
        #expect(frames.first == 4)
        #expect(frames.filter { $0 == 4 }.count == 2)
        _ = try channel.pipeline.syncOperations.handler(type: HTTP2Connection.self)
        #expect(listener.state.gate.count == 1)
        channel.close(promise: nil)
        listener.eventLoop.run()
        listener.expectNothingLeft()
    }

    @Test(arguments: ["P", "PRI * HTTP/2.0\r", "PRI * H"])
    func halfAPrefaceIsGivenUpAsAHeadIs(text: String) throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(ByteBuffer(string: text))
        listener.advance(seconds: 10)
        #expect(channel.isActive)
        listener.advance(seconds: 1)
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    @Test(arguments: [
        ["PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n"], ["PRI * HTTP/2.1\r\n\r\n"],
        ["PRI *", " HTTP/2.0 \r\n\r\n"],
    ])
    func whatOnlyBeginsLikeThePrefaceIsRefusedAsTextIs(parts: [String]) throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        for part in parts { try channel.writeInbound(ByteBuffer(string: part)) }
        let answers = try EmbeddedClient(channel: channel).answers()
        #expect(answers.map(\.status).allSatisfy { [400, 505].contains($0) })
        #expect(answers.count == 1)
        listener.expectNothingLeft()
    }

    @Test(arguments: [1, 3, 1_000])
    func aRequestOfHTTP1IsServedHoweverItIsCut(length: Int) throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        var rest = Array(WireRequest.post(WireRequest.ping()).utf8)[...]
        while !rest.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        #expect(try EmbeddedClient(channel: channel).answers().map(\.status) == [200])
        channel.close(promise: nil)
        listener.eventLoop.run()
        listener.expectNothingLeft()
    }

    @Test func aPrefaceThatGoesOnWronglyEndsTheConnection() throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"))
        listener.eventLoop.run()
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    // MARK: Streams

    /// Whether or not it has said that it has seen the limit.
    @Test func aClientThatBeginsMoreStreamsThanItMayIsSentAway() throws {
        let listener = EmbeddedListener(.sample { $0.streamsPerConnectionMax = 3 })
        let channel = try listener.open()
        // Its settings, and that it has seen the server's.
        try channel.writeInbound(
            ByteBuffer(bytes: Self.preface + Self.emptySettings + [0, 0, 0, 4, 1, 0, 0, 0, 0]))
        for index in 0..<3 { try channel.writeInbound(ByteBuffer(bytes: Self.beginning(ofStream: 2 * index + 1))) }
        _ = try channel.frameTypes()
        #expect(listener.state.buffers.usedBytes >= 3 * HTTP2Pipeline.streamBytes)
        try channel.writeInbound(ByteBuffer(bytes: Self.beginning(ofStream: 7)))
        listener.eventLoop.run()
        #expect(try channel.frameTypes().last == 7)
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    @Test func aBodyThatDoesNotEndIsGivenUpAtItsLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(
            ByteBuffer(bytes: Self.preface + Self.emptySettings + Self.beginning(ofStream: 1)))
        _ = try channel.frameTypes()
        listener.advance(seconds: 30)
        #expect(try channel.frameTypes().isEmpty)
        listener.advance(seconds: 1)
        listener.eventLoop.run()
        // An answer, and the end of a stream whose request has not ended.
        let frames = try channel.frameTypes()
        #expect(frames.filter { $0 != Self.windowUpdate } == [1, 0, 3])
        #expect(channel.isActive)
        #expect(listener.state.buffers.usedBytes == 0)
        // The connection has been idle since then.
        listener.advance(seconds: 75)
        #expect(channel.isActive)
        listener.advance(seconds: 1)
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    /// HEADERS of `POST /mcp` without the end of the stream.
    private static func beginning(ofStream id: Int) -> [UInt8] {
        var block: [UInt8] = [0x83, 0x86, 0x04, 0x04]
        block += Array("/mcp".utf8) + [0x01, 0x09] + Array("localhost".utf8)
        // `content-type`, the 31st of the static table.
        block += [0x0F, 0x10, 0x10] + Array("application/json".utf8)
        return [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, UInt8(id)] + block
    }

    // MARK: Time

    @Test func anIdleConnectionIsToldAndClosedAtItsLimitAndNotBefore() throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(ByteBuffer(bytes: Self.preface + Self.emptySettings))
        _ = try channel.frameTypes()
        listener.advance(seconds: 75)
        #expect(channel.isActive)
        #expect(try channel.frameTypes().isEmpty)
        listener.advance(seconds: 1)
        #expect(try channel.frameTypes() == [7])
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }

    @Test func aStopTellsAndClosesIdleConnections() throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(ByteBuffer(bytes: Self.preface + Self.emptySettings))
        _ = try channel.frameTypes()
        var isDrained = false
        listener.loop.drain().assumeIsolated().whenSuccess { isDrained = true }
        listener.eventLoop.run()
        #expect(try channel.frameTypes() == [7])
        #expect(!channel.isActive)
        #expect(isDrained)
    }

    @Test func aClientThatClosesItsHalfIsGone() throws {
        let listener = EmbeddedListener()
        let channel = try listener.open()
        try channel.writeInbound(ByteBuffer(bytes: Self.preface + Self.emptySettings))
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        listener.eventLoop.run()
        #expect(!channel.isActive)
        listener.expectNothingLeft()
    }
}

extension EmbeddedChannel {
    /// The types of the frames that were flushed since the last time.
    fileprivate func frameTypes() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let buffer = try self.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
        var types: [UInt8] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let start = rest.startIndex
            let length = Int(rest[start]) << 16 | Int(rest[start + 1]) << 8 | Int(rest[start + 2])
            types.append(rest[start + 3])
            rest = rest.dropFirst(9 + length)
        }
        return types
    }
}
