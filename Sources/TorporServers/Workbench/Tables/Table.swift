import Torpor

/// Rows of cells under named columns.
struct Table: Sendable {
    let name: String
    let columns: [String]
    private(set) var rows: [Row] = []

    /// - Throws: when the name or the columns are no good.
    init(_ name: String, columns: [String]) throws(ToolError) {
        try ToolError.checkName(name, "table's name")
        guard !columns.isEmpty else { throw ToolError("A table has at least one column.") }
        guard columns.count <= WorkbenchLimits.columnCountMax else {
            throw ToolError(
                "A table has at most \(WorkbenchLimits.columnCountMax) columns; this one has \(columns.count)."
            )
        }
        for column in columns { try ToolError.checkName(column, "column's name") }
        guard Set(columns).count == columns.count else {
            throw ToolError("No two columns have the same name.")
        }
        self.name = name
        self.columns = columns
    }

    /// A stored table, without rows.
    init(_ head: TableHead) {
        self.name = head.name
        self.columns = head.columns
    }

    /// What all of it takes, about.
    var byteCount: Int {
        let head = self.columns.reduce(Weight.entry + Weight.text(self.name)) { $0 + Weight.column + Weight.text($1) }
        return self.rows.reduce(head) { $0 + $1.byteCount }
    }

    mutating func append(_ rows: some Sequence<Row>) { self.rows += rows }

    /// The place of a column.
    /// - Throws: when there is no such column; the error names those that there are.
    func index(of column: String) throws(ToolError) -> Int {
        guard let index = self.columns.firstIndex(of: column) else {
            throw ToolError(
                """
                The table \(self.name) has no column "\(column.prefix(200))"; \
                it has \(self.columns.joined(separator: ", ")).
                """)
        }
        return index
    }

    /// The cells of an object in the order of the columns, `nil` where it has no member.
    /// - Throws: for a column that there is not, and for a value that no cell holds.
    func cells(of object: JSONObject, describedAs place: String) throws(ToolError) -> [JSONValue?] {
        var cells = [JSONValue?](repeating: nil, count: self.columns.count)
        for member in object.members {
            do {
                cells[try self.index(of: member.name)] = try Cell(member.value).value
            } catch {
                throw ToolError("\(place), column \(member.name.prefix(200)): \(error.message) Nothing was changed.")
            }
        }
        return cells
    }

    /// Tells the rows that meet every condition: all rows for no condition.
    func test(_ conditions: [Condition]) throws(ToolError) -> RowTest {
        guard conditions.count <= WorkbenchLimits.conditionCountMax else {
            throw ToolError(
                "There are at most \(WorkbenchLimits.conditionCountMax) conditions; these are \(conditions.count)."
            )
        }
        var tests: [(column: Int, test: CellTest)] = []
        for condition in conditions { tests.append((try self.index(of: condition.column), try CellTest(condition))) }
        return RowTest(tests: tests)
    }
}

/// Conditions, made ready to test many rows.
struct RowTest {
    let tests: [(column: Int, test: CellTest)]

    func passes(_ row: Row) -> Bool { self.tests.allSatisfy { $0.test.passes(row.cells[$0.column]) } }
}

/// One row of a table: a cell for each column, `null` where there is none.
struct Row: Sendable {
    let cells: [JSONValue]
    let byteCount: Int

    init(_ cells: [JSONValue]) {
        self.cells = cells
        self.byteCount = cells.reduce(Weight.row) { $0 + Weight.value($1) }
    }

    /// The row with those cells in place of its own that are not `nil`.
    func setting(_ cells: [JSONValue?]) -> Row { Row(zip(self.cells, cells).map { $1 ?? $0 }) }
}
