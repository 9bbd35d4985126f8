import Testing
import Torpor

@testable import TorporServers

struct MemoryTests {
    @Test(arguments: [
        JSONValue.string("teal"), 12, true, .null, ["a", ["b": 1.5]], .number(JSONNumber(text: "1.50e2")!),
    ])
    func anyValueIsRecalledAsItWas(value: JSONValue) async throws {
        try await withSpace { space in
            #expect(try await space.remember("key", value))
            let recalled = try await space.recall("key")
            #expect(recalled == value && recalled.text == value.text)
            #expect(try await !space.remember("key", "another"))
            try await space.forget("key")
            #expect(try await space.size.values == 0)
            await #expect(throws: ToolError.self) { _ = try await space.recall("key") }
            await #expect(throws: ToolError.self) { try await space.forget("key") }
        }
    }

    @Test func keysAreListedByPrefixInOrder() async throws {
        try await withSpace { space in
            for key in ["user/b", "user/a", "users", "other"] { try await space.remember(key, 1) }
            #expect(try await space.keys(under: "user/") == ["user/a", "user/b"])
            #expect(try await space.keys().count == 4)
        }
    }

    /// A prefix ends where a character does.
    @Test func aPrefixIsMadeOfWholeCharacters() async throws {
        try await withSpace { space in
            for key in ["cafe", "cafe\u{301}", "caf\u{E9}s", "x\u{338}"] { try await space.remember(key, 1) }
            #expect(try await space.keys(under: "cafe") == ["cafe"])
            #expect(try await space.keys(under: "cafe\u{301}") == ["caf\u{E9}", "cafés"])
            #expect(try await space.keys(under: "x").isEmpty)
        }
    }

    /// The normal form of such keys is longer than what they are stored under.
    @Test func longKeysAreToldApart() async throws {
        try await withSpace { space in
            let stem = String(repeating: "語", count: 199)
            for end in ["一", "二"] { try await space.remember(stem + end, .string(end)) }
            try await space.remember("語", 0)
            #expect(try await space.recall(stem + "一") == "一")
            #expect(try await space.recall(stem + "二") == "二")
            #expect(try await space.keys(under: stem + "二") == [stem + "二"])
            #expect(try await space.keys(under: "語").count == 3)
        }
    }

    @Test func aKeyHasAtMost200Characters() async throws {
        try await withSpace { space in
            try await space.remember(String(repeating: "k", count: 200), 1)
            await #expect(throws: ToolError.self) { try await space.remember(String(repeating: "k", count: 201), 1) }
            await #expect(throws: ToolError.self) { try await space.remember("", 1) }
            #expect(try await space.keys().count == 1)
        }
    }

    @Test func aValueTakesAtMost256KiB() async throws {
        try await withSpace { space in
            let text = String(repeating: "v", count: 262_144)
            try await space.remember("text", .string(text))
            await #expect(throws: ToolError.self) { try await space.remember("text", .string(text + "v")) }
            #expect(try await space.recall("text") == .string(text))
            // As JSON, with brackets and quotes around it, the same text is too long.
            await #expect(throws: ToolError.self) { try await space.remember("list", [.string(text)]) }
        }
    }

    @Test func manyKeysAreListedToTheLast() async throws {
        try await withSpace { space in
            for number in 0..<250 { try await space.remember("key \(number)", 1) }
            #expect(try await space.keys(under: "key").count == 250)
        }
    }
}
