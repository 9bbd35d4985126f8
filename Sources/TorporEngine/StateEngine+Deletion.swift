import Synchronization
package import TorporCore
package import TorporStore

extension StateEngine {
    /// Deletes an object, durably.
    ///
    /// Calls that have it in use find it gone at their next access. Deleting what is not there only leaves the tombstone.
    /// - Parameters:
    ///   - tombstone: Until when a session is remembered as ended; `nil` for the other kinds.
    ///   - reason: Why, for whoever observes.
    ///   - isUrgent: Whether it waits for no interval.
    /// - Throws: ``EngineError/Code/missing`` for another's object; ``EngineError/Code/lost`` when the deletion could
    ///   not be stored, and nothing has changed.
    package func delete(
        _ name: ObjectName, tombstone: WallTime?, reason: DeletionReason = .client, isUrgent: Bool = false
    ) async throws {
        while true {
            let deletionCount = self.state.withLock { $0.deletionCount }
            let header: RecordHeader?
            do {
                header = try await self.reading { () async throws(StoreError) in
                    try await self.store.header(of: name.id)
                }
            } catch {
                throw EngineError(error)
            }
            if let header {
                guard name.mayReach(header.account), header.kind == name.kind, header.name == name.name else {
                    throw EngineError.missing
                }
            }
            try await self.learnUsage(of: header?.account ?? name.account)
            let parked = Parked()
            let isInMemory = self.state.withLock { $0.numbers[name.id] != nil }
            if try self.tryDeleting(name, header, deletionCount: deletionCount, tombstone, by: parked) {
                if isUrgent { self.hurry() } else { self.commitBell.ring() }
                _ = try await parked.wait()
                if header != nil || isInMemory { self.observe(.deleted(reason)) }
                return
            }
            // What was read may be out of date.
            if self.state.withLock({ $0.deletionCount }) != deletionCount { continue }
            // It is being read, settled, or deleted by another: taking it into use waits for the end of that.
            let use = self.use()
            defer { use.end() }
            var name = name
            name.reachesEndedSessions = true
            do { try await use.open(name) } catch let error as EngineError where error.code == .missing {}
        }
    }

    private func tryDeleting(
        _ name: ObjectName, _ header: RecordHeader?, deletionCount: Int, _ tombstone: WallTime?, by parked: Parked
    ) throws(EngineError) -> Bool {
        let now = self.environment.now()
        let time = self.environment.wallTime()
        let account = header?.account ?? name.account
        return try self.changing { (state) throws(EngineError) in
            // What was learned of whoever has nothing in memory is not kept.
            defer { state.forgetUnused(account) }
            return try state.delete(
                name, header, deletionCount: deletionCount, tombstone: tombstone, by: parked, now: now, time: time)
        }
    }

    /// Whether a session has been ended before its token was too old. Takes a short lock, and never waits.
    package func hasEnded(_ session: StateObjectID) -> Bool { self.state.withLock { $0.isBuried(session) } }

    /// The headers of stored objects, in the order of their ids, behind `last`; as the store has them.
    package func headers(after last: StateObjectID?, matching filter: RecordFilter, limit: Int) async throws
        -> [RecordHeader]
    {
        do {
            return try await self.store.headers(after: last, matching: filter, limit: limit)
        } catch {
            throw EngineError(error)
        }
    }

    /// Whether there is such an object, in memory or in the store.
    package func exists(_ name: ObjectName) async throws -> Bool {
        let isInMemory = self.state.withLock { state in
            state.numbers[name.id].map { state.seen($0) != nil && state.mayReach($0, name) } ?? false
        }
        if isInMemory { return true }
        do {
            let header = try await self.reading { () async throws(StoreError) in
                try await self.store.header(of: name.id)
            }
            return header.map { name.mayReach($0.account) } ?? false
        } catch {
            throw EngineError(error)
        }
    }

    /// Takes all objects out of memory that rest there, for an operator: a thousand at a time, between which calls go on.
    /// - Returns: How many.
    package func evictAll() -> Int {
        // What comes back meanwhile stays.
        let most = self.state.withLock { $0.numbers.count }
        var count = 0
        var isMore = true
        while isMore, count < most {
            let end = min(most, count + 1_000)
            isMore = self.changing { state in
                while count < end {
                    guard state.evictNext() else { return false }
                    count += 1
                }
                return true
            }
        }
        if count > 0 { self.observe(.evicted(.operatorRequest, count: count)) }
        return count
    }

    /// Takes an object out of memory if it rests there.
    /// - Parameter reason: Why, for whoever observes.
    /// - Returns: `false` when it is not in memory, is in use, or has changes on their way to the store.
    package func evict(_ id: StateObjectID, reason: EvictionReason = .operatorRequest) -> Bool {
        let isEvicted = self.changing { state in
            guard let number = state.numbers[id], state.isAtRest(number) else { return false }
            state.evict(number)
            return true
        }
        if isEvicted { self.observe(.evicted(reason, count: 1)) }
        return isEvicted
    }
}
