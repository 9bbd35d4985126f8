import Torpor

extension WorkbenchSpace {
    mutating func createTable(_ name: String, columns: [String]) throws(ToolError) {
        let table = try Table(name, columns: columns)
        guard self.tables[name] == nil else {
            throw ToolError(
                "There is a table \(name) already. Drop it first, or choose another name.")
        }
        guard self.tables.count < WorkbenchLimits.tableCountMax else {
            throw ToolError(
                """
                The workbench holds at most \(WorkbenchLimits.tableCountMax) tables; it has \(self.tables.count), and \
                this needs 1 more. Drop one that is no longer needed.
                """)
        }
        try self.reserve(table.byteCount, isNew: true)
        self.tables[name] = table
    }

    /// - Throws: when there is no such table.
    func table(_ name: String) throws(ToolError) -> Table {
        guard let table = self.tables[name] else {
            throw ToolError("There is no table \"\(name.prefix(200))\". See what there is with list_tables.")
        }
        return table
    }

    mutating func dropTable(_ name: String) throws(ToolError) {
        self.release(try self.table(name).byteCount)
        self.tables[name] = nil
    }

    /// - Returns: The number of rows that the table has now.
    mutating func insertRows(_ rows: [JSONObject], into name: String) throws(ToolError) -> Int {
        let table = try self.table(name)
        guard rows.count <= WorkbenchLimits.insertedRowsMax else {
            throw ToolError(
                """
                One call inserts at most \(WorkbenchLimits.insertedRowsMax) rows; these are \(rows.count). \
                Use several calls.
                """)
        }
        let count = table.rows.count + rows.count
        guard count <= WorkbenchLimits.rowCountMax else {
            throw ToolError(
                """
                A table holds at most \(WorkbenchLimits.rowCountMax) rows; \(table.name) has \(table.rows.count), and \
                this needs \(rows.count) more. Delete rows that are no longer needed.
                """)
        }
        var inserted: [Row] = []
        for (index, object) in rows.enumerated() {
            inserted.append(Row(try table.cells(of: object, describedAs: "Row \(index + 1)").map { $0 ?? .null }))
        }
        try self.reserve(inserted.reduce(0) { $0 + $1.byteCount })
        self.tables[name]?.append(inserted)
        return count
    }

    /// Sets cells of the rows that match.
    /// - Returns: How many match.
    mutating func updateRows(of name: String, where conditions: [Condition], set: JSONObject) throws(ToolError) -> Int {
        let table = try self.table(name)
        guard !set.isEmpty else { throw ToolError("The argument set names no column.") }
        let cells = try table.cells(of: set, describedAs: "The argument set")
        let changed = try table.rows(matching: conditions).map { index in (index, table.rows[index].setting(cells)) }
        try self.reserve(changed.reduce(0) { $0 + $1.1.byteCount - table.rows[$1.0].byteCount })
        self.tables[name]?.replace(changed)
        return changed.count
    }

    /// - Returns: How many rows matched, and are gone.
    mutating func deleteRows(of name: String, where conditions: [Condition]) throws(ToolError) -> Int {
        let table = try self.table(name)
        let deleted = try table.rows(matching: conditions)
        self.release(deleted.reduce(0) { $0 + table.rows[$1].byteCount })
        self.tables[name]?.remove(at: deleted)
        return deleted.count
    }
}
