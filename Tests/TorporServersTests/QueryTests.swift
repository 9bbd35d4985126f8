import Testing
import Torpor

@testable import TorporServers

struct QueryTests {
    private let table: Table

    init() throws {
        var table = try Table("things", columns: ["id", "value", "group"])
        let values: [JSONValue] = [
            "b", 10, .null, 2.5, true, "a", false, -1, "A", .number(JSONNumber(text: "10.0")!),
        ]
        table.append(values.enumerated().map { Row([.init(integerLiteral: $0), $1, $0 < 5 ? "low" : "high"]) })
        self.table = table
    }

    private func ids(_ query: TableQuery) throws -> [Int] {
        var query = query
        query.columns = ["id"]
        return try query.run(on: self.table).rows.map { row in
            guard case .number(let number) = row[0] else { return -1 }
            return number.int ?? -1
        }
    }

    private func ids(_ op: Condition.Operator, _ value: JSONValue) throws -> [Int] {
        try self.ids(TableQuery(conditions: [Condition(column: "value", op: op, value: value)]))
    }

    // MARK: Conditions

    @Test func equalityComparesNumbersByValueAndTextsByCase() throws {
        #expect(try self.ids(.eq, 10) == [1, 9])
        #expect(try self.ids(.eq, "a") == [5])
        #expect(try self.ids(.eq, .null) == [2])
        #expect(try self.ids(.eq, true) == [4])
        #expect(try self.ids(.ne, 10) == [0, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func orderComparesCellsOfOneKindOnly() throws {
        #expect(try self.ids(.lt, 10) == [3, 7])
        #expect(try self.ids(.le, 10) == [1, 3, 7, 9])
        #expect(try self.ids(.gt, 2.5) == [1, 9])
        #expect(try self.ids(.ge, 2.5) == [1, 3, 9])
        #expect(try self.ids(.gt, "A") == [0, 5])
        #expect(try self.ids(.lt, true) == [6])
        #expect(try self.ids(.le, .null) == [])
        #expect(try self.ids(.ge, .null) == [])
    }

    @Test func containsLooksInTextsWithoutRegardToCase() throws {
        #expect(try self.ids(.contains, "a") == [5, 8])
        #expect(try self.ids(.contains, "") == [0, 5, 8])
        #expect(throws: ToolError("The operator contains needs a text as its value.")) { try self.ids(.contains, 1) }
    }

    @Test func aRowMeetsEveryCondition() throws {
        let conditions = [
            Condition(column: "value", op: .eq, value: 10), Condition(column: "group", op: .eq, value: "high"),
        ]
        #expect(try self.ids(TableQuery(conditions: conditions)) == [9])
    }

    @Test func largeIntegersAreNotRounded() throws {
        var table = try Table("t", columns: ["n"])
        // 2^53 + 1 and 2^53: one number as a `Double`.
        table.append([
            Row([.number(JSONNumber(9_007_199_254_740_993))]), Row([.number(JSONNumber(9_007_199_254_740_992))]),
        ])
        let query = TableQuery(
            conditions: [Condition(column: "n", op: .gt, value: .number(JSONNumber(9_007_199_254_740_992)))])
        #expect(try query.run(on: table).totalCount == 1)
    }

