import Testing
import TorporCore
import TorporJSON
import TorporTestSupport

@testable import TorporHosting

/// What is refused, and that the error says where, and what would be right.
@Suite struct HostedServersFaultTests {
    /// The error for a file.
    private static func fault(_ text: String) -> String? {
        do throws(HostedServersError) {
            _ = try HostedServers(parsing: Array(text.utf8), source: "servers.json", variables: [:])
            return nil
        } catch {
            return error.description
        }
    }

    // MARK: The whole

    @Test(arguments: [
        ("[]", "servers.json: it has to be an object, such as {\"mcpServers\": {\"files\": {\"command\": \"…\"}}}"),
        (
            "{\n  // hello\n}",
            "servers.json: unexpected byte in the JSON text at line 2, column 3; it has to be JSON without comments"
        ),
        (
            "{\"a\": {}",
            "servers.json: the JSON text ends too early at line 1, column 9; it has to be JSON without comments"
        ),
        (
            #"{"mcpServers": {}, "servers": {}}"#,
            "servers.json: it has \"mcpServers\" or \"servers\" more than once; put all servers into one"
        ),
        (
            #"{"mcpServers": []}"#,
            "servers.json: \"mcpServers\" has to be an object of one object for each server"
        ),
        (
            #"{"a b": {"command": "x"}}"#,
            "servers.json: server \"a b\": a server's name has 1 to 32 letters, digits, \"_\" and \"-\""
        ),
        (
            #"{"a": {"command": "x"}, "a": {"command": "y"}}"#,
            "servers.json: server \"a\": it is there twice; give each server a name of its own"
        ),
        (
            #"{"a": "npx"}"#,
            "servers.json: server \"a\": it has to be an object, such as {\"command\": \"npx\", \"args\": [\"some-server\"]}"
        ),
    ])
    func aFileThatIsNoneIsRefused(text: String, error: String) { #expect(Self.fault(text) == error) }

    @Test func asManyServersAsMayAndNoMoreAreRead() {
        func text(_ count: Int) -> String {
            "{" + (0..<count).map { "\"s\($0)\": {\"command\": \"x\"}" }.joined(separator: ",") + "}"
        }
        #expect(Self.fault(text(HostedServers.serversMax)) == nil)
        #expect(
            Self.fault(text(HostedServers.serversMax + 1)) == "servers.json: it has 257 servers; there may be 256")
    }

    @Test(arguments: [
        ("", false), ("a", true), (String(repeating: "x", count: 32), true), (String(repeating: "x", count: 33), false),
        ("a-B_9", true), ("é", false), ("a.b", false), ("a/b", false), ("a\n", false),
    ])
    func namesHaveTheirLettersAndTheirLength(name: String, isName: Bool) {
        #expect(HostedServers.isName(name) == isName)
    }

    // MARK: One server

