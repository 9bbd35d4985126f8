import Torpor

/// A value under a key.
struct MemoryEntry: Codable, Sendable {
    var key: String
    var value: JSONValue
}

extension StateChanges {
    /// Keeps `value` in place of any other under this key.
    /// - Returns: Whether there was none before.
    mutating func remember(_ key: String, _ value: JSONValue) throws -> Bool {
        try ToolError.checkName(key, "key")
        let size = if case .string(let text) = value { text.utf8.count } else { value.text.utf8.count }
        try ToolError.checkSize(size, of: "value")
        let entryKey = EntryKey.key(of: key)
        let isNew = try self.entry(entryKey, MemoryEntry.self) == nil
        try self.setEntry(entryKey, MemoryEntry(key: key, value: value))
        return isNew
    }

    mutating func forget(_ key: String) throws {
        let entryKey = EntryKey.key(of: key)
        guard try self.entry(entryKey, MemoryEntry.self) != nil else { throw ToolError.nothingRemembered(key) }
        try self.setEntry(entryKey, MemoryEntry?.none)
    }
}

extension Space {
    private static let entriesPerRead = 100

    /// - Throws: when nothing is kept under this key.
    func recall(_ key: String) async throws -> JSONValue {
        guard let entry = try await self.memory.get(EntryKey.key(of: key)) else {
            throw ToolError.nothingRemembered(key)
        }
        return entry.value
    }

    /// Passes what is kept under keys that begin with `prefix` to `body`, by key; some of it is held at a time.
    func forEachEntry(under prefix: String = "", _ body: (MemoryEntry) -> Void) async throws {
        let keyPrefix = EntryKey.prefix(of: prefix)
        var last: String?
        while true {
            let entries = try await self.memory.entries(prefix: keyPrefix, after: last, limit: Self.entriesPerRead)
            for (_, entry) in entries where entry.key.hasPrefix(prefix) { body(entry) }
            guard entries.count == Self.entriesPerRead else { return }
            last = entries.last?.key
        }
    }
}

extension ToolError {
    fileprivate static func nothingRemembered(_ key: String) -> ToolError {
        ToolError("Nothing is remembered under the key \"\(key.prefix(200))\". Find keys with list_memory.")
    }
}
