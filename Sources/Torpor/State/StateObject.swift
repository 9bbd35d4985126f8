import TorporCore
import TorporEngine

/// The object in which a call finds a state: of its session, its principal, or a handle.
///
/// Reading shows all changes made before. An update of an object runs when it is its turn, and nobody else changes the
/// object meanwhile. No answer leaves the call before what it has read and changed is durable.
public struct StateObject: Sendable {
    let call: Call
    let use: StateUse
    let name: ObjectName
    let declaration: StateDeclaration

    /// What it takes: values, and bytes of keys and values.
    public var size: (values: Int, bytes: Int) {
        get async throws {
            let size = try await self.translating { try await self.use.size(of: self.name) }
            return (size.values, size.bytes)
        }
    }

    /// Changes several values of the object, all of them or none.
    ///
    ///     try await call.stateObject("basket", input.basket).update { object in
    ///         var basket = try object.get(Basket.self)
    ///         basket.count += 1
    ///         try object.set(basket)
    ///         try object.setEntry(line.sku, line)
    ///     }
    ///
    /// `body` runs once and cannot wait; keep it short. Nothing changes when it throws.
    /// - Throws: What `body` throws; ``StateError`` when a limit is reached: then nothing was changed.
    public func update<Result>(_ body: (inout StateChanges) throws -> Result) async throws -> Result {
        let result = try await self.translating {
            try await self.use.update(self.name) { transaction in
                var changes = StateChanges(transaction: transaction, object: self)
                let result = try body(&changes)
                transaction = changes.transaction
                return result
            }
        }
        self.call.noteChange("changed its state")
        return result
    }

    /// Runs `body` with errors of the engine as those of this module.
    func translating<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as EngineError {
            throw self.call.stateError(error, self.declaration, self.name.kind)
        }
    }
}

/// The values of an object while it is updated.
public struct StateChanges {
    var transaction: StateTransaction
    let object: StateObject

    /// A state's value; what it is `initially` when it was never set.
    /// - Precondition: The server declares a ``State`` of this type, in this object.
    public func get<Value: Codable & Sendable>(_ type: Value.Type, named name: String? = nil) throws -> Value {
        let (declaration, coder) = self.object.call.declared(type, name, .value, in: self.object)
        if let bytes = try self.transaction.value(declaration.key) { return try coder.decode(bytes) }
        return coder.initial
    }

    /// Sets a state's value.
    /// - Parameter lifetime: How long it is there; `nil` for as long as its object.
    public mutating func set<Value: Codable & Sendable>(
        _ value: Value, named name: String? = nil, for lifetime: Duration? = nil
    ) throws {
        let (declaration, coder) = self.object.call.declared(Value.self, name, .value, in: self.object)
        try self.set(declaration.key, coder.encode(value), declaration, lifetime)
    }

    /// Removes a state's value; nothing happens when it was never set.
    public mutating func remove<Value: Codable & Sendable>(_ type: Value.Type, named name: String? = nil) {
        let (declaration, _) = self.object.call.declared(type, name, .value, in: self.object)
        self.transaction.remove(declaration.key)
    }

    /// An entry of a map.
    public func entry<Value: Codable & Sendable>(
        _ key: String, _ type: Value.Type, named name: String? = nil
    ) throws -> Value? {
        let (declaration, coder) = self.object.call.declared(type, name, .map, in: self.object)
        return try self.transaction.value(declaration.key(of: key)).map { try coder.decode($0) }
    }

    /// Sets an entry of a map, or removes it.
    public mutating func setEntry<Value: Codable & Sendable>(
        _ key: String, _ value: Value?, named name: String? = nil, for lifetime: Duration? = nil
    ) throws {
        let (declaration, coder) = self.object.call.declared(Value.self, name, .map, in: self.object)
        let key = try declaration.key(of: key)
        guard let value else { return self.transaction.remove(key) }
        try self.set(key, coder.encode(value), declaration, lifetime)
    }