    @Test(
        arguments: [
            // Which kind of server it is.
            ("", nil, "it needs a \"command\" to start, or the \"url\" of a server that runs"),
            (#""args": []"#, nil, "it needs a \"command\" to start, or the \"url\" of a server that runs"),
            (
                #""command": "x", "url": "http://h/""#, "url",
                "is there beside \"command\"; a server is either started or runs elsewhere"
            ),
            (#""url": "http://h/", "serverUrl": "http://h/""#, "serverUrl", "says the same as \"url\"; keep one"),
            (
                #""command": "x", "type": "http""#, "type",
                "is for a server with a \"url\"; leave it out, or write \"stdio\""
            ),
            (
                #""url": "http://h/", "type": "stdio""#, "type",
                "\"stdio\" is for a server with a \"command\"; write \"http\" or leave it out"
            ),
            (
                #""url": "http://h/", "type": "ws""#, "type",
                "\"ws\" is no transport; write \"stdio\", \"http\" or \"sse\""
            ),
            (
                #""command": "x", "headers": {}"#, "headers",
                "is for a server with a \"url\", and this one has a \"command\""
            ),
            (
                #""url": "http://h/", "memory": "1GiB""#, "memory",
                "is for a server with a \"command\", and this one has a \"url\""
            ),
            // Keys.
            (#""command": "x", "comand": "y""#, "comand", "is not known; did you mean \"command\"?"),
            (#""command": "x", "idletimeout": "1s""#, "idletimeout", "is not known; did you mean \"idleTimeout\"?"),
            (#""command": "x", "envFile": ".env""#, "envFile", "is not read; put the variables under \"env\""),
            (#""command": "x", "command": "y""#, "command", "is there twice; keep one"),
            (
                #""command": "x", "disabled": true, "enabled": true"#, "enabled",
                "says the same as \"disabled\"; keep one"
            ),
            // Values of the wrong kind.
            (#""command": """#, "command", "is empty; name a program"),
            (#""command": 7"#, "command", "has to be a text in quotes"),
            (#""command": "a\u0000b""#, "command", "has a NUL in it"),
            (#""command": "x", "cwd": """#, "cwd", "is empty; name a folder, or leave it out"),
            (#""command": "x", "args": "-y""#, "args", "has to be an array of texts, such as [\"a\", \"b\"]"),
            (#""command": "x", "args": ["-y", 7]"#, "args[1]", "has to be a text in quotes"),
            (#""command": "x", "env": []"#, "env", "has to be an object of texts, such as {\"NAME\": \"value\"}"),
            (#""command": "x", "env": {"A": 1}"#, "env.A", "has to be a text in quotes"),
            (
                #""command": "x", "env": {"A=B": "1"}"#, "env.A=B",
                "is no name of a variable; those have no \"=\" and are not empty"
            ),
            (#""command": "x", "env": {"A": "1", "A": "2"}"#, "env.A", "is there twice; keep one"),
            (
                #""command": "x", "env": {"A": "${B}"}"#, "env.A",
                "the variable B is not set; set it, or write \"${B:-text}\""
            ),
            (#""command": "x", "disabled": "yes""#, "disabled", "has to be true or false"),
            (
                #""command": "x", "per": "user""#, "per",
                "\"user\" is none of \"session\", \"principal\", \"handle\", \"call\" and \"shared\""
            ),
            (
                #""command": "x", "memory": "12 pages""#, "memory",
                "\"12 pages\" is no size; write one such as \"256MiB\""
            ),
            (#""command": "x", "memory": "1MiB""#, "memory", "1 MiB is not between 16 MiB and 1 TiB"),
            (
                #""command": "x", "idleTimeout": 300"#, "idleTimeout",
                "\"300\" is no duration; write one such as \"30s\" or \"5m\""
            ),
            (#""command": "x", "idleTimeout": "31d""#, "idleTimeout", "31d is not between 1s and 30d"),
            (#""command": "x", "children": 0"#, "children", "has to be a whole number from 1 to 10000"),
            (#""command": "x", "children": 1.5"#, "children", "has to be a whole number from 1 to 10000"),
            (#""command": "x", "children": true"#, "children", "has to be a whole number from 1 to 10000"),
            (
                #""command": "x", "prefix": "a.b""#, "prefix",
                "\"a.b\" is no prefix; it has up to 32 letters, digits, \"_\" and \"-\""
            ),
            (#""command": "x", "path": "mcp""#, "path", "\"mcp\" is no path; write one such as \"/mcp/files\""),
            // Values that contradict each other.
            (
                #""command": "x", "children": 4, "childrenPerPrincipal": 5"#, "childrenPerPrincipal",
                "5 is more than all, of which there may be 4"
            ),
            (
                #""command": "x", "spares": 1"#, "spares",
                "are started before it is known whose folder they need; write \"state\": \"none\""
            ),
            (
                #""command": "x", "children": 4, "spares": 4"#, "spares",
                "4 leave no room: there may be 4 children, spares among them"
            ),
            (
                #""command": "x", "per": "shared", "spares": 1"#, "spares",
                "1 leave no room: there may be 1 children, spares among them"
            ),
            (
                #""command": "x", "per": "shared", "children": 4"#, "children",
                "is decided by \"per\": \"shared\", which has one child for all"
            ),
            (
                #""command": "x", "per": "call", "calls": 4"#, "calls",
                "is decided by \"per\": \"call\", which has a child for each"
            ),
            (
                #""command": "x", "per": "call", "state": "folder""#, "state",
                "a server for one call has nothing to keep; write \"none\""
            ),
            (
                #""command": "x", "state": "none", "folder": "1MiB""#, "folder",
                "is about a folder that is kept, and none is with \"state\": \"none\""
            ),
            (
                #""command": "x", "network": false"#, "network",
                "is decided by the sandbox; write \"sandbox\": true beside it"
            ),
            // Remote servers.
            (
                #""url": "ftp://h/""#, "url", "is no URL of a server; write one such as \"https://example.com/mcp\""
            ),
            (#""url": "http://""#, "url", "names no host; write one such as \"https://example.com/mcp\""),
            (#""url": "http://u:p@h/""#, "url", "has a name or password in it; put them into \"headers\""),
            (#""url": "http://h/a b""#, "url", "has a character that no URL has; escape it as in \"%20\""),
            (
                #""url": "http://h/#x""#, "url",
                "has a fragment, which no server gets to see; leave out \"#\" and the rest"
            ),
            (#""url": "http://h/", "headers": {"Host": "x"}"#, "headers.Host", "is written by Torpor; leave it out"),
            (
                #""url": "http://h/", "headers": {"A:": "x"}"#, "headers.A:",
                "is no name of a header; write one such as \"Authorization\""
            ),
            (
                #""url": "http://h/", "headers": {"A": "x\r\ny"}"#, "headers.A",
                "has a value with a line break or another control character; leave it out"
            ),
            (#""url": "http://h/", "headers": {"A": "x", "a": "y"}"#, "headers.a", "is there twice; keep one"),
        ] as [(String, String?, String)])
    func theErrorSaysWhereAndWhatWouldBeRight(members: String, key: String?, reason: String) {
        let place = "servers.json: server \"files\"" + (key.map { ", key \"\($0)\"" } ?? "")
        #expect(Self.fault("{\"files\": {\(members)}}") == "\(place): \(reason)")
    }

    @Test func anUnknownKeyIsAnsweredWithThoseThatAre() throws {
        let error = try #require(Self.fault(#"{"files": {"command": "x", "somethingElse": 1}}"#))
        #expect(error.contains("key \"somethingElse\": is not known; the keys of a server are command, args, env"))
    }

    @Test func whatATerminalWouldObeyIsNotRepeated() throws {
        let error = try #require(
            Self.fault(#"{"files": {"command": "x", "\u001b[2Jkey\#(String(repeating: "x", count: 99))": 1}}"#))
        #expect(!error.contains("\u{1B}") && error.contains("?[2Jkeyxxx") && error.contains("x…\""))
    }

    @Test(arguments: [
        ("http://h", true), ("https://h:1/x?y=z", true), ("HTTPS://H/", true), ("http://[::1]:8080/mcp", true),
        ("http://[::1]", true), ("http://h:0/", false), ("http://h:65536/", false), ("http://h:/", false),
        ("http://h:x/", false), ("http://[]/", false), ("http://[::1/", false), ("http://?x", false),
        ("http:/h", false),
        ("http://h\\x", false), ("http://é/", false),
    ])
    func urlsNameAHost(url: String, isURL: Bool) { #expect((HTTPParts.faultOfURL(url) == nil) == isURL) }

    @Test(arguments: [
        ("/mcp", true), ("/mcp/a-b_c.d~1", true), ("", false), ("/", false), ("/mcp/", false), ("//", false),
        ("/..", false), ("/a/../b", false), ("/a b", false), ("/a?b", false), ("/é", false),
        ("/" + String(repeating: "x", count: 255), true), ("/" + String(repeating: "x", count: 256), false),
    ])
    func pathsAreMadeOfSegments(path: String, isPath: Bool) { #expect(HTTPParts.isPath(path) == isPath) }

    // MARK: Anything at all

    /// Whatever is in a file, reading it ends with servers or with an error that names its place.
    @Test func noFileBreaksTheReader() {
        var outcomes = (servers: 0, errors: 0)
        for seed in 0..<3_000 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var members: [JSONObject.Member] = []
            if Bool.random(using: &random) { members.append(JSONObject.Member(name: "command", value: "x")) }
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let key = HostedServerKey.allCases.randomElement(using: &random)?.rawValue ?? ""
                members.append(JSONObject.Member(name: key, value: Self.value(using: &random)))
            }
            do throws(HostedServersError) {
                let object = JSONObject([JSONObject.Member(name: "s", value: .object(JSONObject(members)))])
                _ = try HostedServers(.object(object), source: "x", variables: ["A": "a"])
                outcomes.servers += 1
            } catch {
                #expect(error.server == "s" && error.description.hasPrefix("x: server \"s\""), "seed \(seed)")
                outcomes.errors += 1
            }
        }
        #expect(outcomes.servers > 100 && outcomes.errors > 100)
    }

    private static func value(using random: inout SeededGenerator) -> JSONValue {
        let texts = [
            "", "x", "${A}", "${", "$${A}", "5", "1.5", "-1", "5m", "1ms", "99999999999999999999s", "64MiB", "1e9",
            "true",
            "http://h/", "shared", "call", "none", "folder", "stdio", "http", "/mcp", "\u{0}", "é", "🦢",
        ]
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .number(JSONNumber(Int.random(in: -5...20_000, using: &random)))
        case 3: return .array([self.value(using: &random), "x"])
        case 4: return .object(JSONObject([JSONObject.Member(name: "A", value: self.value(using: &random))]))
        default: return .string(texts.randomElement(using: &random) ?? "")
        }
    }
}
