import Torpor

/// What one caller keeps: notes, a memory of keys and values, and tables. A value, so a copy is a moment's view.
///
/// Every method that changes it decides first: when it throws, nothing has changed.
struct WorkbenchSpace: Sendable {
    /// By title. Titles, keys and names that are canonically equivalent are the same.
    var notes: [String: Note] = [:]
    /// By key.
    var memory: [String: MemoryEntry] = [:]
    /// By name.
    var tables: [String: Table] = [:]
    /// What all of it takes in memory.
    private(set) var byteCount = 0
    /// How many bytes more all spaces together may take.
    var roomOutside = WorkbenchLimits.contentsMax.bytes
    /// Counts changes of notes, to tell newer from older.
    private var changeCount = 0

    var isEmpty: Bool { self.entryCount == 0 }
    var entryCount: Int { self.notes.count + self.memory.count + self.tables.count }

    mutating func nextChange() -> Int {
        self.changeCount += 1
        return self.changeCount
    }

    /// Takes `growth` bytes, or gives them back when it is negative.
    /// - Parameter isNew: Whether an entry will be added.
    /// - Throws: when there is no room; then nothing was taken.
    mutating func reserve(_ growth: Int, isNew: Bool = false) throws(ToolError) {
        if isNew, self.entryCount >= WorkbenchLimits.entryCountMax {
            throw ToolError(
                """
                The workbench holds at most \(WorkbenchLimits.entryCountMax) entries (notes, keys and tables); it has \
                \(self.entryCount), and this needs 1 more. Delete some that are no longer needed.
                """)
        }
        if growth > 0 {
            guard growth <= WorkbenchLimits.spaceMax.bytes - self.byteCount else {
                throw ToolError(
                    """
                    The workbench holds at most \(WorkbenchLimits.spaceMax); \(self.byteCount) bytes are used, and \
                    this needs \(growth) more. Delete notes, keys, rows or tables that are no longer needed.
                    """)
            }
            guard growth <= self.roomOutside else {
                throw ToolError(
                    """
                    The workbenches of all callers hold at most \(WorkbenchLimits.contentsMax) together; \
                    \(WorkbenchLimits.contentsMax.bytes - self.roomOutside) bytes are used, and this needs \(growth) \
                    more. Delete what is no longer needed, or try again later.
                    """)
            }
        }
        self.byteCount += growth
        self.roomOutside -= growth
    }

    /// Gives back what a removed entry took.
    mutating func release(_ byteCount: Int) {
        self.byteCount -= byteCount
        self.roomOutside += byteCount
    }
}
