import Synchronization
package import Torpor
import TorporCore
import TorporProtocol
import TorporUpstream

// Who is subscribed to which resource.
extension HostedServer {
    func changeSubscription(_ request: RelayedRequest, _ caller: HostCaller) async throws -> [UInt8] {
        // In two words; see ``StateObjectID``.
        let session = request.session.map { StateObjectID(bits: $0) }
        guard let uri = request.uri, let session, caller.key.kind != .call else {
            throw Refusal(400, .invalidRequest, "A subscription belongs to a session; it needs Mcp-Session-Id.")
        }
        self.noteEnd(of: request, account: caller.account)
        let isNew = request.method == .subscribe
        if isNew, !self.hasRoom(for: uri, of: caller.key) {
            throw Refusal(
                503, .internalError, "\(self.name) has as many subscriptions as it may.", retryAfterSeconds: 60)
        }
        let placed = try await self.place(caller)
        defer { self.ended(placed, caller.key) }
        let upstream = placed.launched.session
        guard isNew else {
            if self.state.withLock({ $0.subscriptions.isLast(session, of: uri, caller.key) }) {
                try await self.translating(placed) {
                    try await upstream.unsubscribe(from: uri, timeLimit: self.options.callTimeout)
                }
                self.state.withLock { $0.subscriptions.remove(session, from: uri, of: caller.key) }
                await self.unsubscribed(from: uri, of: caller.key, upstream)
            } else {
                // The others may have left meanwhile.
                self.release { $0.release(session, from: uri, of: caller.key) }
            }
            return Array("{}".utf8)
        }
        // Before the child is told, since it may tell at once; and a session that ends meanwhile takes it along.
        let isAdded = self.state.withLock { $0.subscriptions.add(session, to: uri, of: caller.key) }
        do {
            try await self.translating(placed) {
                try await upstream.subscribe(to: uri, timeLimit: self.options.callTimeout)
            }
        } catch let error as MCPError {
            if isAdded { self.state.withLock { $0.subscriptions.remove(session, from: uri, of: caller.key) } }
            throw error
        } catch {
            // The child may have taken it.
            if isAdded { self.release { $0.release(session, from: uri, of: caller.key) } }
            throw error
        }
        return Array("{}".utf8)
    }

    package func listens(
        to uris: Set<String>, _ request: RelayedRequest, as listener: UInt128
    ) -> @Sendable () -> Void {
        // Who has no child that others have as well hears of nothing.
        guard let target = try? self.target(of: request), target.caller.key.kind != .call, !target.isNew else {
            return {}
        }
        let (subscriber, key) = (StateObjectID(bits: listener), target.caller.key)
        // Set when nobody listens any more, perhaps before all are subscribed to.
        let isOver = Atomic(false)
        self.chores.begin {
            // A child that cannot be reached tells nothing; the client's own requests say why.
            guard let placed = try? await self.host.place(target.caller) else { return }
            defer { self.ended(placed, key) }
            for uri in uris where !isOver.load(ordering: .relaxed) && self.hasRoom(for: uri, of: key) {
                // Before the child is told, since it may tell at once.
                _ = self.state.withLock { $0.subscriptions.add(subscriber, to: uri, of: key) }
                do {
                    try await placed.launched.session.subscribe(to: uri, timeLimit: .seconds(10))
                } catch {
                    // The child may have taken it.
                    self.release { $0.release(subscriber, from: uri, of: key) }
                    return
                }
            }
            if isOver.load(ordering: .relaxed) { self.release { $0.release(subscriber) } }
        }
        return {
            isOver.store(true, ordering: .relaxed)
            self.release { subscriptions in
                for uri in uris { subscriptions.release(subscriber, from: uri, of: key) }
            }
        }
    }

    /// Takes out subscriptions of those who are no more, and tells the children of what is left to nobody. Returns at
    /// once.
    func release(_ change: (inout ResourceSubscriptions) -> Void) {
        let begins = self.state.withLock { state in
            change(&state.subscriptions)
            guard state.subscriptions.hasReleased, !state.isReleasing else { return false }
            state.isReleasing = true
            return true
        }
        if begins { self.chores.begin { await self.tellReleased() } }
    }

    private func tellReleased() async {
        while let resource = self.nextReleased() {
            // One that does not run is told nothing when it starts.
            guard let session = self.host.session(of: resource.key) else { continue }
            do {
                try await session.unsubscribe(from: resource.uri, timeLimit: .seconds(10))
            } catch  where (error as? UpstreamError)?.code != .answered {
                // It goes on to tell of what nobody hears, until it ends.
                self.state.withLock { $0.subscriptions.forgetReleased(of: resource.key) }
            } catch {
                // The same of this resource alone.
            }
            await self.unsubscribed(from: resource.uri, of: resource.key, session)
        }
    }

    private func nextReleased() -> ResourceSubscriptions.Resource? {
        self.state.withLock { state in
            let next = state.subscriptions.takeReleased()
            if next == nil { state.isReleasing = false }
            return next
        }
    }

    /// A child was told that nobody listens. Of two requests that are under way at once it may take either first: so it
    /// is told of whoever has come meanwhile.
    private func unsubscribed(from uri: String, of key: HostKey, _ session: UpstreamSession) async {
        guard self.state.withLock({ !$0.subscriptions.subscribers(of: uri, key).isEmpty }) else { return }
        // A child that cannot be reached tells nothing; one that starts is told anew.
        try? await session.subscribe(to: uri, timeLimit: .seconds(10))
    }

    private func hasRoom(for uri: String, of key: HostKey) -> Bool {
        self.state.withLock { $0.subscriptions.hasRoom(for: uri, of: key) }
    }

    /// A child has started: what its predecessor was told holds on.
    func prepare(_ session: UpstreamSession, for key: HostKey) async {
        for uri in self.state.withLock({ $0.subscriptions.uris(of: key) }) {
            // A server that refuses what it took before has changed.
            try? await session.subscribe(to: uri, timeLimit: .seconds(10))
        }
    }

    /// One child is for the session's client alone. Others hear nothing of it: those whom they serve have roots of
    /// their own. A child that starts later asks anew.
    package func rootsChanged(in session: UInt128) {
        self.host.session(of: HostKey(.session, bits: session))?.rootsChanged()
    }
}
