import Testing
import Torpor

@testable import TorporServers

struct WorkbenchStoreTests {
    private let store = MemoryWorkbenchStore()

    private func principal(_ number: Int) -> Principal { Principal(subject: "user \(number)", issuer: "tests") }

    private func remember(_ key: String, _ value: JSONValue, as owner: Principal?) throws {
        try self.store.update(owner) { (space) throws(ToolError) in _ = try space.remember(key, value) }
    }

    @Test func eachPrincipalHasASpaceAndAnonymousCallersShareOne() throws {
        try self.remember("key", 1, as: self.principal(1))
        try self.remember("key", 2, as: nil)
        #expect(try self.store.space(of: self.principal(1)).recall("key") == 1)
        #expect(try self.store.space(of: nil).recall("key") == 2)
        #expect(self.store.space(of: self.principal(2)).isEmpty)
        #expect(self.store.space(of: Principal(subject: "user 1", issuer: "another")).isEmpty)
    }

    @Test func aSpaceThatWasReadDoesNotChange() throws {
        try self.remember("key", 1, as: nil)
        let before = self.store.space(of: nil)
        try self.remember("key", 2, as: nil)
        #expect(try before.recall("key") == 1)
    }

    @Test func aFailedChangeChangesNothing() throws {
        #expect(throws: ToolError.self) {
            try self.store.update(nil) { (space) throws(ToolError) in try space.forget("key") }
        }
        #expect(self.store.space(of: nil).isEmpty)
    }

    @Test func changesOfOneSpaceAtTheSameTimeAllArrive() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for number in 0..<200 {
                group.addTask { try self.remember("key \(number)", .bool(true), as: nil) }
            }
        }
        #expect(self.store.space(of: nil).memory.count == 200)
    }

    @Test func onePrincipalBeyondTheThousandthIsRefusedUntilAnotherLeaves() throws {
        for number in 0..<1_000 { try self.remember("key", 1, as: self.principal(number)) }
        let error = #expect(throws: ToolError.self) { try self.remember("key", 1, as: self.principal(1_000)) }
        #expect(error?.message.hasPrefix("The workbench has room for 1000 callers") == true)
        try self.remember("another", 1, as: self.principal(0))
        try self.store.update(self.principal(7)) { (space) throws(ToolError) in try space.forget("key") }
        try self.remember("key", 1, as: self.principal(1_000))
        #expect(throws: ToolError.self) { try self.remember("key", 1, as: self.principal(7)) }
    }

    /// All values share one text, so this takes little memory of its own.
    @Test func allSpacesTogetherTakeAtMost256MiB() throws {
        let text = JSONValue.string(String(repeating: "x", count: 262_144))
        // 31 such values fit into 8 MiB; 33 spaces with them exceed 256 MiB.
        for owner in 0..<33 {
            for key in 0..<31 where (owner, key) < (32, 28) {
                try self.remember("key \(key)", text, as: self.principal(owner))
            }
        }
        let used = (0..<33).reduce(0) { $0 + self.store.space(of: self.principal($1)).byteCount }
        let error = #expect(throws: ToolError.self) {
            for key in 0... { try self.remember("more \(key)", text, as: self.principal(33)) }
        }
        let last = self.store.space(of: self.principal(33)).byteCount
        #expect(used + last <= 256 << 20)
        #expect(256 << 20 - (used + last) < Weight.entry + Weight.value(text))
        #expect(error?.message.contains("at most 256 MiB together; \(used + last) bytes are used") == true)
        // What is given back can be used again, by anybody.
        try self.store.update(self.principal(0)) { (space) throws(ToolError) in try space.forget("key 0") }
        try self.remember("more", text, as: self.principal(33))
        #expect(throws: ToolError.self) { try self.remember("and more", text, as: self.principal(33)) }
    }
}
