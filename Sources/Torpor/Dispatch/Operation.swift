import Synchronization
import TorporEngine

/// One request under way: its message, what the checks made of it, and what has left it. The only object that a request
/// allocates for itself.
final class Operation: Sendable {
    let message: IncomingMessage
    let envelope: Envelope
    let method: RequestMethod
    let revision: ProtocolRevision
    /// The legacy session it belongs to, if any.
    let session: SessionToken?
    /// When it was dispatched, on the monotonic clock.
    let startNanoseconds: Int64
    /// The batch that it came in; what it says goes into the batch's stream.
    let batch: Operation?
    let output = Mutex(Output())

    init(
        message: IncomingMessage, envelope: Envelope, method: RequestMethod, revision: ProtocolRevision,
        session: SessionToken?, startNanoseconds: Int64, batch: Operation? = nil
    ) {
        self.message = message
        self.envelope = envelope
        self.method = method
        self.revision = revision
        self.session = session
        self.startNanoseconds = startNanoseconds
        self.batch = batch
    }

    var bytes: [UInt8] { self.message.bytes }
    var params: Envelope.Params { self.envelope.params }
    var isModern: Bool { self.revision.era == .modern }

    /// The name of its tool or prompt, for the log.
    var name: String {
        let bytes = self.bytes
        return String((self.params.name.string(in: bytes.span) ?? "").prefix(128))
    }

    /// The trace that the request says it belongs to (2026-07-28, `_meta`; W3C Trace Context), in hexadecimal.
    var traceID: String? {
        let bytes = self.bytes
        return TraceParent(self.params.meta.traceParent, in: bytes.span)?.traceID
    }

    /// What has left the request, and how more would leave it.
    struct Output {
        /// How its messages travel; set while it runs.
        var carrier: (any CallCarrier)?
        var call: UInt64 = 0
        /// What goes on in its stead, once what it waited for has come.
        var successor: PendingCall?
        /// Where it runs, until it has been answered.
        var task: Task<Void, Never>?
        /// Opened at its first message.
        var stream: MessageStream?
        /// The client has cancelled it and wants no answer.
        var isWithdrawn = false
        /// Its handler has begun.
        var hasBegun = false
        /// What it is answered, since it was cancelled for the memory that it held.
        var memoryRefusal: Refusal?
        /// It has been answered, or given up.
        var hasEnded = false
        /// The newest progress that was sent, and when.
        var progress = -Double.infinity
        var progressNanoseconds: Int64 = 0
        /// Log messages within the second that began then.
        var logs = 0
        var logSecond: Int64 = 0
        /// The questions to its client, once there is one.
        var interview: Interview?
        /// What the call does with state; begun at its first use.
        var stateUse: StateUse?
        /// Changes that are told once everything that the call has seen is durable.
        var announcements: [ServerChange] = []
        /// The run has a record of steps that must not happen twice.
        var hasDoneSteps = false
        /// What the handler has done that it must not do twice.
        var unrepeatable: String?
    }
}

/// How a transport carries what a running call says before its answer, and ends the call early.
package protocol CallCarrier: AnyObject, Sendable {
    /// The call has something to say: the transport reads `stream` from now on, and sends its messages before the
    /// answer. The answer will be the stream's last message. Called under a lock of the call: must not wait, nor look at
    /// the call.
    func open(_ stream: MessageStream, of call: UInt64)
    /// The call's task is to be cancelled.
    func cancel(_ call: UInt64)
}

extension Operation: Withdrawable {
    func withdraw() {
        self.output.withLock { $0.isWithdrawn = true }
        self.sessionEnded()
    }

    /// Cancels it for the memory that it holds.
    /// - Returns: `false` when that was done before.
    func cancel(for refusal: Refusal) -> Bool {
        let (isFirst, task) = self.output.withLock { output -> (Bool, Task<Void, Never>?) in
            guard output.memoryRefusal == nil, !output.hasEnded else { return (false, nil) }
            output.memoryRefusal = refusal
            return (true, output.task)
        }
        // At once: by way of its transport it could take more meanwhile.
        if isFirst { if let task { task.cancel() } else { self.sessionEnded() } }
        return isFirst
    }

    func sessionEnded() {
        let (carrier, call) = self.output.withLock { ($0.hasEnded ? nil : $0.carrier, $0.call) }
        carrier?.cancel(call)
    }

    /// The call runs from now on, or waits for its turn.
    /// - Parameter hasBegun: Whether its handler begins now.
    /// - Returns: `false` when its client has cancelled it already.
    func begin(_ carrier: (any CallCarrier)?, as call: UInt64, hasBegun: Bool) -> Bool {
        self.output.withLock { output in
            output.carrier = carrier
            output.call = call
            output.hasBegun = hasBegun
            return !output.isWithdrawn
        }
    }
}
