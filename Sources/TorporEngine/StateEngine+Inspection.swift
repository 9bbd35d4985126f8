import Synchronization
package import TorporCore
package import TorporStore

/// What operators see of the engine. Nothing here is durable by itself, and nothing of it may leave as an answer to a
/// client.
extension StateEngine {
    /// Objects that are looked at in one go while the lock is held.
    private static let stepMax: UInt32 = 1_024

    /// How the engine stands now.
    ///
    /// Takes a short lock: it looks at up to 4,096 objects that are in use, dirty or between memory and store. Of more, it
    /// looks at all in steps between which calls go on, so that the counts by state are not those of one moment.
    package func snapshot() -> EngineSnapshot {
        let (partial, isWhole) = self.state.withLock { state in
            var snapshot = EngineSnapshot(state)
            guard state.active.count <= 4_096 else { return (snapshot, false) }
            for object in state.active.values { snapshot.add(object) }
            return (snapshot, true)
        }
        if isWhole { return partial }
        var snapshot = partial
        var next: UInt32? = 0
        while let start = next {
            next = self.step(from: start) { state, number in
                if let object = state.active[number] { snapshot.add(object) }
                return .next
            }
        }
        return snapshot
    }

    /// What the store has failed at for longer than a second; empty while all is well.
    package func storeFaults() -> [StoreFault] {
        let now = self.environment.now()
        return self.state.withLock { $0.health.faults(now: now, patience: .seconds(1)) }
    }

    /// How often the committer has taken a step, and whether there is something for it to do. When there is and the
    /// steps do not rise, it stands still.
    package func committerProgress() -> (steps: UInt64, hasWork: Bool) {
        let now = self.environment.now()
        return self.state.withLock { state in
            (state.commitSteps, state.commits.isSending || state.commits.next(now: now) == .send)
        }
    }

    /// The accounts that take the most memory, the most first.
    ///
    /// Looks at up to 65,536 accounts, in no order, while it holds the lock.
    package func largestAccounts(_ limit: Int = 50) -> [AccountSize] {
        self.state.withLock { state in
            state.ledger.largestAccounts(limit, lookingAt: 65_536).map { account, bytes in
                AccountSize(
                    account: account, residentBytes: bytes, storedBytes: state.quota.usedBytes(of: account),
                    storedObjects: state.quota.objectCount(of: account))
            }
        }
    }

    /// The largest objects in memory, the largest first.
    ///
    /// Looks at all of them in steps, between which calls go on.
    /// - Complexity: O(objects in memory), with the lock held for at most a thousand at a time.
    package func largestObjects(_ limit: Int = 50) async -> [ResidentObject] {
        var largest: [ResidentObject] = []
        var next: UInt32? = 0
        while let start = next {
            next = self.step(from: start) { state, number in
                guard state.records.has(number) else { return .next }
                let bytes = state.records.head(number).pointee.byteCount
                if largest.count == limit, bytes <= largest[limit - 1].bytes { return .next }
                if largest.count == limit { largest.removeLast() }
                largest.insert(state.resident(number), at: largest.firstIndex { $0.bytes < bytes } ?? largest.count)
                return .next
            }
            await Task.yield()
        }
        return largest
    }

    /// How an object stands in memory; `nil` when it is asleep, or there is none.
    package func resident(_ id: StateObjectID) -> ResidentObject? {
        self.state.withLock { state in
            state.numbers[id].flatMap { state.records.has($0) ? state.resident($0) : nil }
        }
    }

    /// Which of these objects are in memory.
    package func areResident(_ ids: [StateObjectID]) -> [Bool] {
        self.state.withLock { state in ids.map { id in state.numbers[id].map { state.records.has($0) } ?? false } }
    }

    /// Values that are in memory several times, those that waste the most first: what should be kept once.
    ///
    /// A sample: values of at least ``DuplicatedValues/bytesMin``, up to ``DuplicatedValues/valuesMax`` of them, as they
    /// come. Two count as the same when their lengths and the XXH64 of their first 64 KiB are.
    package func duplicatedValues(_ limit: Int = 50) async -> DuplicatedValues {
        var sample = ValueSample()
        var next: UInt32? = 0
        while let start = next {
            next = self.step(from: start) { state, number in
                state.records.has(number) ? sample.add(number, of: state.records) : .next
            }
            await Task.yield()
        }
        return sample.duplicates(limit)
    }

    /// Calls `body` for the numbers from `start` on, a bounded number of them, while it holds the lock.
    /// - Returns: With which number to go on; `nil` when there are no more.
    private func step(from start: UInt32, _ body: (borrowing EngineState, UInt32) -> InspectionStep) -> UInt32? {
        self.state.withLock { state in
            let end = min(state.nextNumber, start + Self.stepMax)
            for number in start..<max(start, end) {
                switch body(state, number) {
                case .next: continue
                case .pause: return number + 1 < state.nextNumber ? number + 1 : nil
                case .stop: return nil
                }
            }
            return end < state.nextNumber ? end : nil
        }
    }
}

