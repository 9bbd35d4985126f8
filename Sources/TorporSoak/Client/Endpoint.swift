/// The URL of an MCP server, `http://HOST[:PORT][/PATH]`.
package struct Endpoint: Sendable, Equatable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    package let port: Int
    /// From the first `/` on, with any query.
    package let path: String

    /// - Throws: ``SoakError`` with what is wrong with the text.
    package init(_ text: String) throws(SoakError) {
        guard !text.hasPrefix("https://") else {
            throw SoakError(
                .usage, "\(text): https is not spoken. Load the server itself, in front of which TLS may end.")
        }
        let wrong = SoakError(.usage, "\"\(text)\" is no http://HOST:PORT/PATH")
        guard text.hasPrefix("http://") else { throw wrong }
        let rest = text.dropFirst("http://".count)
        let pathStart = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<pathStart]
        let path = rest[pathStart...].prefix { $0 != "#" }
        guard !authority.contains("@"), path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw wrong }
        var host = authority
        var port = 80
        if let colon = authority.lastIndex(of: ":"), authority.last != "]" {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { throw wrong }
            port = Int(number)
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw wrong }
        self.host = String(host)
        self.port = port
        self.path = path.isEmpty ? "/" : path.hasPrefix("/") ? String(path) : "/" + path
    }

    /// What the header field `Host` says.
    package var authority: String { (self.host.contains(":") ? "[\(self.host)]" : self.host) + ":\(self.port)" }

    /// Whether the server is on this machine, as far as its name tells.
    package var isLoopback: Bool {
        if self.host == "localhost" || self.host == "::1" { return true }
        let octets = self.host.split(separator: ".", omittingEmptySubsequences: false)
        return octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil }
    }

    package var description: String { "http://\(self.authority)\(self.path)" }
}
