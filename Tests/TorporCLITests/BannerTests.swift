import ArgumentParser
import Testing
import Torpor
import TorporHTTP

@testable import TorporCLI

@Suite struct BannerTests {
    @Test func theBannerSaysWhereTheServerIsAndWhatBoundsIt() throws {
        let text = Banner(try Self.configuration()).text(port: 4_711)
        for part in [
            "http://127.0.0.1:4711/mcp", "http://127.0.0.1:9464/", "sqlite:./torpor.db  (kept; unused for 7d",
            "request 4 MiB", "1024 calls",
            "10000 connections",
            "buffers 64 MiB", "call 10m", "session 24h", "none: anybody on this machine", "torpor client-config",
            "curl -s", "Ctrl-C",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(text.contains(ClientSnippet(url: "http://127.0.0.1:4711/mcp", name: "torpor", needsToken: false).json))
        #expect(!text.contains("Authorization"))
    }

    @Test func theBannerWarnsOfStrangersAndNamesFiles() throws {
        let open = Banner(try Self.configuration(["host": "0.0.0.0", "insecure": "true", "admin-port": "0"])).text(
            port: 1)
        #expect(open.contains("NONE: anybody who reaches this address"))
        #expect(open.contains("admin    off"))
        #expect(open.contains("http://127.0.0.1:1/mcp"))
        let closed = Banner(
            try Self.configuration(["auth": "token-file=t.tokens", "key-file": "t.key", "admin-host": "::1"])
        ).text(port: 1)
        #expect(closed.contains("bearer tokens of t.tokens"))
        #expect(closed.contains("t.key"))
        #expect(closed.contains("http://[::1]:9464/"))
        #expect(closed.contains("Bearer ${TORPOR_TOKEN}"))
    }

    @Test func theBannerOfAServerThatSpeaksTLSHasHTTPSURLsAndAPlainAdminListener() throws {
        let text = Banner(
            try Self.configuration(["tls-certificate-file": "a.pem", "tls-key-file": "a.key", "host": "::1"])
        ).text(port: 8_443)
        #expect(text.contains("MCP      https://[::1]:8443/mcp"))
        #expect(text.contains("curl -s https://[::1]:8443/mcp"))
        #expect(text.contains("http://127.0.0.1:9464/"))
        #expect(!text.contains("http://[::1]"))
    }

    @Test(arguments: [
        ("127.0.0.1", "http://127.0.0.1:1/mcp"), ("0.0.0.0", "http://127.0.0.1:1/mcp"), ("::", "http://[::1]:1/mcp"),
        ("::1", "http://[::1]:1/mcp"), ("app.example.com", "http://app.example.com:1/mcp"),
    ])
    func theURLIsOneThatCanBeCalled(host: String, url: String) {
        #expect(ClientSnippet.url(host: host, port: 1, path: "/mcp") == url)
    }

    @Test(arguments: ["torpor", "with \"quotes\" and \\", "zürich\n"], [false, true])
    func theSnippetIsJSON(name: String, needsToken: Bool) throws {
        let url = "http://127.0.0.1:8080/mcp?a=\"b\""
        let value = try JSONValue(parsing: Array(ClientSnippet(url: url, name: name, needsToken: needsToken).json.utf8))
        let entry = try #require(value["mcpServers"]?[name])
        #expect(entry["type"] == "http")
        #expect(entry["url"] == .string(url))
        #expect(entry["headers"]?["Authorization"] == (needsToken ? "Bearer ${TORPOR_TOKEN}" : nil))
    }

    @Test func aClientNeedsAnHTTPURL() throws {
        #expect(try ClientConfigCommand.parse(["--url", "https://x.example/mcp", "--token", "--format", "curl"]).token)
        #expect(throws: (any Error).self) { try ClientConfigCommand.parse(["--url", "x.example/mcp"]) }
        #expect(throws: (any Error).self) { try ClientConfigCommand.parse(["--format", "toml"]) }
    }

    private static func configuration(_ flags: [String: String] = [:]) throws -> ServeConfiguration {
        try ServeConfiguration(ConfigurationSources(flags: flags, environment: [:], file: nil))
    }
}
