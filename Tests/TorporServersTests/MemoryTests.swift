import Testing
import Torpor

@testable import TorporServers

struct MemoryTests {
    private var space = WorkbenchSpace()

    @Test(arguments: [
        JSONValue.string("teal"), 12, true, .null, ["a", ["b": 1.5]],
    ])
    mutating func anyValueIsRecalledAsItWas(value: JSONValue) throws {
        #expect(try self.space.remember("key", value))
        #expect(try self.space.recall("key") == value)
        #expect(try !self.space.remember("key", "another"))
        try self.space.forget("key")
        #expect(self.space.byteCount == 0)
        #expect(throws: ToolError.self) { try self.space.recall("key") }
        #expect(throws: ToolError.self) { try self.space.forget("key") }
    }

    @Test mutating func keysAreListedByPrefixInOrder() throws {
        for key in ["user/b", "user/a", "users", "other"] { _ = try self.space.remember(key, 1) }
        #expect(self.space.memory(under: "user/").map(\.key) == ["user/a", "user/b"])
        #expect(self.space.memory(under: "").count == 4)
    }

    @Test mutating func aKeyHasAtMost200Characters() throws {
        _ = try self.space.remember(String(repeating: "k", count: 200), 1)
        #expect(throws: ToolError.self) { _ = try self.space.remember(String(repeating: "k", count: 201), 1) }
        #expect(throws: ToolError.self) { _ = try self.space.remember("", 1) }
        #expect(self.space.memory.count == 1)
    }

    @Test mutating func aValueTakesAtMost256KiB() throws {
        let text = String(repeating: "v", count: 262_144)
        _ = try self.space.remember("text", .string(text))
        #expect(throws: ToolError.self) { _ = try self.space.remember("text", .string(text + "v")) }
        #expect(try self.space.recall("text") == .string(text))
        // As JSON, with brackets and quotes around it, the same text is too long.
        #expect(throws: ToolError.self) { _ = try self.space.remember("list", [.string(text)]) }
    }

    @Test mutating func aSpaceHoldsAtMost10000Entries() throws {
        try self.space.createTable("table", columns: ["column"])
        _ = try self.space.saveNote("note", text: "", tags: [])
        for number in 2..<10_000 { _ = try self.space.remember("key \(number)", 1) }
        #expect(self.space.entryCount == 10_000)
        let before = self.space.byteCount
        let error = #expect(throws: ToolError.self) { _ = try self.space.remember("one more", 1) }
        #expect(error?.message.contains("at most 10000 entries") == true)
        #expect(error?.message.contains("it has 10000, and this needs 1 more") == true)
        #expect(throws: ToolError.self) { _ = try self.space.saveNote("one more", text: "", tags: []) }
        #expect(throws: ToolError.self) { try self.space.createTable("one more", columns: ["column"]) }
        #expect(self.space.byteCount == before)
        // What is there already may still change.
        #expect(try !self.space.remember("key 2", 2))
        try self.space.forget("key 2")
        #expect(try self.space.remember("one more", 1))
    }

    @Test mutating func aSpaceTakesAtMost8MiB() throws {
        let text = String(repeating: "v", count: 200_000)
        var count = 0
        while self.space.byteCount + 300_000 < 8 << 20 {
            _ = try self.space.remember("key \(count)", .string(text))
            count += 1
        }
        // The exact rest, less what a key, a value and a text object take beside the text itself.
        let rest = 8 << 20 - self.space.byteCount
        let overhead = Weight.entry + MemoryLayout<JSONValue>.stride + 48
        let before = self.space
        let error = #expect(throws: ToolError.self) {
            _ = try self.space.remember("last", .string(String(repeating: "v", count: rest - overhead + 1)))
        }
        #expect(error?.message.contains("at most 8 MiB; \(before.byteCount) bytes are used") == true)
        #expect(error?.message.contains("this needs \(rest + 1) more") == true)
        #expect(self.space.byteCount == before.byteCount)
        _ = try self.space.remember("last", .string(String(repeating: "v", count: rest - overhead)))
        #expect(self.space.byteCount == 8 << 20)
        #expect(throws: ToolError.self) { _ = try self.space.remember("tiny", 1) }
        try self.space.forget("last")
        #expect(self.space.byteCount == before.byteCount)
    }
}
