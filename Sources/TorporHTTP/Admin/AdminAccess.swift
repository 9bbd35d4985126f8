/// Decides which requests the admin listener answers, by `Host` and `Origin`.
///
/// Against web pages in the browser of somebody on this machine: a page whose name was rebound to loopback sends its
/// own name as `Host`, and a page of another origin that sends more than a plain GET sends that origin.
struct AdminAccess: Sendable {
    private static let loopbackNames: Set<String> = ["localhost", "127.0.0.1", "[::1]"]

    /// Names answered with any port, in lower case.
    private let names: Set<String>
    /// Names answered with this port only, in lower case.
    private let namesWithPort: Set<String>
    private let answersAnyHost: Bool

    init(_ configuration: AdminConfiguration) {
        var names = Self.loopbackNames
        var namesWithPort: Set<String> = []
        for allowed in configuration.allowedHosts.map({ $0.lowercased() }) {
            switch Self.split(authority: allowed) {
            case (_, .some)?: namesWithPort.insert(allowed)
            case (let name, nil)?: names.insert(name)
            case nil: break  // Never equal to a well-formed Host.
            }
        }
        let isLoopback = Self.isLoopback(configuration.host)
        if isLoopback {
            names.insert(configuration.host.lowercased())
        }
        self.names = names
        self.namesWithPort = namesWithPort
        self.answersAnyHost = !isLoopback && configuration.allowedHosts.isEmpty
    }

    /// Why a request is refused, as a sentence for its sender, or `nil` when it is not.
    func refusal(host: String?, origins: [String]) -> String? {
        let host = host?.lowercased()
        guard self.answersAnyHost || host.map(self.isAllowed(host:)) == true else {
            return "Host is not one of this listener's names"
        }
        // A browser that talks to this very listener by a loopback name is the only honest sender of an origin.
        for origin in origins {
            guard let host, origin.lowercased() == "http://" + host, let (name, _) = Self.split(authority: host),
                Self.loopbackNames.contains(name)
            else { return "Origin is not this listener" }
        }
        return nil
    }

    /// Whether an address to listen on can be reached from this machine alone.
    static func isLoopback(_ host: String) -> Bool {
        if host == "::1" || host.lowercased() == "localhost" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
    }

    private func isAllowed(host: String) -> Bool {
        guard let (name, _) = Self.split(authority: host) else { return false }
        return self.names.contains(name) || self.namesWithPort.contains(host)
    }

    /// Splits `name[:port]`, where an IPv6 address stands in brackets; `nil` when it is neither.
    static func split(authority: String) -> (name: String, port: UInt16?)? {
        let nameEnd: String.Index
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            nameEnd = authority.index(after: bracket)
        } else {
            nameEnd = authority.firstIndex(of: ":") ?? authority.endIndex
        }
        let name = String(authority[..<nameEnd])
        guard !name.isEmpty else { return nil }
        guard nameEnd < authority.endIndex else { return (name, nil) }
        let digits = authority[nameEnd...].dropFirst()
        guard authority[nameEnd] == ":", digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        return (name, port)
    }
}
