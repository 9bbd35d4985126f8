import Synchronization
package import TorporCore
package import TorporStore

/// What operators do with single objects.
extension StateEngine {
    /// What the store has of an object, without its values; `nil` when it has none.
    package func header(of id: StateObjectID) async throws(EngineError) -> RecordHeader? {
        do {
            return try await self.store.header(of: id)
        } catch {
            throw EngineError(error)
        }
    }

    /// What became of an operator's wish to evict an object.
    package enum EvictionEnd: Sendable, Equatable {
        case evicted
        /// It was not in memory.
        case asleep
        /// It is used, or has changes on their way to the store.
        case busy(ObjectStanding)
        /// There is no such object.
        case unknown
    }

    /// Takes an object out of memory, if that changes nothing for anybody.
    package func evictOnRequest(_ id: StateObjectID) async throws(EngineError) -> EvictionEnd {
        if self.evict(id) { return .evicted }
        if let object = self.resident(id) { return .busy(object.standing) }
        return try await self.header(of: id) == nil ? .unknown : .asleep
    }

    /// Deletes a stored object, durably. A session stays ended for as long as its token is good.
    /// - Returns: `false` when the store has none.
    package func deleteOnRequest(_ id: StateObjectID) async throws -> Bool {
        guard let header = try await self.header(of: id) else { return false }
        let name = ObjectName(id, header.kind, name: header.name, account: header.account)
        try await self.delete(name, tombstone: self.limits.tombstone(of: header), reason: .operatorRequest)
        return true
    }

    /// Reads an object from the store, past the memory for state: what is durable of it, as of one moment.
    ///
    /// The caller bounds how many it reads at once: each takes up to twice ``MemoryLimits/objectMax`` while it is read.
    /// - Returns: `nil` when the store has none.
    /// - Throws: ``EngineError/Code/corrupt``, ``EngineError/Code/newerFormat``, ``EngineError/Code/unavailable``.
    package func copy(of id: StateObjectID) async throws(EngineError) -> (header: RecordHeader, values: OpenedRecord)? {
        do {
            // All is admitted: what is stored was no larger than an object may be.
            guard case .found(let record) = try await self.store.load(id, admit: { _ in true }) else { return nil }
            return (record.header, try self.codec.open(record))
        } catch {
            throw EngineError(error)
        }
    }

    /// What became of an operator's wish to bring an object back.
    package enum RestoreEnd: Sendable, Equatable {
        case restored
        /// There is such an object, and it was not to be replaced.
        case exists
        /// There is an object of this id that is of another kind, name or account.
        case foreign
        /// It is a session that has been ended.
        case ended
    }

    /// Makes an object of values that were copied, durably: all of them or none, within the limits that every change has.
    ///
    /// It is new to everybody: created now, and kept until the header's expiry, or for as long as if it were used now
    /// when that has passed.
    /// - Parameters:
    ///   - header: Only its id, kind, name, account and expiry count.
    ///   - values: At least one; those whose time is over are left out. Keys have 1 to 512 bytes.
    ///   - replaces: Whether an object of that id, kind, name and account gets these values in place of its own.
    /// - Throws: ``EngineError``; nothing has changed then, but with ``EngineError/Code/lost`` or
    ///   ``EngineError/Code/unavailable`` after the change was made, when its outcome is not known.
    package func restore(
        _ header: RecordHeader, _ values: OpenedRecord, replaces: Bool
    ) async throws -> RestoreEnd {
        struct Exists: Error {}
        if header.kind == .session, self.hasEnded(header.id) { return .ended }
        if let stored = try await self.header(of: header.id) {
            guard replaces else { return .exists }
            guard stored.kind == header.kind, stored.name == header.name, stored.account == header.account else {
                return .foreign
            }
        }
        let time = self.environment.wallTime()
        var name = ObjectName(header.id, header.kind, name: header.name, account: header.account)
        name.isRestored = true
        name.retention = header.expiry > time ? header.expiry.since(time) : nil
        let use = self.use()
        defer { use.end() }
        do {
            try await use.update(name) { transaction in
                let former = try transaction.keys(prefix: [], limit: self.limits.storage.objectValuesMax)
                guard replaces || former.isEmpty else { throw Exists() }
                for key in former { transaction.remove(key) }
                for value in values.values where value.expiry.map({ $0 > time }) ?? true {
                    transaction.set(
                        Array(values.bytes[value.key]), Array(values.bytes[value.value]), expiry: value.expiry)
                }
            }
        } catch is Exists {
            return .exists
        }
        try await use.durable()
        return .restored
    }
}
