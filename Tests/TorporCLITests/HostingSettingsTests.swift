import Testing
import Torpor
import TorporCore
import TorporJSON

@testable import TorporCLI
@testable import TorporHosting

/// What the command line says of a hosted server.
@Suite struct HostingSettingsTests {
    private static func settings(
        _ flags: [String: String] = [:], command: [String] = ["some-server", "--flag", "${NOT_EXPANDED}"],
        file: (name: String, text: String)? = nil
    ) throws -> HostingSettings? {
        try ServeConfiguration(
            ConfigurationSources(flags: flags, environment: [:], file: file), command: command, file: file
        ).hosting
    }

    private static func server(_ flags: [String: String] = [:]) throws -> HostedServerSettings {
        let servers = try Self.settings(flags)?.read(variables: [:]) ?? []
        #expect(servers.count == 1)
        return try #require(servers.first)
    }

    private static func command(_ flags: [String: String] = [:]) throws -> HostedServerSettings.Command {
        guard case .command(let command) = try Self.server(flags).connection else {
            throw ConfigurationError(description: "it is no command")
        }
        return command
    }

    @Test func aCommandIsHostedAsItWasGiven() throws {
        let command = try Self.command()
        #expect(command.program == "some-server" && command.arguments == ["--flag", "${NOT_EXPANDED}"])
        #expect(command.folder != nil && !command.isSandboxed && !command.isHome && command.memory == nil)
        #expect(try Self.server().scope == .session)
    }

    @Test(arguments: HostedServerSettings.Scope.allCases)
    func perSaysWhoHasAChild(_ scope: HostedServerSettings.Scope) throws {
        #expect(try Self.server(["per": scope.rawValue]).scope == scope)
    }

    @Test func everySettingReachesTheServer() throws {
        let limits = try Self.server([
            "children": "8", "principal-children": "3", "child-calls": "5", "child-idle-timeout": "7s",
            "child-start-timeout": "9s", "spares": "2", "keep-folders": "false",
        ]).limits
        #expect(limits.childrenMax == 8 && limits.accountChildrenMax == 3 && limits.callsMax == 5)
        #expect(limits.idleTimeout == .seconds(7) && limits.startTimeout == .seconds(9) && limits.sparesMax == 2)
        let command = try Self.command([
            "child-memory": "64MiB", "child-home": "true", "sandbox": "no-network", "max-folder": "1MiB",
        ])
        #expect(command.memory == .mebibytes(64) && command.isHome && command.isSandboxed && !command.hasNetwork)
        #expect(command.folder?.bytesMax == .mebibytes(1))
        #expect(try Self.command(["keep-folders": "false"]).folder == nil)
        #expect(try Self.settings(["folders": "/somewhere"])?.foldersPath == "/somewhere")
    }

    @Test(arguments: [
        ["per": "everybody"], ["children": "0"], ["children": "many"], ["child-memory": "lots"], ["sandbox": "maybe"],
        ["keep-folders": "perhaps"], ["spares": "1"], ["child-idle-timeout": "0s"],
    ])
    func whatCannotBeIsAnError(_ flags: [String: String]) {
        #expect(throws: (any Error).self) { try Self.server(flags) }
    }

    @Test func oneOfTheWaysToNameServersIsEnough() {
        #expect(throws: ConfigurationError.self) { try Self.settings(["server": "bench"]) }
        #expect(throws: ConfigurationError.self) { try Self.settings(["upstream": "http://127.0.0.1:1/mcp"]) }
        #expect(throws: ConfigurationError.self) { try Self.settings(["servers": "a.json"]) }
        // What is set for one server says nothing where there is none, or where several are.
        #expect(throws: ConfigurationError.self) { try Self.settings(["per": "shared"], command: []) }
        #expect(throws: ConfigurationError.self) {
            try Self.settings(["servers": "a.json", "per": "shared"], command: [])
        }
    }

    @Test func aRemoteServerIsNamedByItsURL() throws {
        let settings = try Self.settings(["upstream": "http://127.0.0.1:1/mcp"], command: [])
        let servers = try settings?.read(variables: [:])
        #expect(servers?.first?.connection == .remote(.init(url: "http://127.0.0.1:1/mcp")))
    }

    @Test func yamlIsReadAsTheSameJSONWouldBe() throws {
        let text = """
            # Two servers.
            git: {command: uvx, args: [mcp-server-git, "--repository", .], per: shared, disabled: false}
            remote:
              url: https://example.com/mcp
              children: 8
              note: "8"
            """
        #expect(
            try YAMLValue.read(text, named: "a.yaml") == [
                "git": [
                    "command": "uvx", "args": ["mcp-server-git", "--repository", "."], "per": "shared",
                    "disabled": false,
                ], "remote": ["url": "https://example.com/mcp", "children": 8, "note": "8"],
            ])
    }

    @Test(arguments: ["a: 1\na: 2", "a: &x 1\nb: *x", "a: [", "{[1]: 2}", "a: 1\n---\nb: 2"])
    func yamlThatIsNoPlainTreeIsRefused(_ text: String) {
        #expect(throws: ConfigurationError.self) { try YAMLValue.read(text, named: "a.yaml") }
    }
}
