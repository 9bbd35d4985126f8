import Logging
import Synchronization
import TorporCore
import TorporUpstream

// The life of children, from their start to their end. Nothing here waits but in what ``follow(_:_:)`` runs.
extension Host {
    func start(_ child: ChildNumber, for key: HostKey?, _ state: inout State) {
        let order = LaunchOrder(caller: key.flatMap { state.callers[$0]?.first }, events: { self.heard($0, of: child) })
        let launcher = self.launcher
        let launching = Task { try await launcher.launch(order) }
        state.slots[child] = Slot(key: key, launching: launching)
        self.follow(&state) {
            let result = await launching.result
            if let key, case .success(let launched) = result { await self.prepare(launched.session, for: key) }
            self.launched(child, result)
        }
    }

    /// A spare is somebody's from now on.
    func give(_ child: ChildNumber, to key: HostKey, _ state: inout State) {
        state.slots[child]?.key = key
        guard let session = state.slots[child]?.launched?.session else { preconditionFailure("a spare is up") }
        self.follow(&state) {
            await self.prepare(session, for: key)
            let now = self.now()
            var hasEnded = false
            self.change { state in
                hasEnded = state.slots[child]?.hasEnded ?? false
                return state.machine.started(child, now: now)
            }
            self.tell(key, session, .started)
            if hasEnded { self.ended(child) }
        }
    }

    /// What its predecessor was told holds on before its first call.
    private func prepare(_ session: UpstreamSession, for key: HostKey) async {
        await self.delegate.withLock { $0 }()?.prepare(session, for: key)
    }

    private func launched(_ child: ChildNumber, _ result: Result<any Launched, any Error>) {
        let now = self.now()
        var hasEnded = false
        self.change { state in
            // Whoever stops it takes what came of it.
            guard state.slots[child]?.isStopping == false else { return [] }
            switch result {
            case .success(let launched):
                state.slots[child]?.launched = launched
                hasEnded = state.slots[child]?.hasEnded ?? false
                state.lastFailure = nil
                return state.machine.started(child, now: now)
            case .failure(let error):
                let message = (error as? LaunchError)?.message ?? "It could not be started."
                self.logger.warning(
                    "a child could not be started", metadata: ["server": "\(self.name)", "reason": "\(message)"])
                let key = state.slots[child]?.key
                state.slots[child] = nil
                state.lastFailure = message
                // Whoever waited for this start is told of it.
                state.failure = message
                let actions = state.machine.startFailed(
                    child, isOfKey: (error as? LaunchError)?.isOfKey ?? false, now: now, jitter: .random(in: 0...1))
                self.apply(actions, &state)
                state.failure = nil
                self.removeForgotten(key, &state)
                return []
            }
        }
        if case .success(let launched) = result {
            self.tell(self.state.withLock { $0.slots[child]?.key }, launched.session, .started)
        }
        if hasEnded { self.ended(child) }
    }

    func stop(_ child: ChildNumber, _ reason: HostStopReason, _ state: inout State) {
        guard let slot = state.slots[child] else { preconditionFailure("what is stopped was started") }
        state.slots[child]?.isStopping = true
        self.follow(&state) {
            slot.launching.cancel()
            var isSaved = true
            // A start that was given up has left nothing.
            if let launched = try? await slot.launching.value {
                let isForgotten = self.state.withLock { state in slot.key.map { state.forgotten[$0] != nil } ?? false }
                isSaved = await launched.stop(discards: isForgotten)
            }
            self.logger.debug(
                "a child has stopped",
                metadata: ["server": "\(self.name)", "reason": "\(reason.rawValue)", "saved": "\(isSaved)"])
            let now = self.now()
            self.change { state in
                state.slots[child] = nil
                let actions = state.machine.stopped(child, isSaved: isSaved, now: now, jitter: .random(in: 0...1))
                self.removeForgotten(slot.key, &state)
                return actions
            }
        }
    }

    private func heard(_ event: UpstreamEvent, of child: ChildNumber) {
        let (key, launched) = self.state.withLock { state in
            if case .ended = event { state.slots[child]?.hasEnded = true }
            return (state.slots[child]?.key, state.slots[child]?.launched)
        }
        if case .ended = event {
            if launched != nil { self.ended(child) }
        } else {
            self.tell(key, launched?.session, .said(event))
        }
    }

    /// A child that was up has ended by itself.
    private func ended(_ child: ChildNumber) {
        self.state.withLock { state in
            guard let slot = state.slots[child], !slot.isStopping, let launched = slot.launched else { return }
            self.follow(&state) {
                let end = await launched.untilEnded()
                self.logger.warning(
                    "a child has ended by itself",
                    metadata: ["server": "\(self.name)", "how": "\(end.text)", "pid": "\(launched.pid ?? 0)"])
                let now = self.now()
                self.change { state in
                    guard state.slots[child]?.isStopping == false else { return [] }
                    return state.machine.childEnded(child, end.ending, now: now, jitter: .random(in: 0...1))
                }
            }
        }
    }
}
