import TorporCore
import TorporEngine

/// The value of a ``State``, as a call reaches it.
public struct StateReference<Value: Codable & Sendable>: Sendable {
    let object: StateObject
    let declaration: StateDeclaration
    let coder: StateCoder<Value>

    /// The value; what it is `initially` when it was never set.
    /// - Throws: ``StateError``.
    public func get() async throws -> Value { try await self.stored() ?? self.coder.initial }

    /// The value; `nil` when it was never set, or its time is over.
    public func stored() async throws -> Value? {
        let bytes = try await self.object.translating {
            try await self.object.use.value(self.declaration.key, of: self.object.name)
        }
        return try bytes.map { try self.coder.decode($0) }
    }

    /// Sets the value.
    /// - Parameter lifetime: How long it is there; `nil` for as long as its object.
    /// - Throws: ``StateError`` when a limit is reached: then nothing was changed.
    public func set(_ value: Value, for lifetime: Duration? = nil) async throws {
        let bytes = try self.coder.encode(value)
        try await self.object.update { try $0.set(self.declaration.key, bytes, self.declaration, lifetime) }
    }

    /// Changes the value. `body` runs once, when it is its turn, and cannot wait; two calls never overwrite each other.
    /// Nothing changes when it throws. A value that was set for a time ends at that time.
    public func update<Result>(_ body: (inout Value) throws -> Result) async throws -> Result {
        try await self.object.update { changes in
            let stored = try changes.transaction.stored(self.declaration.key)
            var value = try stored.map { try self.coder.decode($0.bytes) } ?? self.coder.initial
            let result = try body(&value)
            try changes.set(
                self.declaration.key, self.coder.encode(value), self.declaration, until: stored?.expiry)
            return result
        }
    }

    /// Removes the value.
    public func remove() async throws { try await self.object.update { $0.transaction.remove(self.declaration.key) } }

    /// Removes the value and returns it: of several calls that try, one gets it.
    public func take() async throws -> Value? {
        try await self.object.update { changes in
            guard let bytes = try changes.transaction.value(self.declaration.key) else { return nil }
            changes.transaction.remove(self.declaration.key)
            return try self.coder.decode(bytes)
        }
    }
}

/// The entries of a ``StateMap``, as a call reaches them.
public struct StateMapReference<Value: Codable & Sendable>: Sendable {
    let object: StateObject
    let declaration: StateDeclaration
    let coder: StateCoder<Value>

    /// The value of an entry; `nil` when there is none, or its time is over.
    public func get(_ key: String) async throws -> Value? {
        let key = try self.declaration.key(of: key)
        let bytes = try await self.object.translating { try await self.object.use.value(key, of: self.object.name) }
        return try bytes.map { try self.coder.decode($0) }
    }

    /// Sets an entry.
    /// - Parameter lifetime: How long it is there; `nil` for as long as its object.
    public func set(_ key: String, _ value: Value, for lifetime: Duration? = nil) async throws {
        let key = try self.declaration.key(of: key)
        let bytes = try self.coder.encode(value)
        try await self.object.update { try $0.set(key, bytes, self.declaration, lifetime) }
    }

    /// Changes an entry: `body` gets its value, `nil` when there is none, and leaves `nil` to remove it. An entry that was
    /// set for a time ends at that time.
    public func update<Result>(_ key: String, _ body: (inout Value?) throws -> Result) async throws -> Result {
        let key = try self.declaration.key(of: key)
        return try await self.object.update { changes in
            let stored = try changes.transaction.stored(key)
            var value = try stored.map { try self.coder.decode($0.bytes) }
            let result = try body(&value)
            if let value {
                try changes.set(key, self.coder.encode(value), self.declaration, until: stored?.expiry)
            } else {
                changes.transaction.remove(key)
            }
            return result
        }
    }

    /// Removes an entry.
    public func remove(_ key: String) async throws {
        let key = try self.declaration.key(of: key)
        try await self.object.update { $0.transaction.remove(key) }
    }

    /// Removes an entry and returns it: of several calls that try, one gets it.
    public func take(_ key: String) async throws -> Value? {
        try await self.update(key) { value in
            defer { value = nil }
            return value
        }
    }

    /// The keys that begin with `prefix`, in the order of their bytes, behind `last`.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    public func keys(prefix: String = "", after last: String? = nil, limit: Int = 1_000) async throws -> [String] {
        let prefix = self.declaration.key + Array(prefix.utf8)
        let last = try last.map { try self.declaration.key(of: $0) }
        let keys = try await self.object.translating {
            try await self.object.use.keys(prefix: prefix, after: last, limit: limit, of: self.object.name)
        }
        return keys.map { self.declaration.entry(of: $0) }
    }

    /// The entries whose keys begin with `prefix`, in the order of their keys' bytes, behind `last`, as of one moment.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    public func entries(
        prefix: String = "", after last: String? = nil, limit: Int = 1_000
    ) async throws -> [(key: String, value: Value)] {
        let prefix = self.declaration.key + Array(prefix.utf8)
        let last = try last.map { try self.declaration.key(of: $0) }
        let entries = try await self.object.translating {
            try await self.object.use.entries(prefix: prefix, after: last, limit: limit, of: self.object.name)
        }
        return try entries.map { (self.declaration.entry(of: $0.key), try self.coder.decode($0.value)) }
    }
}

/// The elements of a ``StateList``, as a call reaches them.
public struct StateListReference<Value: Codable & Sendable>: Sendable {
    let object: StateObject
    let declaration: StateDeclaration
    let coder: StateCoder<Value>

    /// Adds an element to the end.
    /// - Returns: Its number, by which it is found: one more than the last element's.
    @discardableResult
    public func append(_ value: Value) async throws -> Int {
        let bytes = try self.coder.encode(value)
        return try await self.object.update { changes in
            let number = try changes.nextNumber(self.declaration)
            try changes.set(self.declaration.key(of: number), bytes, self.declaration, nil)
            return number
        }
    }

    /// An element; `nil` when there is none of that number.
    public func get(_ number: Int) async throws -> Value? {
        let bytes = try await self.object.translating {
            try await self.object.use.value(self.declaration.key(of: number), of: self.object.name)
        }
        return try bytes.map { try self.coder.decode($0) }
    }

    /// Removes an element. The numbers of the others stay.
    public func remove(_ number: Int) async throws {
        try await self.object.update { $0.transaction.remove(self.declaration.key(of: number)) }
    }

    /// Elements in order, beginning with the number `first`, as of one moment.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    public func elements(from first: Int = 0, limit: Int = 1_000) async throws -> [(number: Int, value: Value)] {
        let entries = try await self.object.translating {
            try await self.object.use.entries(
                prefix: self.declaration.key, after: first > 0 ? self.declaration.key(of: first - 1) : nil,
                limit: limit, of: self.object.name)
        }
        return try entries.map { (self.declaration.number(of: $0.key), try self.coder.decode($0.value)) }
    }
}
