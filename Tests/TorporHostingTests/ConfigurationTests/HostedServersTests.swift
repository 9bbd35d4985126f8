import Testing
import TorporCore
import TorporJSON

@testable import TorporHosting

/// What files of settings come to.
@Suite struct HostedServersTests {
    private static func read(_ text: String, variables: [String: String] = [:]) throws -> HostedServers {
        try HostedServers(parsing: Array(text.utf8), source: "servers.json", variables: variables)
    }

    /// The only server of a file, whose members are these.
    private static func server(_ members: String, variables: [String: String] = [:]) throws -> HostedServerSettings {
        let servers = try self.read("{\"mcpServers\": {\"files\": {\(members)}}}", variables: variables).servers
        return try #require(servers.first)
    }

    // MARK: Clients' files

    @Test func aClientsFileIsRead() throws {
        let servers = try Self.read(
            """
            {
              "globalShortcut": "Ctrl+Space",
              "mcpServers": {
                "filesystem": {
                  "command": "npx",
                  "args": ["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"],
                  "env": {"NODE_ENV": "production"},
                  "autoApprove": ["read_file"],
                  "timeout": 30
                },
                "github": {
                  "type": "http",
                  "url": "https://api.example.com/mcp/",
                  "headers": {"Authorization": "Bearer ${TOKEN}"}
                },
                "old": {"url": "http://127.0.0.1:9000/sse", "type": "sse", "disabled": true}
              }
            }
            """, variables: ["TOKEN": "abc"])
        var command = HostedServerSettings.Command(program: "npx")
        command.arguments = ["-y", "@modelcontextprotocol/server-filesystem", "/srv/files"]
        command.environment = ["NODE_ENV": "production"]
        command.folder = HostedServerSettings.Folder()
        #expect(servers.servers.map(\.name) == ["filesystem", "github", "old"])
        #expect(servers.servers[0] == HostedServerSettings(name: "filesystem", connection: .command(command)))
        let headers = [HostedServerSettings.Header(name: "Authorization", value: "Bearer abc")]
        let remote = HostedServerSettings.Remote(url: "https://api.example.com/mcp/", headers: headers)
        #expect(servers.servers[1] == HostedServerSettings(name: "github", connection: .remote(remote)))
        let old = HostedServerSettings.Remote(url: "http://127.0.0.1:9000/sse", transport: .sse)
        #expect(
            servers.servers[2] == HostedServerSettings(name: "old", connection: .remote(old), isDisabled: true))
        #expect(
            servers.ignoredKeys == [
                .init(server: "filesystem", key: "autoApprove"), .init(server: "filesystem", key: "timeout"),
            ])
    }

    @Test(arguments: [
        #"{"mcpServers": {"a": {"command": "x"}, "b": {"url": "http://h/"}}}"#,
        #"{"servers": {"a": {"type": "stdio", "command": "x"}, "b": {"type": "http", "url": "http://h/"}}, "inputs": []}"#,
        #"{"a": {"command": "x"}, "b": {"serverUrl": "http://h/"}}"#,
        #"{"a": {"command": "x"}, "b": {"httpUrl": "http://h/", "transport": "streamable-http", "enabled": true}}"#,
    ])
    func theFormsThatClientsHaveMeanTheSame(text: String) throws {
        let servers = try Self.read(text).servers
        #expect(servers.map(\.name) == ["a", "b"] && servers.allSatisfy { !$0.isDisabled })
        guard case .command(let command) = servers[0].connection, case .remote(let remote) = servers[1].connection
        else {
            Issue.record("one is started, and one runs elsewhere")
            return
        }
        #expect(command.program == "x" && remote == HostedServerSettings.Remote(url: "http://h/"))
    }

    @Test(arguments: ["{}", #"{"mcpServers": {}}"#]) func noServersAreNoFault(text: String) throws {
        #expect(try Self.read(text).servers.isEmpty)
    }

    // MARK: Torpor's settings

    @Test func everySettingOfACommandIsRead() throws {
        let settings = try Self.server(
            """
            "command": "uvx", "args": ["it"], "cwd": "/srv", "per": "principal", "memory": "256MiB", "processes": 64,
            "openFiles": 256, "gracePeriod": "2s", "sandbox": true, "network": false, "state": "folder",
            "folder": "10MiB", "folderFiles": 100, "folderInterval": "5m", "retention": "30d", "prefix": "fs_",
            "path": "/mcp/files", "children": 8, "childrenPerPrincipal": 2, "calls": 4, "queue": 50,
            "idleTimeout": "10m", "startTimeout": "20s", "queueTimeout": "30s", "callTimeout": "2m",
            "holdTimeout": "1m", "includeTools": ["a", "b"], "excludeTools": ["c"], "disabledTools": ["d"]
            """)
        var command = HostedServerSettings.Command(program: "uvx")
        command.arguments = ["it"]
        command.directory = "/srv"
        command.memory = .mebibytes(256)
        command.processesMax = 64
        command.openFilesMax = 256
        command.gracePeriod = .seconds(2)
        command.isSandboxed = true
        command.hasNetwork = false
        command.folder = HostedServerSettings.Folder(
            bytesMax: .mebibytes(10), filesMax: 100, interval: .seconds(300), retention: .seconds(30 * 86_400))
        var expected = HostedServerSettings(name: "files", connection: .command(command))
        expected.scope = .principal
        expected.limits = HostLimits(
            childrenMax: 8, accountChildrenMax: 2, callsMax: 4, queuedMax: 50, queueTimeout: .seconds(30),
            idleTimeout: .seconds(600), startTimeout: .seconds(20), holdTimeout: .seconds(60))
        expected.callTimeout = .seconds(120)
        expected.prefix = "fs_"
        expected.path = "/mcp/files"
        expected.includedTools = ["a", "b"]
        expected.excludedTools = ["c", "d"]
        #expect(settings == expected)
    }

    @Test func numbersAndFlagsMayBeTextsAsOtherFormatsHaveThem() throws {
        let texts = try Self.server(
            #""command": "x", "children": "3", "sandbox": "true", "disabled": "false", "memory": "20000000""#)
        let values = try Self.server(
            #""command": "x", "children": 3, "sandbox": true, "disabled": false, "memory": 20000000"#)
        #expect(texts == values && values.limits.childrenMax == 3)
    }

    @Test func aSharedServerHasOneChildForAll() throws {
        let limits = try Self.server(#""command": "x", "per": "shared""#).limits
        #expect(limits == HostLimits(childrenMax: 1, accountChildrenMax: 1))
    }

    @Test func aServerForOneCallKeepsNothing() throws {
        let settings = try Self.server(#""command": "x", "per": "call", "spares": 2"#)
        guard case .command(let command) = settings.connection else {
            Issue.record("it is started")
            return
        }
        #expect(command.folder == nil && settings.limits == HostLimits(sparesMax: 2, isPerCall: true))
    }

    // MARK: Variables

    @Test(arguments: [
        ("${HOME}/x", "/home/me/x"), ("${env:HOME}", "/home/me"), ("${NONE:-a b}", "a b"), ("${NONE:-}", ""),
        ("${EMPTY}", ""), ("${EMPTY:-d}", "d"), ("${HOME:-d}", "/home/me"), ("$HOME $", "$HOME $"),
        ("$${HOME}", "${HOME}"), ("a${HOME}b${HOME}c", "a/home/meb/home/mec"), ("$$x", "$$x"),
        // What a value contains is not looked at again.
        ("${TRICK}", "${HOME}"), ("${NONE:-x:-y}", "x:-y"),
    ])
    func variablesArePutInPlace(text: String, expected: String) throws {
        let variables = ["HOME": "/home/me", "EMPTY": "", "TRICK": "${HOME}"]
        #expect(try VariableExpansion.expand(text, with: variables) == expected)
    }

    @Test(arguments: [
        ("${NONE}", "the variable NONE is not set; set it, or write \"${NONE:-text}\""),
        ("${env:NONE}", "the variable NONE is not set; set it, or write \"${NONE:-text}\""),
        ("a${NONE", "\"${\" has no \"}\"; write \"$${\" where no variable is meant"),
        ("${}", "\"${}\" is no variable; write \"${NAME}\" or \"${NAME:-text}\""),
        ("${1A}", "\"${1A}\" is no variable; write \"${NAME}\" or \"${NAME:-text}\""),
        ("${workspace folder}", "\"${workspace folder}\" is no variable; write \"${NAME}\" or \"${NAME:-text}\""),
        (
            "${input:key}",
            "\"${input:key}\" asks somebody at a screen, and there is none; name a variable of the environment"
        ),
        ("${A:-${B}}", "\"${A:-…}\" has another variable in it; give a plain text after \":-\""),
    ])
    func whatIsNoVariableIsExplained(text: String, reason: String) {
        #expect(throws: VariableExpansion.Failure(reason: reason)) {
            try VariableExpansion.expand(text, with: ["B": "b"])
        }
    }

    @Test func variablesStandInEveryText() throws {
        let variables = ["V": "v"]
        let settings = try Self.server(
            #""command": "${V}", "args": ["a${V}"], "env": {"E": "e${V}"}, "cwd": "/${V}", "prefix": "${V}_""#,
            variables: variables)
        var command = HostedServerSettings.Command(program: "v")
        command.arguments = ["av"]
        command.environment = ["E": "ev"]
        command.directory = "/v"
        command.folder = HostedServerSettings.Folder()
        var expected = HostedServerSettings(name: "files", connection: .command(command))
        expected.prefix = "v_"
        #expect(settings == expected)
        guard
            case .remote(let remote) = try Self.server(
                #""url": "http://${V}/", "headers": {"X": "x${V}"}"#, variables: variables
            ).connection
        else {
            Issue.record("it runs elsewhere")
            return
        }
        #expect(remote.url == "http://v/" && remote.headers.map(\.value) == ["xv"])
    }

    // MARK: Secrets

    @Test func descriptionsHoldNoSecrets() throws {
        let command = try Self.server(#""command": "x", "args": ["--key=hush"], "env": {"TOKEN": "hush"}"#)
        let remote = try Self.server(#""url": "https://h/?key=hush", "headers": {"Authorization": "hush"}"#)
        for text in ["\(command)", "\(remote)", "\(command.connection)", "\(remote.connection)"] {
            #expect(!text.contains("hush"))
        }
        #expect("\(command)" == "files (x)" && "\(remote)" == "files (http)")
    }

    @Test(arguments: [
        #""command": "x", "env": {"TOKEN": "hush${NO}"}"#, #""command": "x", "env": {"TO=KEN": "hush"}"#,
        #""url": "https://hush@h/""#, #""url": "hush""#, #""url": "https://h/", "headers": {"A": "hush\n"}"#,
        #""url": "https://h/", "headers": {"A B": "hush"}"#,
    ])
    func errorsHoldNoSecrets(members: String) {
        let error = #expect(throws: HostedServersError.self) { try Self.server(members) }
        #expect(error.map { !$0.description.contains("hush") } == true)
    }
}
