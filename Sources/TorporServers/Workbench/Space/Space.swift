import Torpor

/// What one caller keeps: notes, a memory of keys and values, and tables, in a state object.
///
/// Each note, key, and chunk of a table's rows is a value of its own, so that a change costs what it changes. What reads
/// needs no turn; each change is one update, and changes nothing when it throws.
struct Space: Sendable {
    let call: Call
    /// `nil` for the caller's own.
    let handle: StateHandle?

    /// All of a kind: no object has as many values.
    static let all = 1_000_000

    init(_ call: Call, _ handle: StateHandle? = nil) {
        self.call = call
        self.handle = handle
    }

    /// The space that a call without a handle means; `nil` for callers who have none of their own.
    static func own(of call: Call) -> Space? { call.needsHandle(of: "space") ? nil : Space(call) }

    /// Changes the space: all that `body` changes, or nothing.
    /// - Throws: What `body` throws; a ``ToolError`` when there is no room.
    func update<Result>(_ body: (inout StateChanges) throws -> Result) async throws -> Result {
        do {
            return try await self.call.stateObject("space", self.handle).update(body)
        } catch let error as StateError where error.code == .overLimit {
            throw ToolError("The workbench is full. \(error.message)")
        }
    }

    var notes: StateMapReference<NoteHead> { get throws { try self.call.stateMap(NoteHead.self, self.handle) } }
    var texts: StateMapReference<String> { get throws { try self.call.stateMap(String.self, self.handle) } }
    var memory: StateMapReference<MemoryEntry> { get throws { try self.call.stateMap(MemoryEntry.self, self.handle) } }
    var tables: StateMapReference<TableHead> { get throws { try self.call.stateMap(TableHead.self, self.handle) } }
    var rows: StateMapReference<RowChunk> { get throws { try self.call.stateMap(RowChunk.self, self.handle) } }
}

extension StateChanges {
    /// The next number of the space, greater than all before.
    mutating func nextNumber() throws -> Int {
        let number = try self.get(Int.self) + 1
        try self.set(number)
        return number
    }
}
