import TorporCore
package import TorporStore
import Synchronization

/// Keeps state objects: in memory while they are used and there is room, in the store always.
///
/// What a call changes is in memory at once and durable before anything of it leaves the call, which
/// ``StateUse/durable()`` waits for. Updates of one object happen one after the other, in the order in which they came.
/// Memory is reserved before it is used, and never exceeds ``EngineLimits/memory``. Objects that nobody uses leave memory
/// when room is needed or when they have been idle, and come back when they are used.
///
/// ``run()`` does the work in the background; without it nothing becomes durable.
package final class StateEngine: Sendable {
    package let limits: EngineLimits
    let store: any StateStore
    let codec: any ValueCodec
    package let environment: EngineEnvironment
    private let observers: Mutex<[@Sendable (EngineEvent) -> Void]>
    let state: Mutex<EngineState>
    /// Rung when there may be something to commit, or to settle.
    let commitBell = Bell()
    let settleBell = Bell()
    /// The objects that have left memory with live things beside them.
    package let departures: Departures

    /// - Parameters:
    ///   - codec: Turns values into their stored form and back.
    ///   - usage: What the store has.
    ///   - observe: Told of what happens, for logs and metrics; must not wait.
    /// - Throws: ``ArenaUnavailable`` when the system refuses the address space for resident state.
    package init(
        store: any StateStore, usage: StoreUsage, codec: any ValueCodec, limits: EngineLimits,
        environment: EngineEnvironment, observe: @escaping @Sendable (EngineEvent) -> Void = { _ in }
    ) throws(ArenaUnavailable) {
        self.store = store
        self.codec = codec
        self.limits = limits
        self.environment = environment
        self.observers = Mutex([observe])
        let arena = try ResidentArena(residentMax: limits.memory.residentMax)
        let state = EngineState(
            limits: limits, arena: arena, fence: Fence(incarnation: store.incarnation, epoch: 1), usage: usage,
            now: environment.now())
        self.departures = state.departures
        self.state = Mutex(state)
    }

    /// Tells `observer` of what happens from now on; it must not wait.
    package func addObserver(_ observer: @escaping @Sendable (EngineEvent) -> Void) {
        self.observers.withLock { $0.append(observer) }
    }

    func observe(_ event: EngineEvent) {
        for observer in self.observers.withLock({ $0 }) { observer(event) }
    }

    /// Changes the state where objects may leave memory, and tells of it once the lock is released.
    func changing<Result: Sendable, Failure>(
        _ body: (inout EngineState) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var evictedCount = 0
        var hasDepartures = false
        defer {
            if evictedCount > 0 { self.observe(.evicted(.room, count: evictedCount)) }
            if hasDepartures { self.departures.wake() }
        }
        return try self.state.withLock { (state) throws(Failure) in
            defer {
                evictedCount = state.takeRoomEvictions()
                hasDepartures = state.takeDepartures()
            }
            return try body(&state)
        }
    }

    /// What begins to use state on behalf of one call.
    package func use() -> StateUse { StateUse(engine: self) }

    // MARK: Access

    /// Brings an object into memory and keeps it there until it is released.
    func access(_ name: ObjectName) async throws -> UInt32 {
        while true {
            try Task.checkCancellation()
            let parked = Parked()
            let (now, time) = (self.environment.now(), self.environment.wallTime())
            let (access, isDirty) = try self.state.withLock { (state) throws(EngineError) in
                (try state.request(name, by: parked, now: now, time: time), state.commits.queuedCount > 0)
            }
            if isDirty { self.commitBell.ring() }
            switch access {
            case .granted(let number): return number
            case .load(let number): await self.load(number, name)
            case .wait: break
            }
            if try await parked.wait(), let number = try self.claim(name) { return number }
        }
    }

    /// Takes what was waited for, if it is still in memory.
    private func claim(_ name: ObjectName) throws(EngineError) -> UInt32? {
        let (now, time) = (self.environment.now(), self.environment.wallTime())
        let (number, isDirty) = try self.state.withLock { (state) throws(EngineError) in
            (try state.claim(name, now: now, time: time), state.commits.queuedCount > 0)
        }
        if isDirty { self.commitBell.ring() }
        return number
    }

    /// Reads an object and wakes those who wait for it, the caller among them.
    private func load(_ number: UInt32, _ name: ObjectName) async {
        let start = self.environment.now()
        let forgottenCount = self.state.withLock { $0.quota.forgottenCount }
        let result: LoadResult
        do {
            result = try await self.reading { () async throws(StoreError) in
                try await self.store.load(name.id) { header in self.changing { $0.admit(number, header) } }
            }
        } catch {
            self.observe(.loadFailed(name.id, error))
            self.loadFailed(number, EngineError(error))
            return self.observe(.loaded(LoadEnd(error), after: self.environment.now().since(start)))
        }
        let end: LoadEnd
        switch result {
        case .found(let record): end = await self.found(number, record, forgottenCount: forgottenCount)
        case .missing:
            await self.foundNothing(number, name)
            end = .missing
        case .notAdmitted(let header):
            self.loadFailed(number, self.refusal(of: header))
            end = .refused
        }
        self.observe(.loaded(end, after: self.environment.now().since(start)))
    }

    private func found(_ number: UInt32, _ record: Record, forgottenCount: Int) async -> LoadEnd {
        let header = record.header
        let opened: OpenedRecord
        do {
            opened = try self.codec.open(record)
        } catch {
            self.observe(.loadFailed(header.id, error))
            self.loadFailed(number, EngineError(error))
            return LoadEnd(error)
        }
        let isLearned = self.state.withLock {
            $0.quota.learn(
                header.account, objects: record.usage.objects, bytes: record.usage.bytes,
                forgottenCount: forgottenCount)
        }
        do {
            // The memory reserved for the record keeps what is learned from being forgotten.
            if !isLearned { try await self.learnUsage(of: header.account) }
            self.wake(try self.layDown(number, header, opened))
            return .found(bytes: header.byteCount)
        } catch {
            self.loadFailed(number, error)
            return error.code == .unavailable ? .unavailable : .refused
        }
    }

    private func foundNothing(_ number: UInt32, _ name: ObjectName) async {
        guard name.appearsByUse else { return self.loadFailed(number, .missing) }
        do {
            while true {
                try await self.learnUsage(of: name.account)
                // What was learned may be forgotten in between.
                guard let wakes = try self.layDownNothing(number, name) else { continue }
                return self.wake(wakes)
            }
        } catch {
            self.loadFailed(number, error)
        }
    }

    private func layDown(
        _ number: UInt32, _ header: RecordHeader, _ record: OpenedRecord
    ) throws(EngineError) -> Wakes {
        let now = self.environment.now()
        var wakes = Wakes()
        wakes.add(
            try self.changing { (state) throws(EngineError) in
                try state.loaded(number, header, record, now: now)
            }, .ready, granting: number)
        return wakes
    }

    /// - Returns: `nil` when it is not known what the account has stored.
    private func layDownNothing(_ number: UInt32, _ name: ObjectName) throws(EngineError) -> Wakes? {
        let now = self.environment.now()
        let time = self.environment.wallTime()
        var wakes = Wakes()
        let waiters = try self.changing { (state) throws(EngineError) -> [Parked]? in
            guard state.quota.knows(name.account) else { return nil }
            return try state.loadedNothing(number, name, now: now, time: time)
        }
        guard let waiters else { return nil }
        wakes.add(waiters, .ready, granting: number)
        return wakes
    }

    /// Why there was no room for a record.
    private func refusal(of header: RecordHeader) -> EngineError {
        let bytes = RecordHead.footprint(valueCount: header.valueCount, byteCount: header.byteCount)
        do {
            try self.state.withLock { (state) throws(LedgerRefusal) in
                var ledger = state.ledger
                try ledger.reserve(bytes, for: header.account, objectBytes: 0)
            }
        } catch {
            return EngineError(error)
        }
        // By now there is room.
        return .noRoom
    }

    private func loadFailed(_ number: UInt32, _ error: EngineError) {
        var wakes = Wakes()
        // It may have failed only because this call was cancelled: the others read it themselves.
        let wake: Wake = Task.isCancelled ? .again : .failed(error)
        self.state.withLock { wakes.add($0.loadFailed(number), wake) }
        self.wake(wakes)
    }

    /// Wakes those who waited.
    func wake(_ wakes: Wakes) {
        for (parked, wake, granted) in wakes.list {
            // Who was cancelled meanwhile does not use what it was granted.
            if !parked.wake(wake), let granted { self.release(granted, times: 1) }
        }
    }
}

extension LoadEnd {
    fileprivate init(_ error: StoreError) {
        self = error.code == .corruptRecord || error.code == .newerFormat ? .unreadable : .unavailable
    }
}
