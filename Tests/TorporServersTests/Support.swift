import Synchronization
import Testing
import Torpor
import TorporTesting

@testable import TorporServers

/// Runs `body` in a call of a server that keeps spaces and does nothing else.
func withSpace(_ body: @escaping @Sendable (Space) async throws -> Void) async throws {
    let failure = Mutex<(any Error)?>(nil)
    let server = MCPServer(name: "spaces", version: "1") {
        Workbench.states
        Tool("run", "Runs a test.") { call in
            do {
                try await body(Space(call))
            } catch {
                failure.withLock { $0 = error }
            }
            return "done"
        }
    }
    var options = TestOptions()
    options.principals = ["alice"]
    try await withTestClient(server, over: .memory, options: options) { client in
        let done = try await client.authenticated(as: "alice").call("run")
        #expect(done.text == "done")
    }
    if let error = failure.withLock({ $0 }) { throw error }
}

/// What the tools do, in short.
extension Space {
    var size: Size {
        get async throws {
            let size = try await self.call.stateObject("space").size
            return Size(values: size.values, bytes: size.bytes)
        }
    }

    struct Size: Equatable {
        var values: Int
        var bytes: Int
    }

    @discardableResult
    func save(_ title: String, _ text: String = "", tags: [String] = []) async throws -> Bool {
        try await self.update { try $0.saveNote(title, text: text, tags: tags).isNew }
    }

    @discardableResult
    func append(_ title: String, _ text: String) async throws -> Bool {
        try await self.update { try $0.appendToNote(title, text: text).isNew }
    }

    func delete(_ title: String) async throws { try await self.update { try $0.deleteNote(title) } }

    @discardableResult
    func remember(_ key: String, _ value: JSONValue) async throws -> Bool {
        try await self.update { try $0.remember(key, value) }
    }

    func forget(_ key: String) async throws { try await self.update { try $0.forget(key) } }

    func keys(under prefix: String = "") async throws -> [String] {
        var keys: [String] = []
        try await self.forEachEntry(under: prefix) { keys.append($0.key) }
        return keys
    }

    func titles(taggedWith tag: String? = nil) async throws -> [String] {
        try await self.noteHeads(taggedWith: tag).map(\.title)
    }

    func createTable(_ name: String, _ columns: [String]) async throws {
        try await self.update { try $0.createTable(name, columns: columns) }
    }

    @discardableResult
    func insert(_ rows: [JSONObject], into name: String) async throws -> Int {
        try await self.update { try $0.insertRows(rows, into: name) }
    }

    func setCells(of name: String, where conditions: [Condition] = [], to cells: JSONObject) async throws -> Int {
        try await self.update { try $0.updateRows(of: name, where: conditions, set: cells).changed }
    }

    func deleteRows(of name: String, where conditions: [Condition] = []) async throws -> Int {
        try await self.update { try $0.deleteRows(of: name, where: conditions).changed }
    }

    func dropTable(_ name: String) async throws { try await self.update { try $0.dropTable(name) } }

    func cells(of name: String) async throws -> [[JSONValue]] { try await self.table(name).rows.map(\.cells) }
}
