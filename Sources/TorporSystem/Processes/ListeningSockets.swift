/// Who listens at a TCP port of this machine, as `/proc` tells.
///
/// Only processes whose descriptors may be read are found: one's own, or all of them as root. A process in another
/// network namespace, such as in a container, has other ports.
package struct ListeningSockets: Sendable {
    /// The state of a socket that listens, in `/proc/net/tcp`.
    private static let listening = "0A"

    private let root: SystemRoot

    package init(root: SystemRoot) { self.root = root }

    /// Whether anybody listens at the port, also one who cannot be found.
    package func isOpen(port: Int) -> Bool { !self.inodes(port: port).isEmpty }

    /// The processes that have a socket listening at the port, in ascending order. A server of several processes may
    /// have more than one.
    ///
    /// - Complexity: O(descriptors of all processes).
    package func processes(port: Int) -> [Int32] {
        let sockets = Set(self.inodes(port: port).map { "socket:[\($0)]" })
        guard !sockets.isEmpty else { return [] }
        let pids = (self.root.names(in: "/proc") ?? []).compactMap { Int32($0) }
        return pids.filter { pid in
            let folder = "/proc/\(pid)/fd"
            return (self.root.names(in: folder) ?? []).contains { descriptor in
                self.root.target(of: "\(folder)/\(descriptor)").map(sockets.contains) ?? false
            }
        }.sorted()
    }

    /// The sockets that listen at the port, by IPv4 or IPv6.
    private func inodes(port: Int) -> [Substring] {
        ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { file in
            (self.root.lines(file) ?? []).dropFirst().compactMap { line -> Substring? in
                // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
                let fields = line.split(separator: " ", maxSplits: 10)
                guard fields.count > 9, fields[3] == Self.listening,
                    let colon = fields[1].lastIndex(of: ":"),
                    Int(fields[1][fields[1].index(after: colon)...], radix: 16) == port
                else { return nil }
                return fields[9]
            }
        }
    }
}
