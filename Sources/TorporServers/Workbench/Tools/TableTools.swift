import Torpor

extension Workbench {
    @ServerBuilder static var tableTools: [any ServerComponent] {
        Tool(
            "create_table",
            "Makes an empty table with named columns. Cells hold texts, numbers, true, false or nothing.",
            title: "Create a table", annotations: .adding
        ) { (input: CreateTable, call) in
            try await Space(call, input.space).update { try $0.createTable(input.name, columns: input.columns) }
            return "Created the table \(input.name) with the columns \(input.columns.joined(separator: ", "))."
        }
        Tool(
            "insert_rows", "Adds rows at the end of a table: all of them, or none if one does not fit.",
            title: "Insert rows",
            annotations: .adding
        ) { (input: InsertRows, call) in
            let count = try await Space(call, input.space).update { try $0.insertRows(input.rows, into: input.table) }
            return ChangedRows(table: input.table, verb: "inserted", changed: input.rows.count, rows: count)
        }
        Tool(
            "query_table",
            """
            Answers the rows of a table that meet every condition, or a count, sum, average, minimum or maximum of \
            them. Text results are CSV. In order_by, missing cells come first, then false, true, numbers and texts.
            """, title: "Query a table", annotations: .readOnly
        ) { (input: QueryTable, call) in
            let table = try await Space(call, input.space).table(input.table, where: input.conditions ?? [])
            return QueryAnswer(try input.query.answer(from: table))
        }
        Tool(
            "update_rows", "Sets cells of all rows that meet every condition.", title: "Update rows",
            annotations: .replacing
        ) { (input: UpdateRows, call) in
            let (changed, rows) = try await Space(call, input.space).update { space in
                try space.updateRows(of: input.table, where: input.conditions, set: input.set)
            }
            return ChangedRows(table: input.table, verb: "updated", changed: changed, rows: rows)
        }
        Tool(
            "delete_rows", "Deletes all rows that meet every condition, for good.", title: "Delete rows",
            annotations: .replacing
        ) { (input: DeleteRows, call) in
            let (deleted, rows) = try await Space(call, input.space).update { space in
                try space.deleteRows(of: input.table, where: input.conditions)
            }
            return ChangedRows(table: input.table, verb: "deleted", changed: deleted, rows: rows)
        }
        Tool(
            "describe_table",
            "Tells the columns of a table, what kinds of cells they hold, and how many rows there are.",
            title: "Describe a table", annotations: .readOnly
        ) { (input: NamedTable, call) in
            TableDescription(try await Space(call, input.space).table(input.table))
        }
        Tool(
            "list_tables", "Lists the tables with their columns and numbers of rows.", title: "List tables",
            annotations: .readOnly
        ) { (input: ListTables, call) in
            TableList(try await Space(call, input.space).tableHeads())
        }
        Tool(
            "drop_table", "Deletes a table with all its rows, for good.", title: "Drop a table", annotations: .replacing
        ) { (input: DropTable, call) in
            try await Space(call, input.space).update { try $0.dropTable(input.name) }
            return "Dropped the table \(input.name)."
        }
    }
}

// MARK: - Arguments

private let tableField = Field("The table's name.", length: 1...WorkbenchLimits.nameLengthMax)
private let conditionsLength = 0...WorkbenchLimits.conditionCountMax

private struct CreateTable: ToolInput {
    var name: String
    var columns: [String]
    var space: StateHandle?

    static let fields = [
        "name": Field("A name for the table.", length: 1...WorkbenchLimits.nameLengthMax),
        "columns": Field("Names of the columns, all different.", length: 1...WorkbenchLimits.columnCountMax),
        "space": spaceField,
    ]
}

private struct InsertRows: ToolInput {
    var table: String
    var rows: [JSONObject]
    var space: StateHandle?

    static let fields = [
        "table": tableField,
        "rows": Field(
            "Each row is an object of cells by column; columns left out stay empty.",
            length: 1...WorkbenchLimits.insertedRowsMax),
        "space": spaceField,
    ]
}

private struct QueryTable: ToolInput {
    var table: String
    var conditions: [Condition]?
    var orderBy: String?
    var descending: Bool?
    var columns: [String]?
    var limit: Int?
    var aggregate: Aggregate?
    var space: StateHandle?

    enum CodingKeys: String, CodingKey {
        case table
        case conditions = "where"
        case orderBy = "order_by"
        case descending, columns, limit, aggregate, space
    }

    static let fields = [
        "table": tableField,
        "where": Field("Conditions, all of which a row must meet. Default: every row.", length: conditionsLength),
        "order_by": Field("The column to sort by. Default: as inserted; with group_by, by group."),
        "descending": Field("Whether to sort from high to low. Default false."),
        "columns": Field(
            "The columns to answer, in this order. Default: all.", length: 1...WorkbenchLimits.columnCountMax),
        "limit": Field(
            "The most rows to answer. Default \(WorkbenchLimits.queriedRowsDefault).",
            range: 1...WorkbenchLimits.queriedRowsMax),
        "aggregate": Field(
            "Reckons one value from the rows that match, or one for each group, instead of showing them."),
        "space": spaceField,
    ]

