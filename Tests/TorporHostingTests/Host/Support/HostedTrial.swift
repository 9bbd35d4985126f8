import Logging
import NIOPosix
import Torpor
import TorporJSON
import TorporTesting
import TorporUpstreamHTTP

@testable import TorporHosting

let quietLogger = Logger(label: "torpor.testing") { _ in SwiftLogNoOpLogHandler() }

/// Hosts a server for the length of `body`, and gives it a client. On return all children have ended.
func withHosted<Result: Sendable>(
    _ launcher: any Launcher, over transport: TestTransport = .memory, scope: HostedServerSettings.Scope = .session,
    testing: TestOptions = TestOptions(),
    _ body: @Sendable (TestClient, HostedServer) async throws -> Result
) async throws -> Result {
    var options = HostedServer.Options()
    options.scope = scope
    let hosted = HostedServer("hosted", launcher, options: options, logger: quietLogger)
    hosted.begin()
    do {
        let result = try await withTestClient(
            MCPServer(hosted.relayedServer(version: "1")), over: transport, options: testing
        ) {
            try await body($0, hosted)
        }
        await hosted.end(grace: .zero)
        return result
    } catch {
        await hosted.end(grace: .zero)
        throw error
    }
}

/// Runs a server of this library over HTTP, and hosts it as a remote one.
/// - Parameter path: Of the endpoint that is named in the settings.
func withHostedRemote<Result: Sendable>(
    _ server: MCPServer, path: String = "/mcp", type: HostedServerSettings.Remote.Transport = .http,
    scope: HostedServerSettings.Scope = .session, _ body: @Sendable (TestClient, HostedServer) async throws -> Result
) async throws -> Result {
    try await withHTTPServer(server, options: TestOptions()) { port in
        try await withHTTPClient { client in
            let launcher = try remoteLauncher("http://127.0.0.1:\(port)\(path)", type: type, client)
            return try await withHosted(launcher, scope: scope, body)
        }
    }
}

func remoteLauncher(
    _ url: String, type: HostedServerSettings.Remote.Transport = .http, _ client: HTTPUpstreamClient
) throws -> RemoteLauncher {
    var remote = HostedServerSettings.Remote(url: url)
    remote.transport = type
    return try RemoteLauncher(
        "hosted", remote, startTimeout: .seconds(30), client: { client },
        eventLoops: MultiThreadedEventLoopGroup.singleton)
}

/// Runs `body` with a client for remote servers, which is closed at the end.
func withHTTPClient<Result>(_ body: (HTTPUpstreamClient) async throws -> Result) async throws -> Result {
    let client = HTTPUpstreamClient(group: MultiThreadedEventLoopGroup.singleton)
    do {
        let result = try await body(client)
        try await client.shutdown()
        return result
    } catch {
        try await client.shutdown()
        throw error
    }
}
