import Synchronization
package import TorporCore
import TorporProtocol

// What ends with a session.
extension HostedServer {
    package func sessionEnded(_ session: UInt128, account: AccountID?) {
        let (subscriber, key) = (StateObjectID(bits: session), HostKey(.session, bits: session))
        let noted = self.state.withLock { state in
            state.subscriptions.remove(subscriber)
            return state.sessionEnds.remove(key)
        }
        // What a process before this one has kept for it can be found as well.
        if let caller = noted ?? account.map({ HostCaller(key, account: $0) }) { self.forget(caller) }
    }

    /// Forgets the sessions whose time is over.
    func endSessions(by now: WallTime) {
        let ended = self.state.withLock { state in
            let ended = state.sessionEnds.takeEnded(by: now)
            for caller in ended { state.subscriptions.remove(StateObjectID(bits: caller.key.bits)) }
            return ended
        }
        for caller in ended { self.forget(caller) }
    }

    /// Other scopes keep nothing for a session.
    private func forget(_ caller: HostCaller) {
        guard self.options.scope == .session || self.options.scope == .principal else { return }
        self.host.forget(caller)
    }
}
