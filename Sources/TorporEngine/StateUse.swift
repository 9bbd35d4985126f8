package import TorporCore
import Synchronization

/// What one call does with state: which objects it has in use, and which of their revisions it has seen.
///
/// An object is read from the store at its first use and stays in memory until ``end()``. Methods may be called by
/// several tasks of the call at once. All of them throw ``EngineError`` or `CancellationError`, and `EngineError`s of
/// code ``EngineError/Code/lost`` when changes that the call has seen were dropped.
package final class StateUse: Sendable {
    private struct Used {
        let name: ObjectName
        let number: UInt32
        /// How often the engine has granted it.
        var grants = 1
        /// What the call has seen of it, the newest of each life.
        var seen: [SeenRevision] = []
    }
    private struct State {
        var used: [Used] = []
        var hasEnded = false
    }

    private let engine: StateEngine
    private let state = Mutex(State())

    init(engine: StateEngine) { self.engine = engine }

    deinit {
        let isEnded = self.state.withLock { $0.hasEnded || $0.used.isEmpty }
        precondition(isEnded, "a use of state is ended")
    }

    // MARK: Objects

    /// Takes an object into use, reading it from the store if need be.
    /// - Throws: ``EngineError/Code/missing`` for a handle that is not there, or not the caller's.
    package func open(_ name: ObjectName) async throws {
        do {
            if self.number(of: name) == nil { _ = try await self.take(name) }
        } catch {
            throw self.told(error)
        }
    }

    /// Makes a handle's object. It becomes durable with the first commit, which ``durable()`` waits for.
    package func create(_ name: ObjectName) async throws {
        do {
            let (number, seen) = try await self.engine.create(name)
            try self.note(name, number)
            self.saw(seen, of: number)
        } catch {
            throw self.told(error)
        }
    }

    /// Tells observers why the call does not get what it asks for.
    private func told(_ error: any Error) -> any Error {
        if let error = error as? EngineError { self.engine.observe(.refused(error.code)) }
        return error
    }

    private func number(of name: ObjectName) -> UInt32? {
        self.state.withLock { state in state.used.first { $0.name == name }?.number }
    }

    /// Takes an object into use, and reserves memory for a live thing beside it until the object leaves memory, which
    /// ``StateEngine/departures`` tells. Once reserved it stays so, however often it is asked for.
    package func hold(_ bytes: Int, for live: String, beside name: ObjectName) async throws {
        while true {
            let number: UInt32
            if let known = self.number(of: name) { number = known } else { number = try await self.take(name) }
            if try self.engine.hold(bytes, for: live, beside: number) { return }
            // It has left memory since.
            _ = try await self.take(name)
        }
    }

    /// Gives back what was reserved for a live thing that did not come to be.
    package func letGo(of live: String, beside name: ObjectName) {
        if let number = self.number(of: name) { self.engine.letGo(of: live, beside: number) }
    }

    /// Has the engine bring an object into memory, for the first time or again.
    private func take(_ name: ObjectName) async throws -> UInt32 {
        let number = try await self.engine.access(name)
        try self.note(name, number)
        return number
    }

    private func note(_ name: ObjectName, _ number: UInt32) throws {
        let isNoted = self.state.withLock { state in
            if state.hasEnded { return false }
            if let index = state.used.firstIndex(where: { $0.number == number }) {
                state.used[index].grants += 1
            } else {
                state.used.append(Used(name: name, number: number))
            }
            return true
        }
        guard isNoted else {
            self.engine.release(number, times: 1)
            throw CancellationError()
        }
    }

    /// Notes what was seen.
    /// - Returns: Whether it belongs to the same life as what the call saw before.
    @discardableResult
    private func saw(_ revision: SeenRevision, of number: UInt32) -> Bool {
        self.state.withLock { state in
            guard let index = state.used.firstIndex(where: { $0.number == number }) else { return true }
            guard let last = state.used[index].seen.last else {
                state.used[index].seen = [revision]
                return true
            }
            guard last.life == revision.life else {
                state.used[index].seen.append(revision)
                return false
            }
            let count = state.used[index].seen.count
            state.used[index].seen[count - 1].revision = max(last.revision, revision.revision)
            return true
        }
    }

    /// Notes what was seen, unless what the call saw before is lost.
    private func check(_ seen: SeenRevision, of number: UInt32) throws {
        guard !self.saw(seen, of: number) else { return }
        let used = self.state.withLock { $0.used }
        for object in used {
            for seen in object.seen where self.engine.standing(of: seen, of: object.number) == .lost {
                throw EngineError.changeLost
            }
        }
    }

    // MARK: Values

    /// A value as it is now, with all changes made before; `nil` when there is none.
    package func value(_ key: [UInt8], of name: ObjectName) async throws -> [UInt8]? {
        try await self.read(name) { state, number, time in state.value(number, key, time: time) }
    }

    /// The keys that begin with `prefix`, in the order of their bytes, behind `last`.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    package func keys(
        prefix: [UInt8], after last: [UInt8]? = nil, limit: Int, of name: ObjectName
    ) async throws -> [[UInt8]] {
        try await self.read(name) { state, number, time in
            state.keys(number, prefix: prefix, after: last, limit: limit, time: time)
        }
    }

    /// Values whose keys begin with `prefix`, in the order of their keys' bytes, behind `last`, as of one moment.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    package func entries(
        prefix: [UInt8], after last: [UInt8]? = nil, limit: Int, of name: ObjectName
    ) async throws -> [(key: [UInt8], value: [UInt8])] {
        try await self.read(name) { state, number, time in
            state.keys(number, prefix: prefix, after: last, limit: limit, time: time).compactMap { key in
                state.value(number, key, time: time).map { (key: key, value: $0) }
            }
        }
    }

    /// What the object takes.
    package func size(of name: ObjectName) async throws -> ObjectSize {
        try await self.read(name) { state, number, _ in state.size(number) }
    }

    private func read<Result: Sendable>(
        _ name: ObjectName, _ body: @Sendable (borrowing EngineState, UInt32, WallTime) -> Result
    ) async throws -> Result {
        do {
            while true {
                let number: UInt32
                if let known = self.number(of: name) { number = known } else { number = try await self.take(name) }
                if let (result, seen) = self.engine.read(number, body) {
                    try self.check(seen, of: number)
                    return result
                }
                // It has left memory since; its changes were dropped, or it was deleted.
                _ = try await self.take(name)
            }
        } catch {
            throw self.told(error)
        }
    }

    // MARK: Changes

    /// Changes several values of an object, all of them or none.
    ///
    /// `body` runs once, when it is its turn; nobody else changes the object meanwhile. Its changes take effect together
    /// when it returns, and nothing changes when it throws.
    /// - Throws: What `body` throws. ``EngineError/Code/overLimit``, ``EngineError/Code/noRoom`` or
    ///   ``EngineError/Code/busy``: nothing was changed.
    package func update<Result>(
        _ name: ObjectName, _ body: (inout StateTransaction) throws -> Result
    ) async throws -> Result {
        do {
            try await self.engine.waitForRoom()
            let (number, seen) = try await self.takeTurn(name)
            defer { self.engine.passTurn(number) }
            try self.check(seen, of: number)
            var transaction = StateTransaction(engine: self.engine, number: number, life: seen.life)
            let result = try body(&transaction)
            let changes = transaction.sortedChanges
            if !changes.isEmpty {
                let made = try self.engine.apply(changes, to: number, life: seen.life, memoryMax: name.memoryMax)
                self.saw(made, of: number)
            }
            return result
        } catch {
            throw self.told(error)
        }
    }

    private func takeTurn(_ name: ObjectName) async throws -> (UInt32, SeenRevision) {
        var number: UInt32
        if let known = self.number(of: name) { number = known } else { number = try await self.take(name) }
        while true {
            if let seen = try await self.engine.takeTurn(number) { return (number, seen) }
            number = try await self.take(name)
        }
    }

    // MARK: The gate

    /// Waits until everything that the call has seen is durable.
    ///
    /// Returns at once when the call has seen nothing that is not, and with durability `interval`.
    package func durable() async throws {
        guard self.engine.limits.durability == .acknowledged else { return }
        try await self.stored()
    }

    /// Waits until everything that the call has seen is durable, also with durability `interval`: what is written next
    /// may count on it.
    package func stored() async throws {
        if self.engine.limits.durability != .acknowledged { self.engine.hurry() }
        let used = self.state.withLock { $0.used }
        do {
            for object in used {
                for seen in object.seen { try await self.engine.waitUntilDurable(seen, of: object.number) }
            }
        } catch {
            throw self.told(error)
        }
    }

    /// Lets all objects go. What comes after fails.
    package func end() {
        let used = self.state.withLock { state -> [Used] in
            defer {
                state.hasEnded = true
                state.used = []
            }
            return state.used
        }
        for object in used { self.engine.release(object.number, times: object.grants) }
    }
}

