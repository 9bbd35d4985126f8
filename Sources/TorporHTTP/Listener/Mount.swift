package import Torpor
import TorporCore

/// A further server of a listener, at a path of its own.
package struct Mount: Sendable {
    /// Begins with a slash, such as `/files/mcp`.
    package let path: String
    package let server: MCPServer

    package init(path: String, server: MCPServer) {
        self.path = path
        self.server = server
    }
}

/// A server that is mounted, and who answers for it. Calls and streams count together with those of the main server.
struct Mounted: Sendable {
    let mount: Mount
    let path: [UInt8]
    let dispatcher: Dispatcher
    let sessions: SessionAuthority
}

extension HTTPServer {
    /// Serves these from now on, beside the main server. Those that are mounted already, the same server at the same path,
    /// stay as they are; of those that are gone, calls that run are answered, and sessions are unknown.
    package func mount(_ mounts: [Mount]) {
        let known = self.listener.mounted
        self.listener.replaceMounted(
            mounts.map { mount in
                if let same = known.first(where: {
                    $0.mount.path == mount.path && $0.mount.server.isSame(as: mount.server)
                }) {
                    return same
                }
                let path = Array(mount.path.utf8)
                // The salt keeps the sessions of one server from being another's.
                let sessions = self.makeSessions(salt: UInt128(XXH64.hash(path.span.bytes)))
                return Mounted(
                    mount: mount, path: path,
                    dispatcher: Dispatcher(server: mount.server, sessions: sessions, beside: self.listener.dispatcher),
                    sessions: sessions)
            })
    }
}
