import Torpor

/// What is known of a table beside its rows.
struct TableHead: Codable, Sendable {
    var name: String
    var columns: [String]
    /// Names its rows; another table that gets its name later has another number.
    var number: Int
    var rowCount = 0
    /// The number of the next chunk: one more than the last that there is.
    var chunkEnd = 0

    /// What the keys of its chunks begin with.
    var chunkPrefix: String { "\(self.number)/" }

    /// Keys of chunks are in the order of their numbers.
    func chunkKey(_ number: Int) -> String {
        let digits = String(number)
        return self.chunkPrefix + String(repeating: "0", count: 12 - digits.utf8.count) + digits
    }
}

extension StateChanges {
    mutating func createTable(_ name: String, columns: [String]) throws {
        let table = try Table(name, columns: columns)
        let key = EntryKey.key(of: name)
        guard try self.entry(key, TableHead.self) == nil else {
            throw ToolError(
                "There is a table \(name) already. Drop it first, or choose another name.")
        }
        let count = try self.keys(TableHead.self, limit: WorkbenchLimits.tableCountMax).count
        guard count < WorkbenchLimits.tableCountMax else {
            throw ToolError(
                """
                The workbench holds at most \(WorkbenchLimits.tableCountMax) tables; it has \(count), and this needs \
                1 more. Drop one that is no longer needed.
                """)
        }
        try self.setEntry(key, TableHead(name: table.name, columns: table.columns, number: try self.nextNumber()))
    }

    mutating func dropTable(_ name: String) throws {
        let head = try self.tableHead(name)
        for key in try self.keys(RowChunk.self, prefix: head.chunkPrefix, limit: Space.all) {
            try self.setEntry(key, RowChunk?.none)
        }
        try self.setEntry(EntryKey.key(of: name), TableHead?.none)
    }

    /// - Returns: The number of rows that the table has now.
    mutating func insertRows(_ rows: [JSONObject], into name: String) throws -> Int {
        let head = try self.tableHead(name)
        guard rows.count <= WorkbenchLimits.insertedRowsMax else {
            throw ToolError(
                """
                One call inserts at most \(WorkbenchLimits.insertedRowsMax) rows; these are \(rows.count). \
                Use several calls.
                """)
        }
        guard head.rowCount + rows.count <= WorkbenchLimits.rowCountMax else {
            throw ToolError(
                """
                A table holds at most \(WorkbenchLimits.rowCountMax) rows; \(head.name) has \(head.rowCount), and \
                this needs \(rows.count) more. Delete rows that are no longer needed.
                """)
        }
        let table = Table(head)
        var inserted: [Row] = []
        for (index, object) in rows.enumerated() {
            inserted.append(Row(try table.cells(of: object, describedAs: "Row \(index + 1)").map { $0 ?? .null }))
        }
        var chunks = RowChunks(end: head.chunkEnd)
        if head.chunkEnd > 0, let last = try self.entry(head.chunkKey(head.chunkEnd - 1), RowChunk.self) {
            chunks = RowChunks([(head.chunkEnd - 1, last)])
        }
        chunks.append(inserted)
        return try self.store(chunks, of: head, rowCount: head.rowCount + rows.count)
    }

    /// Sets cells of the rows that match.
    /// - Returns: How many match, and how many rows there are.
    mutating func updateRows(of name: String, where conditions: [Condition], set: JSONObject) throws -> (
        changed: Int, rows: Int
    ) {
        let head = try self.tableHead(name)
        let table = Table(head)
        guard !set.isEmpty else { throw ToolError("The argument set names no column.") }
        let cells = try table.cells(of: set, describedAs: "The argument set")
        let test = try table.test(conditions)
        var chunks = try self.chunks(of: head)
        let changed = chunks.replace { test.passes($0) ? $0.setting(cells) : nil }
        return (changed, try self.store(chunks, of: head, rowCount: head.rowCount))
    }

    /// - Returns: How many rows matched, and are gone, and how many there are.
    mutating func deleteRows(of name: String, where conditions: [Condition]) throws -> (changed: Int, rows: Int) {
        let head = try self.tableHead(name)
        let test = try Table(head).test(conditions)
        var chunks = try self.chunks(of: head)
        let deleted = chunks.remove { test.passes($0) }
        return (deleted, try self.store(chunks, of: head, rowCount: head.rowCount - deleted))
    }

    private func tableHead(_ name: String) throws -> TableHead {
        guard let head = try self.entry(EntryKey.key(of: name), TableHead.self) else { throw ToolError.noTable(name) }
        return head
    }

    private func chunks(of head: TableHead) throws -> RowChunks {
        let entries = try self.entries(RowChunk.self, prefix: head.chunkPrefix, limit: Space.all)
        return RowChunks(entries.map { (head.chunkNumber(ofKey: $0.key), $0.value) })
    }

    private mutating func store(_ chunks: RowChunks, of head: TableHead, rowCount: Int) throws -> Int {
        for (number, rows) in chunks.changes { try self.setEntry(head.chunkKey(number), rows) }
        guard !chunks.changes.isEmpty else { return rowCount }
        var head = head
        head.rowCount = rowCount
        head.chunkEnd = chunks.end
        try self.setEntry(EntryKey.key(of: head.name), head)
        return rowCount
    }
}

extension Space {
    /// The tables, by name.
    func tableHeads() async throws -> [TableHead] { try await self.tables.entries(limit: Self.all).map(\.value) }

    /// A table with those of its rows that meet every condition.
    /// - Throws: when there is no such table.
    func table(_ name: String, where conditions: [Condition] = []) async throws -> Table {
        let head = try await self.tableHead(name)
        var table = Table(head)
        let test = try table.test(conditions)
        // As of one moment: a change may move rows from chunk to chunk.
        let chunks = try await self.rows.entries(prefix: head.chunkPrefix, limit: Self.all)
        // Since then it may have been dropped.
        if chunks.isEmpty, head.rowCount > 0 { _ = try await self.tableHead(name) }
        for chunk in chunks { table.append(chunk.value.rows.lazy.map { Row($0) }.filter { test.passes($0) }) }
        return table
    }

    private func tableHead(_ name: String) async throws -> TableHead {
        guard let head = try await self.tables.get(EntryKey.key(of: name)) else { throw ToolError.noTable(name) }
        return head
    }
}

extension TableHead {
    fileprivate func chunkNumber(ofKey key: String) -> Int {
        guard let number = Int(key.dropFirst(self.chunkPrefix.count)) else {
            preconditionFailure("the keys of chunks are made of their numbers")
        }
        return number
    }
}

extension ToolError {
    fileprivate static func noTable(_ name: String) -> ToolError {
        ToolError("There is no table \"\(name.prefix(200))\". See what there is with list_tables.")
    }
}