/// What follows after an object was looked at.
enum InspectionStep {
    case next
    /// The next, after the lock has been released: this one took long.
    case pause
    case stop
}

/// How an engine stands.
package struct EngineSnapshot: Sendable, Equatable {
    /// Objects by what is the matter with them; each counts once.
    package struct Objects: Sendable, Equatable {
        /// In memory, clean, used by nobody.
        package var atRest = 0
        /// A call has it.
        package var inUse = 0
        /// Being read from the store.
        package var loading = 0
        /// Used by nobody, with changes that the store lacks.
        package var dirty = 0
        /// Nobody knows what became of its commit.
        package var closed = 0
        /// Its deletion is on its way to the store.
        package var deleting = 0
    }

    package var objects = Objects()
    /// What the ledger counts, and may.
    package var residentBytes: Int
    package var residentLimitBytes: Int
    package var anonymousBytes: Int
    package var anonymousLimitBytes: Int
    /// Accounts with state in memory.
    package var accounts: Int
    /// What the store lacks, and may before writers wait.
    package var dirtyBytes: Int
    package var dirtyLimitBytes: Int
    /// What the values in memory take, and the pages that they lie in.
    package var arenaLiveBytes: Int
    package var arenaCommittedBytes: Int
    /// What is stored or about to be, before compression.
    package var storedObjects: Int
    package var storedBytes: Int
    package var storedLimitBytes: Int
    package var anonymousStoredBytes: Int
    /// What the store has said last, a few seconds ago.
    package var store: StoreUsage
    /// Sessions that are remembered as ended.
    package var tombstones: Int
    package var tombstonesMax: Int
    /// Objects that wait for a batch.
    package var queuedObjects: Int
    /// Calls that wait: for a load, a turn, a commit, or room among the dirty bytes.
    package var waitingCalls: Int

    init(_ state: borrowing EngineState) {
        let limits = state.limits
        self.residentBytes = state.ledger.usedBytes
        self.residentLimitBytes = limits.memory.residentMax.bytes
        self.anonymousBytes = state.ledger.anonymousBytes
        self.anonymousLimitBytes = limits.memory.anonymousMax.bytes
        self.accounts = state.ledger.accountCount
        self.dirtyBytes = state.dirtyBytes
        self.dirtyLimitBytes = limits.memory.dirtyMax.bytes
        self.arenaLiveBytes = state.records.liveBytes
        self.arenaCommittedBytes = state.records.committedBytes
        self.storedObjects = state.quota.objectCount
        self.storedBytes = state.quota.usedBytes
        self.storedLimitBytes = limits.storage.totalMax.bytes
        self.anonymousStoredBytes = state.quota.anonymousBytes
        self.store = state.storeUsage
        self.tombstones = state.tombstones.count
        self.tombstonesMax = state.tombstones.capacity
        self.queuedObjects = state.commits.queuedCount
        self.waitingCalls = state.roomWaiters.count
        self.objects.atRest = state.numbers.count - state.active.count
    }

    mutating func add(_ object: ActiveObject) {
        self.waitingCalls +=
            object.residency.waiterCount + object.turn.waiterCount + object.versions.waiterCount
        switch object.standing {
        case .atRest: self.objects.atRest += 1
        case .inUse: self.objects.inUse += 1
        case .loading: self.objects.loading += 1
        case .dirty: self.objects.dirty += 1
        case .closed: self.objects.closed += 1
        case .deleting: self.objects.deleting += 1
        }
    }
}

/// What is the matter with an object that the engine knows.
package enum ObjectStanding: String, Sendable, CaseIterable {
    case atRest = "at_rest"
    case inUse = "in_use"
    case loading, dirty, closed, deleting
}

extension ActiveObject {
    /// What is the matter with it.
    var standing: ObjectStanding {
        if self.residency.isLoading { return .loading }
        if self.residency.isClosed { return .closed }
        if self.residency.isDeleting { return .deleting }
        if self.residency.users > 0 { return .inUse }
        return self.versions.isDirty || self.versions.isCommitting ? .dirty : .atRest
    }
}

/// What an account takes.
package struct AccountSize: Sendable, Equatable {
    package var account: AccountID
    package var residentBytes: Int
    package var storedBytes: Int
    package var storedObjects: Int
}

/// An object in memory.
package struct ResidentObject: Sendable, Equatable {
    package var id: StateObjectID
    package var kind: ObjectKind
    package var name: String
    package var account: AccountID
    package var values: Int
    /// Of keys and values.
    package var bytes: Int
    /// When a call last used it, by the engine's clock.
    package var lastUse: Instant
    package var standing: ObjectStanding
}

extension EngineState {
    /// How an object in memory looks to operators.
    func resident(_ number: UInt32) -> ResidentObject {
        let head = self.records.head(number).pointee
        return ResidentObject(
            id: head.id, kind: head.kind, name: self.names[Int(head.name)], account: head.account,
            values: Int(head.valueCount), bytes: head.byteCount, lastUse: head.lastUse,
            standing: self.active[number]?.standing ?? .atRest)
    }
}
