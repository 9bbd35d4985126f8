import Synchronization

/// A client at the other end of a stream of bytes of its own: standard input and output, or the two endpoints of
/// 2024-11-05.
///
/// All messages to it go through one stream. It has at most one legacy session, which lives as long as the channel;
/// modern requests may come at any time (dual-era rules for stdio).
package final class MessageChannel: Sendable {
    /// Everything that goes to the client.
    package let output: MessageStream
    package let principal: Principal?
    /// Stands for the channel where sessions are held, also while there is no session.
    let holder: SessionToken
    private let agreed = Mutex<SessionToken?>(nil)

    init(output: MessageStream, principal: Principal?, holder: SessionToken) {
        self.output = output
        self.principal = principal
        self.holder = holder
    }

    /// The legacy session, once `initialize` has agreed on it.
    var session: SessionToken? { self.agreed.withLock { $0 } }

    /// Begins the session.
    /// - Returns: `false` when there is one already.
    func begin(_ handshake: Handshake) -> Bool {
        self.agreed.withLock { agreed in
            guard agreed == nil else { return false }
            agreed = SessionToken(
                id: self.holder.id, created: self.holder.created, revision: handshake.revision,
                capabilities: handshake.capabilities, owner: self.holder.owner, store: self.holder.store,
                expiry: self.holder.expiry)
            return true
        }
    }
}

extension Dispatcher {
    /// Opens a channel. It is held until ``close(_:)``.
    /// - Throws: when as many sessions are in use as may be.
    package func openChannel(principal: Principal? = nil) throws(Refusal) -> MessageChannel {
        let now = self.environment.wallTime()
        let holder = SessionToken(
            id: self.environment.randomBits(), created: now, revision: .newestLegacy, capabilities: [],
            owner: OwnerDigest(principal), store: 0, expiry: .distantFuture)
        let output = MessageStream(limits: self.streams.requestStream, budget: self.streamBudget)
        try self.held.open(output, channel: holder)
        return MessageChannel(output: output, principal: principal, holder: holder)
    }

    /// Ends a channel: its calls are cancelled, its questions stay without an answer, its subscriptions end.
    package func close(_ channel: MessageChannel) {
        self.held.end(channel.holder.id)
        if channel.session != nil { self.relayed?.relay.sessionEnded(channel.holder.id, account: nil) }
        channel.output.end()
    }

    /// Ends the subscriptions of a channel, each with its result, as the server does when it stops.
    package func finishListening(_ channel: MessageChannel) {
        for call in self.held.calls(of: channel.holder.id) { (call as? Listening)?.finish() }
    }

    /// Holds a subscription of a channel, so that its client can cancel it, and the channel's end ends it.
    /// - Returns: `false` when the channel has closed, or holds a request of the same id.
    func hold(_ listening: Listening, _ operation: Operation, on channel: MessageChannel) -> Bool {
        let bytes = operation.bytes
        guard let key = RequestKey(operation.envelope.id, in: bytes.span) else { return false }
        return self.held.add(listening, key, to: channel.holder)
    }

    func letGo(_ call: any Withdrawable, _ operation: Operation) {
        let bytes = operation.bytes
        guard let holder = operation.message.channel?.holder ?? operation.session,
            let key = RequestKey(operation.envelope.id, in: bytes.span)
        else { return }
        self.held.remove(call, key, from: holder.id)
    }

    /// What goes on in an operation's stead is held under its id from now on.
    func hand(_ operation: Operation, to successor: Operation) {
        let bytes = operation.bytes
        guard let holder = operation.message.channel?.holder ?? operation.session,
            let key = RequestKey(operation.envelope.id, in: bytes.span)
        else { return }
        self.held.replace(operation, with: successor, key, of: holder.id)
    }

    /// Holds a call that begins to run, so that its client can cancel it by a notification.
    func hold(_ operation: Operation) {
        let bytes = operation.bytes
        guard let holder = operation.message.channel?.holder ?? operation.session,
            let key = RequestKey(operation.envelope.id, in: bytes.span)
        else { return }
        self.held.add(operation, key, to: holder)
    }
}
