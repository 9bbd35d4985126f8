/// The keys of one server's settings, by the name they have in files.
enum HostedServerKey: String, CaseIterable {
    // What clients know as well.
    case command, args, env, cwd
    case url, serverUrl, httpUrl, headers
    case type, transport
    case disabled, enabled
    case includeTools, excludeTools, disabledTools
    // Torpor's own.
    case per
    case children, childrenPerPrincipal, calls, queue, spares
    case idleTimeout, startTimeout, queueTimeout, callTimeout, holdTimeout
    case memory, processes, openFiles, gracePeriod, sandbox, network, home
    case state, folder, folderFiles, folderInterval, retention
    case prefix, path

    /// Keys that some client knows and that mean nothing to a server's host: consents of the one user a client has,
    /// what it shows, and what it watches. They are accepted and listed as ignored.
    ///
    /// `timeout` is among them since one client counts it in seconds and the next in milliseconds.
    static let ignored: Set<String> = [
        "alwaysAllow", "autoApprove", "trust", "timeout", "description", "title", "name", "id", "icon", "icons",
        "iconPath",
        "version", "source", "gallery", "dev", "watchPaths", "tools", "note", "comment", "_comment", "$schema",
    ]

    /// Keys that some client knows and that Torpor cannot do, and what to do instead. To ignore them would start a server
    /// that is not what was meant.
    static let unsupported: [String: String] = [
        "envFile": "is not read; put the variables under \"env\"",
        "headersHelper": "is not run; put the headers under \"headers\"",
        "oauth": "is not supported; put an Authorization header under \"headers\"",
        "auth": "is not supported; put an Authorization header under \"headers\"",
        "authentication": "is not supported; put an Authorization header under \"headers\"",
        "authProviderType": "is not supported; put an Authorization header under \"headers\"",
        "requestInit": "is not supported; put the headers under \"headers\"",
    ]

    /// Those that are for a server that Torpor starts.
    var needsCommand: Bool {
        switch self {
        case .command, .args, .env, .cwd, .memory, .processes, .openFiles, .gracePeriod, .sandbox, .network, .home,
            .state, .folder, .folderFiles, .folderInterval, .retention, .spares:
            true
        default: false
        }
    }

    /// Those that are for a server that runs elsewhere.
    var needsURL: Bool {
        switch self {
        case .url, .serverUrl, .httpUrl, .headers: true
        default: false
        }
    }

    /// What an unknown key was probably meant to be.
    static func nearest(to name: String) -> HostedServerKey? {
        guard name.utf8.count <= 64 else { return nil }
        let distances = self.allCases.map {
            (key: $0, distance: self.distance(name.lowercased(), $0.rawValue.lowercased()))
        }
        guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { return nil }
        return nearest.distance <= max(1, nearest.key.rawValue.count / 4) ? nearest.key : nil
    }

    /// How many bytes have to be added, removed or changed to get from one to the other.
    private static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        var row = Array(0...right.count)
        for (i, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let changed = diagonal + (byte == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[right.count]
    }
}
