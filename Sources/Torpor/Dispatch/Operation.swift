import Logging

/// One request under way: its message, and what the checks made of it. The only object that a request allocates for
/// itself.
final class Operation: Sendable {
    let message: IncomingMessage
    let envelope: Envelope
    let method: RequestMethod
    let revision: ProtocolRevision
    /// The legacy session it belongs to, if any.
    let session: SessionToken?
    /// When it was dispatched, on the monotonic clock.
    let startNanoseconds: Int64
    let logger: Logger

    init(
        message: IncomingMessage, envelope: Envelope, method: RequestMethod, revision: ProtocolRevision,
        session: SessionToken?,
        startNanoseconds: Int64, logger: Logger
    ) {
        self.message = message
        self.envelope = envelope
        self.method = method
        self.revision = revision
        self.session = session
        self.startNanoseconds = startNanoseconds
        self.logger = logger
    }

    var bytes: [UInt8] { self.message.bytes }
    var params: Envelope.Params { self.envelope.params }
    var isModern: Bool { self.revision.era == .modern }
}