/// What an object takes.
package struct ObjectSize: Sendable, Equatable {
    package var values: Int
    /// Of keys and values.
    package var bytes: Int
}

/// The changes of one update, until it takes effect. Reads see them.
package struct StateTransaction {
    private let engine: StateEngine
    private let number: UInt32
    private let life: UInt32
    private var changes: [[UInt8]: ValueChange] = [:]

    init(engine: StateEngine, number: UInt32, life: UInt32) {
        self.engine = engine
        self.number = number
        self.life = life
    }

    /// The changes in the order of their keys.
    var sortedChanges: [(key: [UInt8], change: ValueChange)] {
        self.changes.map { (key: $0.key, change: $0.value) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// A value as the update sees it.
    /// - Throws: ``EngineError/Code/lost`` when the object's changes were dropped meanwhile.
    package func value(_ key: [UInt8]) throws -> [UInt8]? { try self.stored(key)?.bytes }

    /// A value as the update sees it, and from when on it is no longer there.
    /// - Throws: ``EngineError/Code/lost`` when the object's changes were dropped meanwhile.
    package func stored(_ key: [UInt8]) throws -> (bytes: [UInt8], expiry: WallTime?)? {
        if let change = self.changes[key] { return change.bytes.map { ($0, change.expiry) } }
        return try self.read { state, number, time in state.stored(number, key, time: time) }
    }

    /// Sets a value.
    /// - Parameter expiry: From when on it is no longer there.
    /// - Precondition: The key has 1 to 512 bytes.
    package mutating func set(_ key: [UInt8], _ bytes: [UInt8], expiry: WallTime? = nil) {
        precondition(!key.isEmpty && key.count <= self.engine.limits.keyMax, "a key has 1 to 512 bytes")
        self.changes[key] = ValueChange(bytes: bytes, expiry: expiry)
    }

    /// Removes a value; nothing happens when there is none.
    package mutating func remove(_ key: [UInt8]) { self.changes[key] = ValueChange(bytes: nil, expiry: nil) }

    /// The keys that begin with `prefix`, in the order of their bytes, behind `last`, as the update sees them.
    package func keys(prefix: [UInt8], after last: [UInt8]? = nil, limit: Int) throws -> [[UInt8]] {
        let limit = max(0, limit)
        // As many as may be among those that the update has changed.
        let count = min(limit, .max - self.changes.count) + self.changes.count
        var keys = try self.read { state, number, time in
            state.keys(number, prefix: prefix, after: last, limit: count, time: time)
        }
        keys.removeAll { self.changes[$0] != nil }
        for (key, change) in self.changes where change.bytes != nil && key.starts(with: prefix) {
            if let last, !last.lexicographicallyPrecedes(key) { continue }
            keys.append(key)
        }
        return Array(keys.sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit))
    }

    /// The last key that begins with `prefix`, as the update sees it, if all such keys have at most 9 bytes more.
    package func lastKey(prefix: [UInt8]) throws -> [UInt8]? {
        let stored = try self.read { state, number, _ in state.lastKey(number, prefix: prefix) }
        let set = self.changes.filter { $0.value.bytes != nil && $0.key.starts(with: prefix) }.keys
        return set.reduce(stored) { last, key in
            guard let last else { return key }
            return last.lexicographicallyPrecedes(key) ? key : last
        }
    }

    private func read<Result: Sendable>(
        _ body: @Sendable (borrowing EngineState, UInt32, WallTime) -> Result
    ) throws -> Result {
        guard let (result, seen) = self.engine.read(self.number, body), seen.life == self.life else {
            throw EngineError.changeLost
        }
        return result
    }
}
