import NIOCore
import NIOSSL

/// What a new connection is made of.
enum ConnectionPipeline {
    /// Adds the handlers of a connection, before it becomes active.
    static func install(on channel: any Channel, _ listener: ListenerState, _ loop: ConnectionLoop) throws {
        let pipeline = channel.pipeline.syncOperations
        let connection = MCPConnection(listener: listener, loop: loop)
        if let certificate = listener.configuration.tls {
            try pipeline.addHandler(SocketDrain())
            try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context))
            try pipeline.addHandler(TLSAdapter(connection, listener: listener, loop: loop))
        } else {
            try pipeline.addHandler(ProtocolDetector(connection, listener: listener, loop: loop))
        }
        try pipeline.addHandler(connection)
    }
}
