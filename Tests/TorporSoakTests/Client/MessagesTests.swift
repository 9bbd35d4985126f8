import Testing
import TorporJSON

@testable import TorporSoak

@Suite struct MessagesTests {
    private func header(_ name: String, of message: HTTPMessage) -> String? {
        message.headers.first { $0.name == name }?.value
    }

    @Test func aModernRequestCarriesItsRevisionTwice() throws {
        let message = Messages.modern("tools/call", ["name": "echo"], id: 4, authorization: "Bearer t")
        #expect(header("MCP-Protocol-Version", of: message) == "2026-07-28")
        #expect(header("Mcp-Method", of: message) == "tools/call")
        #expect(header("Mcp-Name", of: message) == "echo")
        #expect(header("Authorization", of: message) == "Bearer t")
        #expect(header("Mcp-Session-Id", of: message) == nil)
        let body = try JSONValue(parsing: message.body)
        #expect(body["id"] == 4)
        let meta = body["params"]?["_meta"]
        #expect(meta?["io.modelcontextprotocol/protocolVersion"] == "2026-07-28")
        #expect(meta?["io.modelcontextprotocol/clientCapabilities"] == [:])
    }

    @Test func aLegacyRequestNamesItsSession() throws {
        let session = Session(id: "s-1", revision: "2025-06-18")
        let message = Messages.legacy("ping", nil, id: "x", in: session, authorization: nil)
        #expect(header("Mcp-Session-Id", of: message) == "s-1")
        #expect(header("MCP-Protocol-Version", of: message) == "2025-06-18")
        #expect(try JSONValue(parsing: message.body) == ["jsonrpc": "2.0", "id": "x", "method": "ping"])
    }

    @Test func aNotificationHasNoID() throws {
        let session = Session(id: nil, revision: "2025-11-25")
        let message = Messages.legacy("notifications/initialized", nil, id: nil, in: session, authorization: nil)
        #expect(try JSONValue(parsing: message.body)["id"] == nil)
        #expect(header("Mcp-Session-Id", of: message) == nil)
    }

    @Test(arguments: [
        ("plain", "plain"), ("", ""), (" x", "=?base64?IHg=?="), ("zürich", "=?base64?esO8cmljaA==?="),
        ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="), ("日本語", "=?base64?5pel5pys6Kqe?="),
    ])
    func aHeaderThatCannotCarryTheTextIsWrapped(text: String, value: String) {
        #expect(Messages.headerText(text) == value)
    }
}