    /// The keys of a map that begin with `prefix`, in the order of their bytes, behind `last`.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    public func keys<Value: Codable & Sendable>(
        _ type: Value.Type, named name: String? = nil, prefix: String = "", after last: String? = nil,
        limit: Int = 1_000
    ) throws -> [String] {
        let (declaration, _) = self.object.call.declared(type, name, .map, in: self.object)
        let keys = try self.transaction.keys(
            prefix: declaration.key + Array(prefix.utf8), after: try last.map { try declaration.key(of: $0) },
            limit: limit)
        return keys.map { declaration.entry(of: $0) }
    }

    /// The entries of a map whose keys begin with `prefix`, in the order of their keys' bytes, behind `last`.
    /// - Parameter limit: At most so many; fewer mean that there are no more.
    public func entries<Value: Codable & Sendable>(
        _ type: Value.Type, named name: String? = nil, prefix: String = "", after last: String? = nil,
        limit: Int = 1_000
    ) throws -> [(key: String, value: Value)] {
        let keys = try self.keys(type, named: name, prefix: prefix, after: last, limit: limit)
        return try keys.compactMap { key in try self.entry(key, type, named: name).map { (key, $0) } }
    }

    /// Adds an element to the end of a list.
    /// - Returns: Its number, by which it is found: one more than the last element's.
    @discardableResult
    public mutating func append<Value: Codable & Sendable>(_ value: Value, named name: String? = nil) throws -> Int {
        let (declaration, coder) = self.object.call.declared(Value.self, name, .list, in: self.object)
        let number = try self.nextNumber(declaration)
        try self.set(declaration.key(of: number), coder.encode(value), declaration, nil)
        return number
    }

    func nextNumber(_ declaration: StateDeclaration) throws -> Int {
        try self.transaction.lastKey(prefix: declaration.key).map { declaration.number(of: $0) + 1 } ?? 0
    }

    mutating func set(_ key: [UInt8], _ bytes: [UInt8], _ declaration: StateDeclaration, _ lifetime: Duration?) throws {
        let time = self.object.call.dispatcher.environment.wallTime()
        try self.set(key, bytes, declaration, until: lifetime.map { time + $0 })
    }

    /// - Parameter expiry: From when on the value is no longer there.
    mutating func set(
        _ key: [UInt8], _ bytes: [UInt8], _ declaration: StateDeclaration, until expiry: WallTime?
    ) throws {
        if let memory = declaration.memory, self.object.name.kind != .handle || declaration.within != nil,
            key.count + bytes.count > memory.bytes
        {
            throw StateError(
                .overLimit,
                "A value of \(declaration.name) may take \(memory); this one takes \(key.count + bytes.count) bytes. Nothing was changed."
            )
        }
        self.transaction.set(key, bytes, expiry: expiry)
    }
}

extension StateDeclaration {
    /// The longest key of an entry, in bytes of UTF-8.
    static let entryKeyMax = 400

    /// Under which an entry of a map is stored.
    func key(of entry: String) throws -> [UInt8] {
        guard (1...Self.entryKeyMax).contains(entry.utf8.count) else {
            throw StateError(
                .overLimit,
                "A key of \(self.name) has 1 to \(Self.entryKeyMax) bytes; this one has \(entry.utf8.count).")
        }
        return self.key + Array(entry.utf8)
    }

    func entry(of key: [UInt8]) -> String { String(decoding: key.dropFirst(self.key.count), as: UTF8.self) }

    /// Under which an element of a list is stored: numbers in the order of their bytes. Negative ones come last, where
    /// no element is.
    func key(of number: Int) -> [UInt8] { self.key + UInt64(bitPattern: Int64(number)).bigEndianBytes }

    func number(of key: [UInt8]) -> Int { Int(UInt64(bigEndianBytes: key.suffix(8))) }
}

extension StateCoder {
    var initial: Value {
        guard let initially else { preconditionFailure("a state has an initial value") }
        return initially
    }
}
