import Synchronization
import Testing
import Torpor
import TorporJSON
import TorporProtocol
import TorporTesting
import TorporUpstream

@testable import TorporHosting

/// Arguments that a remote modern server wants in headers, too (`x-mcp-header`).
@Suite(.timeLimit(.minutes(2))) struct MirroringTests {
    private static let schema: JSONSchema = JSONSchema([
        "type": "object",
        "properties": [
            "region": ["type": "string", "x-mcp-header": "Region"],
            "target": ["type": "object", "properties": ["count": ["type": "integer", "x-mcp-header": "Count"]]],
            "dry": ["type": "boolean", "x-mcp-header": "Dry"], "note": ["type": "string"],
        ],
    ])

    /// Refuses calls whose headers differ from what it marks.
    private static let server = MCPServer(name: "mirrors", version: "1") {
        Tool("deploy", "Deploys.", inputSchema: Self.schema) { arguments, _ in JSONValue.object(arguments).text }
    }

    private static let cases: [JSONObject] = [
        [:], ["region": "eu"], ["region": "zürich"], ["region": "  padded "], ["region": "=?base64?ZXU=?="],
        ["region": ""], ["region": "line\nend\u{7F}"], ["note": "unmarked"],
        ["target": ["count": 42]], ["target": .object(["count": .number(JSONNumber(text: "4.20e1")!)])],
        ["target": ["count": -9_007_199_254_740_991]], ["target": [:]], ["dry": true], ["dry": false],
        ["region": "a", "target": ["count": 0], "dry": true],
    ]

    /// A call as Torpor itself wants it: a modern client sends the headers as well, which its own listener checks.
    private static func call(_ arguments: JSONObject, of client: TestClient) throws -> TestRequest {
        var request = client.makeRequest("tools/call", ["name": "deploy", "arguments": .object(arguments)])
        guard client.revision.era == .modern else { return request }
        for argument in MirroredArgument.all(of: arguments, try Self.schema.mirroredParameters()) {
            request.headers["Mcp-Param-\(argument.header)"] = HeaderValue.text(argument.value)
        }
        return request
    }

    @Test func callsOfBothErasCarryWhatTheRemoteServerMarks() async throws {
        try await withHostedRemote(Self.server, scope: .shared) { client, _ in
            let session = try await client.openSession()
            for arguments in Self.cases {
                for client in [client, session] {
                    let answer = try await client.send(Self.call(arguments, of: client))
                    guard case .string(let text)? = answer.result?["content"]?[0]?["text"] else {
                        Issue.record("\(arguments) was refused: \(answer)")
                        continue
                    }
                    #expect(try JSONValue(parsing: Array(text.utf8)) == .object(arguments))
                }
            }
        }
    }

    @Test func handlesAreNotAmongTheArgumentsThatHeadersSay() async throws {
        try await withHostedRemote(Self.server) { client, _ in
            let first = try await client.send(Self.call(["region": "eu"], of: client))
            let handle = try #require(first.result?["_meta"]?["torpor/handle"], "\(first)")
            let second = try await client.send(Self.call(["region": "zürich", "torpor_handle": handle], of: client))
            #expect(second.result?["content"]?[0]?["text"] == #"{"region":"zürich"}"#)
        }
    }

    @Test func whatIsNotThereOrCannotBeSaidIsInNoHeader() throws {
        let parameters = try Self.schema.mirroredParameters()
        let unsaid: [JSONObject] = [
            [:], ["region": .null], ["region": [1]], ["region": ["a": 1]], ["target": 1], ["target": ["count": .null]],
        ]
        for arguments in unsaid { #expect(MirroredArgument.all(of: arguments, parameters) == [], "\(arguments)") }
        let said = MirroredArgument.all(
            of: ["dry": false, "target": .object(["count": .number(try #require(JSONNumber(text: "4.20e1")))])],
            parameters)
        #expect(Set(said.map { "\($0.header) \($0.value)" }) == ["Count 42", "Dry false"])
    }

    /// A server over HTTP, as it would be elsewhere, whose tools change.
    private static func changing(_ tools: @escaping @Sendable () -> JSONValue) -> PlayedServer {
        PlayedServer(.v2026_07_28, capabilities: ["tools": ["listChanged": false]], hasStreams: true) {
            _, method, params in
            guard method == "tools/call" else { return ["tools": tools()] }
            return ["content": [["type": "text", "text": .string(JSONValue.object(params).text)]]]
        }
    }

    private static func tool(_ name: String, mark: JSONValue) -> JSONValue {
        [
            "name": .string(name),
            "inputSchema": ["type": "object", "properties": ["a": ["type": "string", "x-mcp-header": mark]]],
        ]
    }

    @Test func aToolWhoseMarksAreWrongIsLeftOutOfARemoteServersOnly() async throws {
        let tools: JSONValue = [
            Self.tool("sound", mark: "A"), Self.tool("empty", mark: ""), Self.tool("broken", mark: "not a token"),
            [
                "name": "number",
                "inputSchema": ["type": "object", "properties": ["a": ["type": "number", "x-mcp-header": "A"]]],
            ],
            ["name": "plain", "inputSchema": ["type": "object"]],
        ]
        try await withHosted(Self.changing { tools }, scope: .shared) { client, hosted in
            let listed = try await client.request("tools/list").result?["tools"]
            #expect(
                listed?[0]?["name"] == "sound" && listed?[1]?["name"] == "plain" && listed?[2] == nil,
                "\(listed ?? .null)")
        }
        // Its pipes have no headers, and neither have sessions.
        let others = [
            PlayedServer(.v2026_07_28, capabilities: ["tools": ["listChanged": false]]) { _, _, _ in ["tools": tools]
            },
            PlayedServer(.v2025_11_25, capabilities: ["tools": ["listChanged": false]], hasStreams: true) { _, _, _ in
                ["tools": tools]
            },
        ]
        for other in others {
            try await withHosted(other, scope: .shared) { client, hosted in
                _ = try await client.request("tools/list")
                #expect(hosted.catalogue?.tools?.count == 5)
            }
        }
    }

    @Test func aServerThatMissesHeadersIsAskedWhichItWantsNow() async throws {
        let mark = Mutex("Old")
        let calls = Mutex(0)
        let server = PlayedServer(.v2026_07_28, capabilities: ["tools": ["listChanged": false]], hasStreams: true) {
            _, method, params in
            guard method == "tools/call" else {
                return ["tools": [Self.tool("act", mark: .string(mark.withLock { $0 }))]]
            }
            calls.withLock { $0 += 1 }
            // As the listener of such a server would.
            throw MCPError(.headerMismatch, "The header is missing.")
        }
        try await withHosted(server, scope: .shared) { client, _ in
            let session = try await client.openSession()
            // Refused though nothing has changed: not tried again, and no fault of the client's headers.
            let refused = try await session.request("tools/call", ["name": "act", "arguments": ["a": "x"]])
            #expect(refused.errorCode == -32603)
            #expect(calls.withLock { $0 } == 1)
            mark.withLock { $0 = "New" }
            let again = try await session.request("tools/call", ["name": "act", "arguments": ["a": "x"]])
            #expect(again.errorCode == -32603)
            #expect(calls.withLock { $0 } == 3)
        }
        let sent = await server.child(0).headers.all
        #expect(
            sent == [
                [.init(header: "Old", value: "x")], [.init(header: "Old", value: "x")],
                [.init(header: "New", value: "x")],
            ])
    }
}