    var query: TableQuery {
        TableQuery(
            conditions: self.conditions ?? [], orderBy: self.orderBy, isDescending: self.descending ?? false,
            columns: self.columns,
            rowCountMax: self.limit ?? WorkbenchLimits.queriedRowsDefault, aggregate: self.aggregate)
    }
}

private struct UpdateRows: ToolInput {
    var table: String
    var conditions: [Condition]
    var set: JSONObject
    var space: StateHandle?

    enum CodingKeys: String, CodingKey {
        case table
        case conditions = "where"
        case set, space
    }

    static let fields = [
        "table": tableField,
        "where": Field("Conditions, all of which a row must meet; [] means every row.", length: conditionsLength),
        "set": Field("The new cells by column; null empties a cell."),
        "space": spaceField,
    ]
}

private struct DeleteRows: ToolInput {
    var table: String
    var conditions: [Condition]
    var space: StateHandle?

    enum CodingKeys: String, CodingKey {
        case table
        case conditions = "where"
        case space
    }

    static let fields = [
        "table": tableField,
        "where": Field("Conditions, all of which a row must meet; [] means every row.", length: conditionsLength),
        "space": spaceField,
    ]
}

private struct NamedTable: ToolInput {
    var table: String
    var space: StateHandle?
    static let fields = ["table": tableField, "space": spaceField]
}

private struct DropTable: ToolInput {
    var name: String
    var space: StateHandle?
    static let fields = ["name": tableField, "space": spaceField]
}

private struct ListTables: ToolInput {
    var space: StateHandle?
    static let fields = ["space": spaceField]
}

// MARK: - Results

private struct ChangedRows: StructuredOutput {
    var table: String
    var changed: Int
    var rows: Int
    /// For the model's text only.
    private var verb = "changed"

    init(table: String, verb: String, changed: Int, rows: Int) {
        self.table = table
        self.changed = changed
        self.rows = rows
        self.verb = verb
    }

    enum CodingKeys: String, CodingKey { case table, changed, rows }

    static let fields: [String: Field] = [
        "changed": "How many rows the call inserted, updated or deleted.", "rows": "How many rows the table has now.",
    ]

    var modelText: String? { "Rows \(self.verb): \(self.changed). Rows in \(self.table) now: \(self.rows)." }
}

private struct QueryAnswer: StructuredOutput {
    var columns: [String]
    var rows: [[JSONValue]]
    var total: Int

    init(_ answer: TableQuery.Answer) {
        self.columns = answer.columns
        self.rows = answer.rows
        self.total = answer.totalCount
    }

    static let fields: [String: Field] = [
        "rows": "The cells of each row in the order of columns; null where a cell is missing.",
        "total": "How many rows there are without the limit.",
    ]

    var modelText: String? {
        "Rows: \(self.rows.count) of \(self.total)\n" + CSV.text(columns: self.columns, rows: self.rows)
    }
}

private struct TableDescription: StructuredOutput {
    struct Column: Codable, DescribedFields {
        var name: String
        var kinds: [String]
        var filled: Int

        static let fields: [String: Field] = [
            "kinds": "What the cells are: boolean, number, text.", "filled": "How many rows have a cell here.",
        ]
    }

    var name: String
    var columns: [Column]
    var rows: Int
    var bytes: Int

    init(_ table: Table) {
        self.name = table.name
        self.rows = table.rows.count
        self.bytes = table.byteCount
        self.columns = table.columns.enumerated().map { index, name in
            let cells = table.rows.map { Cell(stored: $0.cells[index]) }.filter { $0 != .missing }
            return Column(name: name, kinds: Set(cells.map(\.kind)).sorted(), filled: cells.count)
        }
    }

    static let fields: [String: Field] = ["bytes": "About what the table takes."]

    var modelText: String? {
        let lines = self.columns.map { column in
            let kinds = column.kinds.isEmpty ? "empty" : column.kinds.joined(separator: ", ")
            return "- \(column.name): \(kinds), \(column.filled) filled"
        }
        return (["Table \(self.name); rows: \(self.rows), bytes: \(self.bytes). Columns:"] + lines)
            .joined(separator: "\n")
    }
}

private struct TableList: StructuredOutput {
    struct Entry: Codable, DescribedFields {
        var name: String
        var columns: [String]
        var rows: Int
    }

    var tables: [Entry]

    init(_ tables: [TableHead]) {
        self.tables = tables.map { Entry(name: $0.name, columns: $0.columns, rows: $0.rowCount) }
    }

    var modelText: String? {
        guard !self.tables.isEmpty else { return "There are no tables." }
        return self.tables.map { "- \($0.name) (\($0.columns.joined(separator: ", "))), rows: \($0.rows)" }.joined(
            separator: "\n")
    }
}
