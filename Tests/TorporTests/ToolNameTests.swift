import Testing
import Torpor
import TorporTesting

@Suite struct ToolNameTests {
    @Test func everyNameThatTheProtocolAdmitsIsTaken() async throws {
        let names = ["a", String(repeating: "x", count: 64), "A-Z.a/z_0"]
        let server = MCPServer(name: "names", version: "1") {
            for name in names { Tool(name, "Does nothing.") { _ in name } }
        }
        try await withTestClient(server, over: .memory) { client in
            for name in names {
                let result = try await client.call(name)
                #expect(result.text == name)
            }
        }
    }

    @Test func aNameThatTheProtocolDoesNotAdmitStopsTheProgram() async {
        await #expect(processExitsWith: .failure) { _ = Tool("", "Empty.") { _ in "" } }
        await #expect(processExitsWith: .failure) {
            _ = Tool(String(repeating: "x", count: 65), "Too long.") { _ in "" }
        }
        await #expect(processExitsWith: .failure) { _ = Tool("a b", "A blank.") { _ in "" } }
        await #expect(processExitsWith: .failure) { _ = Tool("ä", "Not ASCII.") { _ in "" } }
    }

    @Test func aSchemaThatCannotBeCheckedStopsTheProgram() async {
        await #expect(processExitsWith: .failure) {
            _ = Tool("a", "Refers to nothing.", inputSchema: JSONSchema(["type": "object", "$ref": "other.json"])) {
                (_: JSONObject, _) in ""
            }
        }
    }

    @Test func aNameGivenTwiceStopsTheProgram() async {
        await #expect(processExitsWith: .failure) {
            _ = MCPServer(name: "twice", version: "1") {
                Tool("same", "One.") { _ in "" }
                Tool("same", "Two.") { _ in "" }
            }
        }
    }
}