    @Test func integersAndFractionsCompareExactly() throws {
        let numbers = ["-1e300", "-9223372036854775808", "-0.5", "0", "0.5", "1", "9223372036854775807", "1e300"]
        let cells = try numbers.map { try Cell(.number(#require(JSONNumber(text: $0)))) }
        for (left, first) in cells.enumerated() {
            for (right, second) in cells.enumerated() {
                #expect((first < second) == (left < right), "\(numbers[left]) < \(numbers[right])")
                #expect((first == second) == (left == right), "\(numbers[left]) == \(numbers[right])")
            }
        }
        #expect(try Cell(.number(#require(JSONNumber(text: "-0.0")))) == Cell(0))
    }

    // MARK: Order, columns, limit

    @Test func kindsSortFromMissingToText() throws {
        #expect(try self.ids(TableQuery(orderBy: "value")) == [2, 6, 4, 7, 3, 1, 9, 8, 5, 0])
    }

    @Test func descendingTurnsTheOrderRoundButKeepsEqualRowsInPlace() throws {
        #expect(try self.ids(TableQuery(orderBy: "value", isDescending: true)) == [0, 5, 8, 1, 9, 3, 7, 4, 6, 2])
    }

    @Test func theLimitCutsAfterSorting() throws {
        let answer = try TableQuery(orderBy: "id", isDescending: true, columns: ["id"], rowCountMax: 2).run(
            on: self.table)
        #expect(answer.rows == [[9], [8]])
        #expect(answer.totalCount == 10)
    }

    @Test func columnsComeInTheOrderAskedFor() throws {
        let answer = try TableQuery(columns: ["group", "id"], rowCountMax: 1).run(on: self.table)
        #expect(answer.columns == ["group", "id"])
        #expect(answer.rows == [["low", 0]])
    }

    @Test func unknownColumnsAreRefusedByName() throws {
        let error = ToolError("The table things has no column \"x\"; it has id, value, group.")
        #expect(throws: error) { try self.ids(TableQuery(orderBy: "x")) }
        #expect(throws: error) { try TableQuery(columns: ["x"]).run(on: self.table) }
        #expect(throws: error) { try self.ids(TableQuery(conditions: [Condition(column: "x", op: .eq, value: 1)])) }
        #expect(throws: error) { try TableQuery(aggregate: Aggregate(function: .sum, column: "x")).run(on: self.table) }
    }

    @Test func anAnswerTakesAtMost1MiB() throws {
        var table = try Table("t", columns: ["text"])
        let overhead = MemoryLayout<JSONValue>.stride + 48
        let quarter = JSONValue.string(String(repeating: "x", count: 262_144 - overhead))
        table.append([Row](repeating: Row([quarter]), count: 5))
        #expect(try TableQuery(rowCountMax: 4).run(on: table).rows.count == 4)
        let error = #expect(throws: ToolError.self) { try TableQuery(rowCountMax: 5).run(on: table) }
        #expect(error?.message.contains("at most 1 MiB; these 5 rows take 1310720 bytes") == true)
    }

    // MARK: Aggregates

    private func reckon(_ function: Aggregate.Function, _ column: String?) throws -> JSONValue? {
        let answer = try TableQuery(aggregate: Aggregate(function: function, column: column)).run(on: self.table)
        #expect(answer.columns == ["\(function)(\(column ?? "*"))"])
        return answer.rows.first?.first
    }

    @Test func aggregatesLeaveOutWhatTheyCannotReckonWith() throws {
        #expect(try self.reckon(.count, nil) == 10)
        #expect(try self.reckon(.count, "value") == 9)
        #expect(try self.reckon(.sum, "value") == 21.5)
        #expect(try self.reckon(.avg, "value") == 5.375)
        #expect(try self.reckon(.min, "value") == false)
        #expect(try self.reckon(.max, "value") == "b")
        #expect(try self.reckon(.sum, "group") == 0)
        #expect(try self.reckon(.avg, "group") == .null)
    }

    @Test func aSumOfIntegersIsExactWhileItFits() throws {
        var table = try Table("t", columns: ["n"])
        table.append([Row([9_007_199_254_740_993]), Row([2])])
        let sum = TableQuery(aggregate: Aggregate(function: .sum, column: "n"))
        #expect(try sum.run(on: table).rows == [[9_007_199_254_740_995]])
        table.append([Row([.number(JSONNumber(Int.max))])])
        #expect(
            try sum.run(on: table).rows == [[.number(#require(JSONNumber(Double(Int.max) + 9_007_199_254_740_994)))]])
    }

    @Test func aSumOutOfRangeIsRefused() throws {
        var table = try Table("t", columns: ["n"])
        table.append([Row]([Row([1e308]), Row([1e308])]))
        #expect(throws: ToolError("The result is out of range.")) {
            try TableQuery(aggregate: Aggregate(function: .sum, column: "n")).run(on: table)
        }
    }

    @Test func groupsComeInOrderOfTheirValueOrOfTheirResult() throws {
        let aggregate = Aggregate(function: .sum, column: "value", groupBy: "group")
        let byGroup = try TableQuery(aggregate: aggregate).run(on: self.table)
        #expect(byGroup.columns == ["group", "sum(value)"])
        #expect(byGroup.rows == [["high", 9], ["low", 12.5]])
        let byResult = try TableQuery(orderBy: "sum(value)", isDescending: true, rowCountMax: 1, aggregate: aggregate)
            .run(on: self.table)
        #expect(byResult.rows == [["low", 12.5]])
        #expect(byResult.totalCount == 2)
    }

    @Test func equalNumbersFormOneGroupHoweverTheyAreWritten() throws {
        let aggregate = Aggregate(function: .count, groupBy: "value")
        let answer = try TableQuery(
            conditions: [Condition(column: "value", op: .ge, value: 10)], aggregate: aggregate
        ).run(on: self.table)
        #expect(answer.rows == [[10, 2]])
    }

    @Test func nothingMatchesNoGroup() throws {
        let conditions = [Condition(column: "id", op: .gt, value: 100)]
        let aggregate = Aggregate(function: .count, groupBy: "group")
        #expect(try TableQuery(conditions: conditions, aggregate: aggregate).run(on: self.table).rows == [])
    }

    @Test func aggregatesAreRefusedWhereTheyMakeNoSense() throws {
        let sum = Aggregate(function: .sum)
        #expect(throws: ToolError("The function sum needs a column.")) {
            try TableQuery(aggregate: sum).run(on: self.table)
        }
        let count = Aggregate(function: .count)
        #expect(throws: ToolError.self) { try TableQuery(columns: ["id"], aggregate: count).run(on: self.table) }
        let grouped = Aggregate(function: .count, groupBy: "group")
        #expect(throws: ToolError("With group_by, order_by is one of group, count(*).")) {
            try TableQuery(orderBy: "id", aggregate: grouped).run(on: self.table)
        }
    }

    // MARK: CSV

    @Test func csvQuotesWhatNeedsIt() {
        let rows: [[JSONValue]] = [["plain", "a,b"], ["say \"hi\"", "two\nlines"], [.null, ""], [1.5, true]]
        #expect(
            CSV.text(columns: ["x", "y,z"], rows: rows)
                == "x,\"y,z\"\nplain,\"a,b\"\n\"say \"\"hi\"\"\",\"two\nlines\"\n,\"\"\n1.5,true\n")
    }
}
