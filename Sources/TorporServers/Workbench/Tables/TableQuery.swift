import Torpor

/// What a row must be like: a column, an operator and a value.
struct Condition: Decodable, Sendable, DescribedFields {
    enum Operator: String, CaseIterable, Decodable, Sendable { case eq, ne, lt, le, gt, ge, contains }

    var column: String
    var op: Operator
    var value: JSONValue

    static let fields: [String: Field] = [
        "column": "The column to look at.",
        "op": """
        eq and ne compare anything; lt, le, gt, ge compare numbers with numbers and texts with texts; \
        contains ignores case.
        """,
        "value": "A text, a number, true, false, or null for a missing cell.",
    ]
}

/// What to reckon from the rows that match, instead of showing them.
struct Aggregate: Decodable, Sendable, DescribedFields {
    enum Function: String, CaseIterable, Decodable, Sendable { case count, sum, avg, min, max }

    var function: Function
    var column: String?
    var groupBy: String?

    enum CodingKeys: String, CodingKey {
        case function, column
        case groupBy = "group_by"
    }

    static let fields: [String: Field] = [
        "function": "sum and avg take the numbers of the column, min and max all cells that are not missing.",
        "column": "What to reckon from. Without it, count counts rows; the other functions need it.",
        "group_by": "A column: one result for each of its values, instead of one for all rows.",
    ]
}

/// Which rows of a table to show, how, and in which order.
struct TableQuery: Sendable {
    var conditions: [Condition] = []
    var orderBy: String?
    var isDescending = false
    /// `nil`: all.
    var columns: [String]?
    var rowCountMax = WorkbenchLimits.queriedRowsDefault
    var aggregate: Aggregate?

    /// What a query answers.
    struct Answer: Sendable {
        var columns: [String]
        var rows: [[JSONValue]]
        /// How many rows there would be without a limit.
        var totalCount: Int
    }

    /// - Throws: for columns that there are not, and for an answer that is too large.
    func run(on table: Table) throws(ToolError) -> Answer {
        let test = try table.test(self.conditions)
        return try self.answer(table.rows.indices.filter { test.passes(table.rows[$0]) }, table)
    }

    /// The answer from a table that has no other rows than those that meet the conditions.
    func answer(from table: Table) throws(ToolError) -> Answer { try self.answer(Array(table.rows.indices), table) }

    private func answer(_ matching: [Int], _ table: Table) throws(ToolError) -> Answer {
        let answer =
            if let aggregate { try self.reckon(aggregate, matching, table) } else { try self.show(matching, table) }
        let size = answer.rows.reduce(0) { $0 + $1.reduce(0) { $0 + Weight.value($1) } }
        guard size <= WorkbenchLimits.answerMax.bytes else {
            throw ToolError(
                """
                An answer takes at most \(WorkbenchLimits.answerMax); these \(answer.rows.count) rows take \(size) \
                bytes. Ask for fewer rows (limit, where) or columns.
                """)
        }
        return answer
    }

    private func show(_ matching: [Int], _ table: Table) throws(ToolError) -> Answer {
        var order = matching
        if let name = self.orderBy {
            let column = try table.index(of: name)
            order = self.sort(matching.map { (Cell(stored: table.rows[$0].cells[column]), $0) })
        }
        var shown: [Int] = []
        for column in self.columns ?? table.columns { shown.append(try table.index(of: column)) }
        let rows = order.prefix(self.rowCountMax).map { row in shown.map { table.rows[row].cells[$0] } }
        return Answer(columns: shown.map { table.columns[$0] }, rows: rows, totalCount: matching.count)
    }

    /// Equal cells stay in the order in which they are.
    private func sort<Value>(_ keyed: [(Cell, Value)]) -> [Value] {
        let order = keyed.indices.sorted { left, right in
            let (first, second) = self.isDescending ? (right, left) : (left, right)
            return keyed[first].0 == keyed[second].0 ? left < right : keyed[first].0 < keyed[second].0
        }
        return order.map { keyed[$0].1 }
    }

