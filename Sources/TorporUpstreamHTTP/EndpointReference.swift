import TorporUpstream

/// Where a server of 2024-11-05 wants messages sent to, as the first event of its stream says.
enum EndpointReference {
    /// The URL that a reference stands for (RFC 3986, section 5.2), if it is at the same origin as the stream.
    ///
    /// What goes there may hold secrets that were given for that server alone, so no other origin is taken: neither
    /// another host or port, nor `http:` for `https:`.
    /// - Parameter base: The URL of the stream.
    /// - Throws: ``UpstreamError/Code/refused``, with what to do.
    static func resolve(_ reference: String, against base: String) throws(UpstreamError) -> String {
        guard let base = AbsoluteURL(base) else {
            throw UpstreamError(.refused, "\"\(base.prefix(80))\" is no URL of a server.")
        }
        guard !reference.isEmpty, reference.utf8.count <= self.bytesMax,
            reference.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") })
        else { throw UpstreamError(.refused, "What the server names as its endpoint is no URL.") }
        let text = reference.prefix { $0 != "#" }
        let isAbsolute = text.prefix { !"/?".contains($0) }.contains(":")
        var target = base
        if isAbsolute || text.hasPrefix("//") {
            guard let other = AbsoluteURL(isAbsolute ? String(text) : "\(base.scheme):\(text)") else {
                throw UpstreamError(.refused, "What the server names as its endpoint is no URL of HTTP.")
            }
            guard other.origin == base.origin else {
                throw UpstreamError(
                    .refused,
                    """
                    The server names an endpoint at another origin, \(other.origin.prefix(200)), where nothing is sent \
                    to. If that is where the server is, give its URL there.
                    """)
            }
            target.path = other.path
            target.query = other.query
        } else {
            let path = text.prefix { $0 != "?" }
            if path.hasPrefix("/") {
                target.path = String(path)
            } else if !path.isEmpty {
                // Its folder, with the slash.
                let folder = base.path.prefix(through: base.path.lastIndex(of: "/") ?? base.path.startIndex)
                target.path = String(folder + path)
            }
            target.query = String(text.dropFirst(path.count))
        }
        target.path = self.withoutDots(target.path)
        return target.text
    }

    /// Bytes of a reference.
    private static let bytesMax = 8_192

    /// Takes `.` and `..` out of a path (RFC 3986, section 5.2.4).
    private static func withoutDots(_ path: String) -> String {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        var kept: [Substring] = []
        for segment in segments {
            switch segment {
            case ".": break
            // The empty one is before the first slash.
            case "..": if kept.count > 1 { kept.removeLast() }
            default: kept.append(segment)
            }
        }
        if let last = segments.last, last == "." || last == ".." { kept.append("") }
        return kept.joined(separator: "/")
    }
}

/// A URL of HTTP, taken apart.
private struct AbsoluteURL {
    /// `http` or `https`.
    let scheme: String
    /// Host and port, and before them the name of a user, if one is given.
    let authority: String
    /// Begins with a slash.
    var path: String
    /// With its question mark; empty where there is none.
    var query: String

    init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        self.scheme = text[..<colon].lowercased()
        guard self.scheme == "http" || self.scheme == "https" else { return nil }
        let rest = text[colon...].dropFirst(3).prefix { $0 != "#" }
        self.authority = String(rest.prefix { !"/?".contains($0) })
        guard !self.authority.isEmpty else { return nil }
        let after = rest.dropFirst(self.authority.count)
        let path = after.prefix { $0 != "?" }
        self.path = path.isEmpty ? "/" : String(path)
        self.query = String(after.dropFirst(path.count))
    }

    /// Scheme, host and port, written in one way. A user's name stays in it, so that one makes another origin.
    var origin: String {
        let host = self.authority.lowercased()
        let port = self.scheme == "http" ? ":80" : ":443"
        return "\(self.scheme)://\(host.hasSuffix(port) ? String(host.dropLast(port.count)) : host)"
    }

    var text: String { "\(self.scheme)://\(self.authority)\(self.path)\(self.query)" }
}
