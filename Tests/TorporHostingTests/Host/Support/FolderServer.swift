import NIOPosix
import Testing
import Torpor
import TorporJSON
import TorporTesting

@testable import TorporHosting

/// A server in a process of its own, of a shell, that keeps notes in its folder.
enum FolderServer {
    /// `note` adds a line to a file and answers with how many there are; `fill` writes so many bytes to another.
    static let script = #"""
        while IFS= read -r line; do
            id=${line#*\"id\":}; id=${id%%,*}
            answer() { echo '{"jsonrpc":"2.0","id":'"$id"',"result":'"$1$2"'}'; }
            case $line in
                *'"method":"initialize"'*)
                    answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},' \
                        '"serverInfo":{"name":"sh","version":"1"}}' ;;
                *'"method":"tools/list"'*)
                    answer '{"tools":[{"name":"note","inputSchema":{"type":"object"}},' \
                        '{"name":"fill","inputSchema":{"type":"object"}}]}' ;;
                *'"method":"tools/call"'*'"fill"'*)
                    size=${line#*\"size\":}; head -c "${size%%\}*}" /dev/zero > fill
                    answer '{"content":[]}' ;;
                *'"method":"tools/call"'*)
                    echo note >> notes
                    answer '{"content":[{"type":"text","text":"'"$(grep -c note notes)"'"}]}' ;;
                *'"id":'*) echo '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"no"}}' ;;
            esac
        done
        """#

    /// How it is named in a file of servers.
    static func settings(_ more: JSONObject = [:]) throws -> HostedServerSettings {
        var entry: JSONObject = [
            "command": "/bin/sh", "args": ["-c", .string(Self.script.replacing("${", with: "$${"))],
        ]
        for member in more.members { entry[member.name] = member.value }
        let servers = try HostedServers(
            ["mcpServers": ["hosted": .object(entry)]], source: "the test", variables: [:]
        ).servers
        return try #require(servers.first)
    }

    /// Hosts it for the length of `body`. On return its children have ended, and what they left is saved.
    static func run(
        _ trial: FolderTrial, in path: String, settings: HostedServerSettings? = nil, testing: TestOptions,
        _ body: @escaping @Sendable (TestClient, Hosting, HostedServer) async throws -> Void
    ) async throws {
        let hosting = try Hosting(
            Hosting.Settings(folderPath: path, environment: ["PATH": "/usr/bin:/bin"]), engine: trial.engine,
            eventLoops: MultiThreadedEventLoopGroup.singleton, logger: quietLogger)
        let server = try hosting.server(try settings ?? Self.settings())
        hosting.replace([server])
        try await hosting.run {
            try await withTestClient(MCPServer(server.relayedServer(version: "1")), over: .memory, options: testing) {
                try await body($0, hosting, server)
            }
        }
    }
}

extension TestClient {
    /// The lines in the notes of the client's folder, with the one that this adds.
    func note(_ arguments: JSONObject = [:]) async throws -> String? { try await self.call("note", arguments).text }
}
