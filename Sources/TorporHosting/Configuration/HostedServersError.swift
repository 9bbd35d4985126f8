/// Why the settings of hosted servers cannot be used: where, and what would be right.
///
/// Holds no value of a variable, an environment or a header, so it may be shown and logged.
package struct HostedServersError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was read: a file's name, or the like.
    package let source: String
    /// `nil` when it is about the whole.
    package let server: String?
    /// The key below the server, `env.TOKEN` and `args[2]` for parts of one; `nil` when it is about the server.
    package let key: String?
    package let reason: String

    package init(source: String, server: String? = nil, key: String? = nil, reason: String) {
        self.source = source
        self.server = server
        self.key = key
        self.reason = reason
    }

    /// `servers.json: server "files", key "memory": "12 pages" is no size; write one such as "256MiB"`
    package var description: String {
        var place: [String] = []
        if let server = self.server { place.append("server \"\(server)\"") }
        if let key = self.key { place.append("key \"\(key)\"") }
        return ([self.source, place.joined(separator: ", ")].filter { !$0.isEmpty } + [self.reason])
            .joined(separator: ": ")
    }
}
