import Testing
import Torpor

@testable import TorporServers

struct TableTests {
    private static func withBirds(
        _ rows: [JSONObject] = [
            ["name": "swift", "grams": 40, "family": "apodidae"],
            ["name": "wren", "grams": 9, "family": "passerines"],
            ["name": "swan", "grams": 11_000],
            ["name": "robin", "grams": 18.5, "family": "passerines"],
        ], _ body: @escaping @Sendable (Space) async throws -> Void
    ) async throws {
        try await withSpace { space in
            try await space.createTable("birds", ["name", "grams", "family"])
            if !rows.isEmpty { try await space.insert(rows, into: "birds") }
            try await body(space)
        }
    }

    private static func names(_ space: Space) async throws -> [JSONValue] {
        try await space.cells(of: "birds").map { $0[0] }
    }

    @Test func membersLeftOutAreMissingCells() async throws {
        try await Self.withBirds { space async throws in
            #expect(try await space.cells(of: "birds")[2] == ["swan", 11_000, .null])
        }
    }

    @Test func rowsAreInsertedAllOrNone() async throws {
        try await Self.withBirds([]) { space in
            let before = try await space.size
            let error = await #expect(throws: ToolError.self) {
                try await space.insert([["name": "swift"], ["wingspan": 42]], into: "birds")
            }
            #expect(
                error?.message.hasPrefix(
                    "Row 2, column wingspan: The table birds has no column \"wingspan\"; it has name, grams, family.")
                    == true)
            #expect(try await space.cells(of: "birds").isEmpty)
            #expect(try await space.size == before)
        }
    }

    @Test(arguments: [["list"], ["an": "object"], .number(JSONNumber(text: "1e999")!)] as [JSONValue])
    func aCellIsAScalarInRange(value: JSONValue) async throws {
        try await Self.withBirds([]) { space async throws in
            await #expect(throws: ToolError.self) { try await space.insert([["grams": value]], into: "birds") }
            #expect(try await space.cells(of: "birds").isEmpty)
        }
    }

    @Test func updatingSetsTheCellsOfMatchingRowsOnly() async throws {
        try await Self.withBirds { space in
            let conditions = [Condition(column: "family", op: .eq, value: "passerines")]
            let changed = try await space.setCells(
                of: "birds", where: conditions, to: ["grams": .null, "family": "songbirds"])
            #expect(changed == 2)
            let cells = try await space.cells(of: "birds")
            #expect(cells[1] == ["wren", .null, "songbirds"])
            #expect(cells[0] == ["swift", 40, "apodidae"])
            await #expect(throws: ToolError.self) { _ = try await space.setCells(of: "birds", to: [:]) }
            await #expect(throws: ToolError.self) { _ = try await space.setCells(of: "birds", to: ["x": 1]) }
        }
    }

    @Test func deletingRemovesMatchingRowsOnly() async throws {
        try await Self.withBirds { space async throws in
            let light = [Condition(column: "grams", op: .lt, value: 20)]
            #expect(try await space.deleteRows(of: "birds", where: light) == 2)
            #expect(try await Self.names(space) == ["swift", "swan"])
            #expect(try await space.deleteRows(of: "birds") == 2)
            #expect(try await Self.names(space).isEmpty)
            #expect(try await space.insert([["name": "swift"]], into: "birds") == 1)
            #expect(try await Self.names(space) == ["swift"])
        }
    }

    @Test func aDroppedTableLeavesNothingToTheNextOfItsName() async throws {
        try await Self.withBirds { space in
            try await space.dropTable("birds")
            // The number of the table that was made is kept.
            #expect(try await space.size.values == 1)
            await #expect(throws: ToolError.self) { try await space.dropTable("birds") }
            await #expect(throws: ToolError.self) { _ = try await space.table("birds") }
            try await space.createTable("birds", ["name"])
            #expect(try await space.cells(of: "birds").isEmpty)
            #expect(try await space.tableHeads().map(\.rowCount) == [0])
        }
    }

    @Test func rowsStayInOrderWhateverChanges() async throws {
        let rows = (0..<300).map { number in
            ["name": .number(JSONNumber(number)), "grams": .number(JSONNumber(number % 3))] as JSONObject
        }
        try await Self.withBirds(rows) { space async throws in
            #expect(try await space.size.values < 20, "rows lie in chunks")
            let third = [Condition(column: "grams", op: .eq, value: 1)]
            let long = JSONValue.string(String(repeating: "x", count: 1_000))
            #expect(try await space.setCells(of: "birds", where: third, to: ["family": long]) == 100)
            #expect(try await Self.names(space) == (0..<300).map { .number(JSONNumber($0)) })
            #expect(try await space.deleteRows(of: "birds", where: third) == 100)
            #expect(try await space.insert([["name": 300]], into: "birds") == 201)
            #expect(try await Self.names(space) == (0...300).filter { $0 % 3 != 1 }.map { .number(JSONNumber($0)) })
            #expect(try await space.tableHeads().map(\.rowCount) == [201])
        }
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

    @Test func aSpaceHoldsAtMost100Tables() async throws {
        try await Self.withBirds([]) { space in
            for number in 1..<100 { try await space.createTable("table \(number)", ["a"]) }
            let error = await #expect(throws: ToolError.self) { try await space.createTable("one more", ["a"]) }
            #expect(error?.message.contains("at most 100 tables; it has 100, and this needs 1 more") == true)
            await #expect(throws: ToolError.self) { try await space.createTable("birds", ["a"]) }
            #expect(try await space.tableHeads().count == 100)
        }
    }

    @Test func oneCallInserts500RowsAndATableHolds10000() async throws {
        try await Self.withBirds([]) { space in
            let rows = [JSONObject](repeating: ["grams": 1], count: 500)
            await #expect(throws: ToolError.self) { try await space.insert(rows + [["grams": 1]], into: "birds") }
            for _ in 1..<20 { try await space.insert(rows, into: "birds") }
            #expect(try await space.insert(Array(rows.dropLast()), into: "birds") == 9_999)
            let error = await #expect(throws: ToolError.self) { try await space.insert([[:], [:]], into: "birds") }
            #expect(error?.message.contains("at most 10000 rows; birds has 9999, and this needs 2 more") == true)
            #expect(try await space.insert([[:]], into: "birds") == 10_000)
            await #expect(throws: ToolError.self) { try await space.insert([[:]], into: "birds") }
            #expect(try await space.cells(of: "birds").count == 10_000)
        }
    }

    @Test func anUpdateWithoutRoomChangesNothing() async throws {
        try await Self.withBirds([JSONObject](repeating: [:], count: 40)) { space in
            let before = try await space.size
            let text = JSONValue.string(String(repeating: "x", count: 262_144))
            let error = await #expect(throws: ToolError.self) {
                _ = try await space.setCells(of: "birds", to: ["name": text])
            }
            #expect(error?.message.hasPrefix("The workbench is full.") == true)
            #expect(try await space.size == before)
            #expect(try await Self.names(space).allSatisfy { $0 == .null })
            let tooLong = JSONValue.string(String(repeating: "x", count: 262_145))
            await #expect(throws: ToolError.self) { try await space.insert([["name": tooLong]], into: "birds") }
        }
    }

    @Test func atMost20ConditionsAreLookedAt() async throws {
        try await Self.withBirds { space in
            let condition = Condition(column: "name", op: .eq, value: "wren")
            let found = try await space.table("birds", where: [Condition](repeating: condition, count: 20))
            #expect(found.rows.map(\.cells) == [["wren", 9, "passerines"]])
            await #expect(throws: ToolError.self) {
                _ = try await space.table("birds", where: [Condition](repeating: condition, count: 21))
            }
        }
    }
}
