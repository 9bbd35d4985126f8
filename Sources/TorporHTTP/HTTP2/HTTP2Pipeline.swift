import NIOCore
import NIOHTTP2

/// Turns a connection into one of HTTP/2.
enum HTTP2Pipeline {
    /// What a stream takes of the common budget while it is open: its channel and its handlers, about. In bytes.
    static let streamBytes = 4 << 10

    /// Puts HTTP/2 in the place of a connection that has read nothing yet, or the beginning of the preface only.
    ///
    /// Nothing happens when the connection was turned away or closes: what it reads then is ignored.
    /// - Returns: Whether the connection speaks HTTP/2 now.
    static func take(
        over connection: MCPConnection, on channel: any Channel, _ listener: ListenerState, _ loop: ConnectionLoop
    ) throws -> Bool {
        guard let address = connection.addressToHandOver else { return false }
        let pipeline = channel.pipeline.syncOperations
        let manager = HTTP2Connection(listener: listener, loop: loop, address: address)
        let bound = NIOLoopBound(manager, eventLoop: loop.eventLoop)
        let boundLoop = NIOLoopBound(loop, eventLoop: loop.eventLoop)
        let limits = NIOHTTP2Handler.Configuration(listener.configuration)
        let frames = NIOHTTP2Handler(
            mode: .server, eventLoop: loop.eventLoop, connectionConfiguration: limits.connection,
            streamConfiguration: limits.stream, streamDelegate: HTTP2StreamCount(connection: bound)
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try self.install(on: stream, of: bound.value, listener, boundLoop.value)
            }
        }
        // The manager before the connection goes: a listener that stops waits for whoever is counted. The frames last:
        // they write at once, and a write that fails makes the channel read what is left and close within this call.
        try pipeline.addHandler(manager, position: .before(connection))
        connection.handOver()
        try pipeline.addHandler(frames, position: .before(manager))
        pipeline.removeHandler(connection, promise: nil)
        return true
    }

    /// Adds the handlers of a stream.
    private static func install(
        on stream: any Channel, of connection: HTTP2Connection, _ listener: ListenerState, _ loop: ConnectionLoop
    ) throws {
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandler(HTTP2StreamCodec(connection, listener: listener))
        try pipeline.addHandler(MCPConnection(listener: listener, loop: loop, streamAddress: connection.address))
    }
}
