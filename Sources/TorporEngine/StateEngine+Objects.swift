import Synchronization
import TorporCore
import TorporStore

/// What a ``StateUse`` asks of the engine, by number, for objects that it has in use.
extension StateEngine {
    // MARK: Reading

    /// Reads an object and tells what was seen; `nil` when it is not in memory.
    func read<Result: Sendable>(
        _ number: UInt32, _ body: @Sendable (borrowing EngineState, UInt32, WallTime) -> Result
    ) -> (Result, SeenRevision)? {
        let time = self.environment.wallTime()
        return self.state.withLock { state in
            guard let seen = state.seen(number) else { return nil }
            return (body(state, number, time), seen)
        }
    }

    /// How a revision stands that a call has seen.
    func standing(of seen: SeenRevision, of number: UInt32) -> VersionStateMachine<Parked>.Standing {
        self.state.withLock { $0.active[number]!.versions.standing(of: seen) }  // The call has it in use.
    }

    // MARK: Changing

    /// Makes an object that does not exist yet.
    func create(_ name: ObjectName) async throws -> (UInt32, SeenRevision) {
        try await self.waitForRoom()
        while true {
            try await self.learnUsage(of: name.account)
            // What was learned may be forgotten in between.
            guard let created = try self.tryCreating(name) else { continue }
            self.commitBell.ring()
            return created
        }
    }

    private func tryCreating(_ name: ObjectName) throws(EngineError) -> (UInt32, SeenRevision)? {
        let now = self.environment.now()
        let time = self.environment.wallTime()
        return try self.changing { (state) throws(EngineError) in
            try state.create(name, now: now, time: time)
        }
    }

    /// Waits while the store lacks as much as it may.
    func waitForRoom() async throws {
        while let parked = try self.queueForRoom() {
            self.commitBell.ring()
            _ = try await parked.wait()
        }
    }

    /// - Returns: What to wait for; `nil` when there is room.
    private func queueForRoom() throws(EngineError) -> Parked? {
        try self.state.withLock { (state) throws(EngineError) in
            guard !state.isStopping else { throw .stopping }
            guard state.dirtyBytes >= self.limits.memory.dirtyMax.bytes else { return nil }
            let parked = Parked()
            state.roomWaiters.append(parked)
            state.commits.hurry()
            return parked
        }
    }

    /// Waits for the turn to update an object.
    /// - Returns: What is seen of it; `nil` when it is not in memory.
    func takeTurn(_ number: UInt32) async throws -> SeenRevision? {
        let parked = Parked()
        let action = self.state.withLock { state -> (TurnStateMachine<Parked>.RequestAction, SeenRevision)? in
            guard let seen = state.seen(number) else { return nil }
            return (state.active[number]!.turn.requested(by: parked, waitersMax: self.limits.updatesMax), seen)
        }
        guard let (action, seen) = action else { return nil }
        switch action {
        case .go: return seen
        case .refuse:
            throw EngineError(
                .busy, "\(self.limits.updatesMax) calls wait to change the same object. Try again in a moment.")
        case .wait:
            _ = try await parked.wait()
            if let seen = self.state.withLock({ $0.seen(number) }) { return seen }
            self.passTurn(number)
            return nil
        }
    }

    /// Gives the turn to the next who waits and is still there.
    func passTurn(_ number: UInt32) {
        while let next = self.state.withLock({ $0.passTurn(number) }) {
            if next.wake(.ready) { return }
        }
    }

    /// Carries out the changes of an update.
    func apply(
        _ changes: [(key: [UInt8], change: ValueChange)], to number: UInt32, life: UInt32, memoryMax: ByteCount?
    ) throws -> SeenRevision {
        let time = self.environment.wallTime()
        let seen = try self.changing { (state) throws(EngineError) in
            guard state.seen(number)?.life == life else { throw .changeLost }
            return try state.apply(changes, to: number, memoryMax: memoryMax, time: time)
        }
        self.commitBell.ring()
        return seen
    }

    // MARK: Live things

    /// - Returns: `false` when the object is not in memory.
    func hold(_ bytes: Int, for name: String, beside number: UInt32) throws(EngineError) -> Bool {
        try self.changing { (state) throws(EngineError) in try state.hold(bytes, for: name, beside: number) }
    }

    func letGo(of name: String, beside number: UInt32) {
        self.state.withLock { $0.letGo(of: name, beside: number) }
    }

    // MARK: The gate

    /// Waits until a revision that a call has seen is durable.
    func waitUntilDurable(_ seen: SeenRevision, of number: UInt32) async throws {
        let parked = Parked()
        let standing = self.state.withLock { state in
            let standing = state.active[number]!.versions.standing(of: seen)  // The call has it in use.
            if standing == .pending { state.active[number]!.versions.wait(parked, for: seen) }
            return standing
        }
        switch standing {
        case .durable: return
        case .lost: throw EngineError.changeLost
        case .pending: _ = try await parked.wait()
        }
    }

    /// Has everything that waits to be committed now committed without delay.
    func hurry() {
        self.state.withLock { $0.commits.hurry() }
        self.commitBell.ring()
    }

    // MARK: Letting go

    func release(_ number: UInt32, times: Int) {
        let now = self.environment.now()
        self.changing { state in for _ in 0..<times { state.release(number, now: now) } }
    }

    /// Learns what an account has stored, unless that is known.
    func learnUsage(of account: AccountID) async throws(EngineError) {
        while true {
            let (isKnown, count) = self.state.withLock { ($0.quota.knows(account), $0.quota.forgottenCount) }
            if isKnown { return }
            let usage: AccountUsage
            do {
                usage = try await self.reading { () async throws(StoreError) in
                    try await self.store.usage(of: account)
                }
            } catch {
                throw EngineError(error)
            }
            let isLearned = self.state.withLock {
                $0.quota.learn(account, objects: usage.objects, bytes: usage.bytes, forgottenCount: count)
            }
            if isLearned { return }
        }
    }
}
