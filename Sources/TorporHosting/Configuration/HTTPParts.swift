/// What may stand in the URL and the headers of a remote server.
enum HTTPParts {
    /// Headers that Torpor writes itself, in lower case.
    private static let own: Set<String> = [
        "accept", "connection", "content-length", "content-type", "host", "last-event-id", "mcp-method", "mcp-name",
        "mcp-protocol-version", "mcp-session-id", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// Why a text is no URL of a server; `nil` when it is one. Says nothing of the text, which may be secret.
    static func faultOfURL(_ text: String) -> String? {
        let example = "write one such as \"https://example.com/mcp\""
        let lowered = text.lowercased()
        guard let scheme = ["https://", "http://"].first(where: { lowered.hasPrefix($0) }) else {
            return "is no URL of a server; \(example)"
        }
        guard text.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
        else {
            return "has a character that no URL has; escape it as in \"%20\""
        }
        guard !text.contains("#") else {
            return "has a fragment, which no server gets to see; leave out \"#\" and the rest"
        }
        let authority = text.dropFirst(scheme.count).prefix { !"/?".contains($0) }
        guard !authority.contains("@") else { return "has a name or password in it; put them into \"headers\"" }
        return self.isAuthority(authority) ? nil : "names no host; \(example)"
    }

    /// `host`, `host:port`, `[v6]` or `[v6]:port`.
    private static func isAuthority(_ text: Substring) -> Bool {
        let port: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            let address = text[..<end].dropFirst()
            guard address.contains(":"), address.allSatisfy({ $0.isHexDigit || ":.".contains($0) }) else {
                return false
            }
            port = text[end...].dropFirst()
        } else {
            let host = text.prefix { $0 != ":" }
            guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || ".-_".contains($0) }) else {
                return false
            }
            port = text[host.endIndex...]
        }
        guard !port.isEmpty else { return true }
        guard port.first == ":", let number = Int(port.dropFirst()) else { return false }
        return (1...65_535).contains(number)
    }

    /// Why a header cannot be sent; `nil` when it can. Says nothing of the value.
    static func faultOfHeader(_ name: String, _ value: String) -> String? {
        let isToken = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
        guard isToken, !name.isEmpty else { return "is no name of a header; write one such as \"Authorization\"" }
        guard !self.own.contains(name.lowercased()) else { return "is written by Torpor; leave it out" }
        let isValue = value.utf8.allSatisfy { ($0 >= 32 && $0 != 127) || $0 == UInt8(ascii: "\t") }
        guard isValue else { return "has a value with a line break or another control character; leave it out" }
        return nil
    }

    /// Whether a text is the path of an endpoint: segments of unreserved characters, none of them empty or dots.
    static func isPath(_ text: String) -> Bool {
        guard text.hasPrefix("/"), text.utf8.count <= 256 else { return false }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).allSatisfy { segment in
            !segment.isEmpty && segment != "." && segment != ".."
                && segment.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._~".contains($0)) }
        }
    }
}
