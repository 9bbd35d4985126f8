package import TorporJSON

/// The hosted servers that a file of settings names, in its order.
///
/// Reads what MCP clients use: an object `mcpServers` (or `servers`) of one object for each server, or that object by
/// itself. What else stands beside `mcpServers` is the client's and is not looked at. A server has the members that
/// clients know (`command`, `args`, `env`, `cwd`; `url`, `headers`; `type`, `disabled`) and Torpor's own; see
/// `HostedServerKey`. Texts may name variables; see `VariableExpansion`.
package struct HostedServers: Hashable, Sendable {
    /// A key that means something to some client, and nothing here.
    package struct IgnoredKey: Hashable, Sendable {
        package let server: String
        package let key: String
    }

    /// How many servers one file may have.
    package static var serversMax: Int { 256 }

    package let servers: [HostedServerSettings]
    /// For a line in the log.
    package let ignoredKeys: [IgnoredKey]

    /// Reads JSON text.
    /// - Parameters:
    ///   - source: What errors call it.
    ///   - variables: The environment.
    package init(parsing bytes: [UInt8], source: String, variables: [String: String]) throws(HostedServersError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            let (line, column) = Self.place(of: error.offset, in: bytes)
            throw HostedServersError(
                source: source,
                reason: "\(error.reason.sentence) at line \(line), column \(column); it has to be JSON without comments"
            )
        }
        try self.init(value, source: source, variables: variables)
    }

    /// Reads a value, such as other formats come to.
    package init(_ value: JSONValue, source: String, variables: [String: String]) throws(HostedServersError) {
        var servers: [HostedServerSettings] = []
        var ignored: [IgnoredKey] = []
        let members = try Self.servers(in: value, source: source)
        guard members.count <= Self.serversMax else {
            throw HostedServersError(
                source: source, reason: "it has \(members.count) servers; there may be \(Self.serversMax)")
        }
        for member in members {
            guard Self.isName(member.name) else {
                throw HostedServersError(
                    source: source, server: Excerpt.of(member.name),
                    reason: "a server's name has 1 to 32 letters, digits, \"_\" and \"-\"")
            }
            guard !servers.contains(where: { $0.name == member.name }) else {
                throw HostedServersError(
                    source: source, server: member.name, reason: "it is there twice; give each server a name of its own"
                )
            }
            var reader = try HostedServerReader(member.value, name: member.name, source: source, variables: variables)
            servers.append(try reader.read())
            ignored += reader.ignoredKeys.map { IgnoredKey(server: member.name, key: $0) }
        }
        self.servers = servers
        self.ignoredKeys = ignored
    }

    /// Whether a text can name a server: `[A-Za-z0-9_-]{1,32}`.
    package static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The object that has the servers.
    private static func servers(in value: JSONValue, source: String) throws(HostedServersError) -> [JSONObject.Member] {
        guard case .object(let object) = value else {
            throw HostedServersError(
                source: source,
                reason: "it has to be an object, such as {\"mcpServers\": {\"files\": {\"command\": \"…\"}}}")
        }
        let containers = object.members.filter { $0.name == "mcpServers" || $0.name == "servers" }
        guard let container = containers.first else { return object.members }
        guard containers.count == 1 else {
            throw HostedServersError(
                source: source, reason: "it has \"mcpServers\" or \"servers\" more than once; put all servers into one")
        }
        guard case .object(let servers) = container.value else {
            throw HostedServersError(
                source: source, reason: "\"\(container.name)\" has to be an object of one object for each server")
        }
        return servers.members
    }

    /// Line and column, counted from 1, of a byte.
    private static func place(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let before = bytes.prefix(offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (before.count { $0 == UInt8(ascii: "\n") } + 1, offset - lineStart + 1)
    }
}

/// Parts of what was given, for errors.
enum Excerpt {
    /// The text, without what a terminal would obey, and at most 64 characters of it.
    static func of(_ text: String) -> String {
        let plain = text.unicodeScalars.prefix(64).map { $0.value < 32 || $0.value == 127 ? "?" : String($0) }
        return plain.joined() + (text.unicodeScalars.count > 64 ? "…" : "")
    }
}