    // MARK: Aggregates

    private func reckon(_ aggregate: Aggregate, _ matching: [Int], _ table: Table) throws(ToolError) -> Answer {
        guard self.columns == nil else { throw ToolError("Use either columns or aggregate, not both.") }
        var column: Int?
        if let name = aggregate.column { column = try table.index(of: name) }
        guard column != nil || aggregate.function == .count else {
            throw ToolError("The function \(aggregate.function.rawValue) needs a column.")
        }
        let title = "\(aggregate.function.rawValue)(\(aggregate.column ?? "*"))"
        guard let groupBy = aggregate.groupBy else {
            let result = try self.result(of: aggregate.function, column, matching, table)
            return Answer(columns: [title], rows: [[result.value]].prefix(self.rowCountMax).map { $0 }, totalCount: 1)
        }
        let groupColumn = try table.index(of: groupBy)
        var groups: [[Cell]] = []
        for group in Self.groups(matching, by: groupColumn, table) {
            let key = Cell(stored: table.rows[group[0]].cells[groupColumn])
            groups.append([key, try self.result(of: aggregate.function, column, group, table)])
        }
        let columns = [table.columns[groupColumn], title]
        guard let index = columns.firstIndex(of: self.orderBy ?? groupBy) else {
            throw ToolError("With group_by, order_by is one of \(columns.joined(separator: ", ")).")
        }
        let rows = self.sort(groups.map { ($0[index], $0) }).prefix(self.rowCountMax)
        return Answer(columns: columns, rows: rows.map { $0.map(\.value) }, totalCount: groups.count)
    }

    /// The rows with equal cells in a column, together.
    private static func groups(_ matching: [Int], by column: Int, _ table: Table) -> [[Int]] {
        let sorted = matching.map { (Cell(stored: table.rows[$0].cells[column]), $0) }.sorted { $0 < $1 }
        var groups: [[Int]] = []
        var last: Cell?
        for (cell, row) in sorted {
            if cell == last { groups[groups.count - 1].append(row) } else { groups.append([row]) }
            last = cell
        }
        return groups
    }

    private func result(of function: Aggregate.Function, _ column: Int?, _ rows: [Int], _ table: Table)
        throws(ToolError) -> Cell
    {
        guard let column else { return .integer(rows.count, JSONNumber(rows.count)) }
        let cells = rows.map { Cell(stored: table.rows[$0].cells[column]) }.filter { $0 != .missing }
        switch function {
        case .count: return .integer(cells.count, JSONNumber(cells.count))
        case .min: return cells.min() ?? .missing
        case .max: return cells.max() ?? .missing
        case .sum: return try Self.sum(cells)
        case .avg:
            let numbers = cells.compactMap(\.number)
            return numbers.isEmpty ? .missing : try Self.cell(numbers.reduce(0, +) / Double(numbers.count))
        }
    }

    /// Exact while all are integers and their sum is one that fits.
    private static func sum(_ cells: [Cell]) throws(ToolError) -> Cell {
        var exact: Int? = 0
        for case .integer(let integer, _) in cells {
            exact = exact.flatMap { sum in
                let (next, overflows) = sum.addingReportingOverflow(integer)
                return overflows ? nil : next
            }
        }
        let hasFraction = cells.contains { if case .fraction = $0 { true } else { false } }
        if let exact, !hasFraction { return .integer(exact, JSONNumber(exact)) }
        return try self.cell(cells.compactMap(\.number).reduce(0, +))
    }

    private static func cell(_ number: Double) throws(ToolError) -> Cell {
        guard let exact = JSONNumber(number) else { throw ToolError("The result is out of range.") }
        return try Cell(.number(exact))
    }
}

extension Cell {
    /// The number, rounded to a `Double`; `nil` for anything else.
    fileprivate var number: Double? {
        switch self {
        case .integer(let integer, _): Double(integer)
        case .fraction(let fraction, _): fraction
        default: nil
        }
    }
}
