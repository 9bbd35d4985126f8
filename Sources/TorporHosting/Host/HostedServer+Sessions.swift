import Synchronization
import Torpor
package import TorporCore
import TorporProtocol

// What ends with a session.
extension HostedServer {
    package func sessionEnded(_ session: UInt128, account: AccountID?) {
        let (subscriber, key) = (StateObjectID(bits: session), HostKey(.session, bits: session))
        let noted = self.state.withLock { $0.sessionEnds.remove(key) }
        // What a process before this one has kept for it can be found as well.
        if let caller = noted ?? account.map({ HostCaller(key, account: $0) }) { self.forget(caller) }
        self.release { $0.release(subscriber) }
    }

    /// A session has called, or subscribes: what is kept for it ends with it.
    func noteEnd(of request: RelayedRequest, account: AccountID) {
        guard let session = request.session, let end = request.sessionEnd else { return }
        let caller = HostCaller(HostKey(.session, bits: session), account: account)
        self.state.withLock { $0.sessionEnds.note(caller, end: end) }
    }

    /// Forgets the sessions whose time is over.
    func endSessions(by now: WallTime) {
        let ended = self.state.withLock { $0.sessionEnds.takeEnded(by: now) }
        for caller in ended { self.forget(caller) }
        guard !ended.isEmpty else { return }
        self.release { subscriptions in
            for caller in ended { subscriptions.release(StateObjectID(bits: caller.key.bits)) }
        }
    }

    /// Other scopes keep nothing for a session.
    private func forget(_ caller: HostCaller) {
        guard self.options.scope == .session || self.options.scope == .principal else { return }
        self.host.forget(caller)
    }
}
