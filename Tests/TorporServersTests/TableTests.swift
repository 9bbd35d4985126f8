import Testing
import Torpor

@testable import TorporServers

struct TableTests {
    private var space = WorkbenchSpace()

    init() throws {
        try self.space.createTable("birds", columns: ["name", "grams", "family"])
    }

    private mutating func insertBirds() throws {
        _ = try self.space.insertRows(
            [
                ["name": "swift", "grams": 40, "family": "apodidae"],
                ["name": "wren", "grams": 9, "family": "passerines"],
                ["name": "swan", "grams": 11_000],
                ["name": "robin", "grams": 18.5, "family": "passerines"],
            ], into: "birds")
    }

    private func names(where conditions: [Condition]) throws -> [JSONValue] {
        try TableQuery(conditions: conditions, columns: ["name"]).run(on: self.space.table("birds")).rows.map { $0[0] }
    }

    @Test mutating func membersLeftOutAreMissingCells() throws {
        try self.insertBirds()
        #expect(try self.space.table("birds").rows[2].cells == ["swan", 11_000, .null])
    }

    @Test mutating func rowsAreInsertedAllOrNone() throws {
        let before = self.space.byteCount
        let error = #expect(throws: ToolError.self) {
            _ = try self.space.insertRows([["name": "swift"], ["wingspan": 42]], into: "birds")
        }
        #expect(
            error?.message.hasPrefix(
                "Row 2, column wingspan: The table birds has no column \"wingspan\"; it has name, grams, family.")
                == true)
        #expect(try self.space.table("birds").rows.isEmpty)
        #expect(self.space.byteCount == before)
    }

    @Test(arguments: [["list"], ["an": "object"], .number(JSONNumber(text: "1e999")!)] as [JSONValue])
    mutating func aCellIsAScalarInRange(value: JSONValue) throws {
        #expect(throws: ToolError.self) { _ = try self.space.insertRows([["grams": value]], into: "birds") }
        #expect(try self.space.table("birds").rows.isEmpty)
    }

    @Test mutating func updatingSetsTheCellsOfMatchingRowsOnly() throws {
        try self.insertBirds()
        let conditions = [Condition(column: "family", op: .eq, value: "passerines")]
        #expect(
            try self.space.updateRows(of: "birds", where: conditions, set: ["grams": .null, "family": "songbirds"]) == 2
        )
        #expect(try self.space.table("birds").rows[1].cells == ["wren", .null, "songbirds"])
        #expect(try self.space.table("birds").rows[0].cells == ["swift", 40, "apodidae"])
        #expect(throws: ToolError.self) { _ = try self.space.updateRows(of: "birds", where: [], set: [:]) }
        #expect(throws: ToolError.self) { _ = try self.space.updateRows(of: "birds", where: [], set: ["x": 1]) }
    }

    @Test mutating func deletingRemovesMatchingRowsOnly() throws {
        try self.insertBirds()
        #expect(try self.space.deleteRows(of: "birds", where: [Condition(column: "grams", op: .lt, value: 20)]) == 2)
        #expect(try self.names(where: []) == ["swift", "swan"])
        #expect(try self.space.deleteRows(of: "birds", where: []) == 2)
        #expect(try self.space.table("birds").rows.isEmpty)
    }

    @Test mutating func everyByteIsGivenBack() throws {
        let empty = self.space.byteCount
        try self.insertBirds()
        _ = try self.space.updateRows(of: "birds", where: [], set: ["family": "a family with a rather long name"])
        #expect(self.space.byteCount > empty)
        #expect(try self.space.table("birds").byteCount == self.space.byteCount)
        _ = try self.space.deleteRows(of: "birds", where: [])
        #expect(self.space.byteCount == empty)
        try self.space.dropTable("birds")
        #expect(self.space.byteCount == 0)
        #expect(throws: ToolError.self) { try self.space.dropTable("birds") }
    }

    // MARK: Limits

    @Test func aTableHas1To50DifferentColumns() throws {
        let columns = (0..<50).map { "column \($0)" }
        #expect(try Table("t", columns: columns).columns.count == 50)
        #expect(throws: ToolError.self) { try Table("t", columns: columns + ["one more"]) }
        #expect(throws: ToolError.self) { try Table("t", columns: []) }
        #expect(throws: ToolError.self) { try Table("t", columns: ["a", "b", "a"]) }
        #expect(throws: ToolError.self) { try Table("t", columns: [""]) }
        #expect(throws: ToolError.self) { try Table("", columns: ["a"]) }
        #expect(throws: ToolError.self) { try Table(String(repeating: "t", count: 201), columns: ["a"]) }
    }

    @Test mutating func aSpaceHoldsAtMost100Tables() throws {
        for number in 1..<100 { try self.space.createTable("table \(number)", columns: ["a"]) }
        let error = #expect(throws: ToolError.self) { try self.space.createTable("one more", columns: ["a"]) }
        #expect(error?.message.contains("at most 100 tables; it has 100, and this needs 1 more") == true)
        #expect(throws: ToolError.self) { try self.space.createTable("birds", columns: ["a"]) }
        #expect(self.space.tables.count == 100)
    }

    @Test mutating func oneCallInserts500RowsAndATableHolds10000() throws {
        let rows = [JSONObject](repeating: ["grams": 1], count: 500)
        #expect(throws: ToolError.self) { _ = try self.space.insertRows(rows + [["grams": 1]], into: "birds") }
        for _ in 1..<20 { _ = try self.space.insertRows(rows, into: "birds") }
        #expect(try self.space.insertRows(Array(rows.dropLast()), into: "birds") == 9_999)
        let error = #expect(throws: ToolError.self) { _ = try self.space.insertRows([[:], [:]], into: "birds") }
        #expect(error?.message.contains("at most 10000 rows; birds has 9999, and this needs 2 more") == true)
        #expect(try self.space.insertRows([[:]], into: "birds") == 10_000)
        #expect(throws: ToolError.self) { _ = try self.space.insertRows([[:]], into: "birds") }
    }

    @Test mutating func anUpdateWithoutRoomChangesNothing() throws {
        _ = try self.space.insertRows([JSONObject](repeating: [:], count: 40), into: "birds")
        let before = self.space.byteCount
        let text = JSONValue.string(String(repeating: "x", count: 262_144))
        #expect(throws: ToolError.self) { _ = try self.space.updateRows(of: "birds", where: [], set: ["name": text]) }
        #expect(self.space.byteCount == before)
        #expect(try self.space.table("birds").rows.allSatisfy { $0.cells[0] == .null })
        let tooLong = JSONValue.string(String(repeating: "x", count: 262_145))
        #expect(throws: ToolError.self) { _ = try self.space.insertRows([["name": tooLong]], into: "birds") }
    }

    @Test mutating func atMost20ConditionsAreLookedAt() throws {
        let condition = Condition(column: "name", op: .ne, value: .null)
        #expect(try self.names(where: [Condition](repeating: condition, count: 20)) == [])
        #expect(throws: ToolError.self) { try self.names(where: [Condition](repeating: condition, count: 21)) }
    }
}
