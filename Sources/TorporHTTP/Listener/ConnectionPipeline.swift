import NIOCore
import NIOSSL

/// What a new connection is made of.
enum ConnectionPipeline {
    /// Adds the handlers of a connection, before it becomes active.
    static func install(on channel: any Channel, _ listener: ListenerState, _ loop: ConnectionLoop) throws {
        let pipeline = channel.pipeline.syncOperations
        if let certificate = listener.configuration.tls {
            try pipeline.addHandler(SocketDrain())
            try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context))
            try pipeline.addHandler(TLSAdapter(listener: listener, loop: loop))
        }
        try pipeline.addHandler(MCPConnection(listener: listener, loop: loop))
    }
}
