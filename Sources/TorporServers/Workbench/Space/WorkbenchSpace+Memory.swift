import Torpor

/// A value under a key.
struct MemoryEntry: Sendable {
    var key: String
    var value: JSONValue

    var byteCount: Int { Weight.entry + Weight.text(self.key) + Weight.value(self.value) }
}

extension WorkbenchSpace {
    /// Keeps `value` in place of any other under this key.
    /// - Returns: Whether there was none before.
    mutating func remember(_ key: String, _ value: JSONValue) throws(ToolError) -> Bool {
        try ToolError.checkName(key, "key")
        let size = if case .string(let text) = value { text.utf8.count } else { value.text.utf8.count }
        try ToolError.checkSize(size, of: "value")
        let former = self.memory[key]
        let entry = MemoryEntry(key: key, value: value)
        try self.reserve(entry.byteCount - (former?.byteCount ?? 0), isNew: former == nil)
        self.memory[key] = entry
        return former == nil
    }

    /// - Throws: when nothing is kept under this key.
    func recall(_ key: String) throws(ToolError) -> JSONValue {
        try self.entry(key).value
    }

    mutating func forget(_ key: String) throws(ToolError) {
        self.release(try self.entry(key).byteCount)
        self.memory[key] = nil
    }

    /// What is kept under keys that begin with `prefix`, by key.
    func memory(under prefix: String) -> [MemoryEntry] {
        self.memory.values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
    }

    private func entry(_ key: String) throws(ToolError) -> MemoryEntry {
        guard let entry = self.memory[key] else {
            throw ToolError("Nothing is remembered under the key \"\(key.prefix(200))\". Find keys with list_memory.")
        }
        return entry
    }
}
