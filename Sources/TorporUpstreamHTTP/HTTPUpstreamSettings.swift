import NIOHTTP1
package import TorporUpstream

/// Where a remote MCP server is, and what requests to it carry.
package struct HTTPUpstreamSettings: Sendable {
    /// The URL of its endpoint, `http:` or `https:`.
    package let url: String
    /// Header fields of every request, beside those that the protocol has.
    package let headers: [(name: String, value: String)]
    /// What `Authorization: Bearer` says; `nil` for none.
    package let bearerToken: String?
    /// The largest answer, or event of a stream, in bytes. Default 32 MiB.
    package var messageMax = 32 << 20
    /// Bytes of requests that may wait to be sent; one beyond is not taken. Default 8 MiB. One alone may be larger.
    package var unsentMax = 8 << 20
    /// Whether the stream is opened on which a legacy server says what belongs to no request. Default yes.
    package var hasStream = true
    /// How long the farewell to a session may take. Default 5 seconds.
    package var farewellTimeLimit: Duration = .seconds(5)

    /// - Throws: ``UpstreamError/Code/refused`` with a sentence about what is wrong with the URL or a header.
    package init(
        url: String, headers: [(name: String, value: String)] = [], bearerToken: String? = nil
    ) throws(UpstreamError) {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw UpstreamError(
                .refused, "\"\(url.prefix(80))\" is no URL of a server: it begins with neither http:// nor https://.")
        }
        for header in headers {
            let name = header.name.lowercased()
            guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte) else {
                throw UpstreamError(.refused, "\"\(header.name.prefix(80))\" is no name of a header field.")
            }
            guard !Self.reserved.contains(name), !name.hasPrefix("mcp-") else {
                throw UpstreamError(
                    .refused, "The header field \(header.name) is the protocol's own and cannot be set.")
            }
            guard header.value.utf8.allSatisfy(\.isFieldByte) else {
                throw UpstreamError(
                    .refused, "The value of the header field \(header.name) holds what a header cannot carry.")
            }
        }
        if let bearerToken {
            guard !bearerToken.isEmpty, bearerToken.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw UpstreamError(.refused, "The bearer token holds what a header cannot carry.")
            }
            guard !headers.contains(where: { $0.name.lowercased() == "authorization" }) else {
                throw UpstreamError(
                    .refused, "There is a bearer token and a header field Authorization; give one of them.")
            }
        }
        self.url = url
        self.headers = headers
        self.bearerToken = bearerToken
    }

    /// The host and port, with the scheme: what connections are counted by.
    var host: String {
        let afterScheme = self.url.drop { $0 != ":" }.dropFirst(3)
        return (self.url.prefix(5) + "/" + afterScheme.prefix { !"/?#".contains($0) }).lowercased()
    }

    /// What every request carries.
    var ownHeaders: HTTPHeaders {
        var headers = HTTPHeaders(self.headers.map { ($0.name, $0.value) })
        if let bearerToken { headers.add(name: "Authorization", value: "Bearer \(bearerToken)") }
        return headers
    }

    private static let reserved: Set<String> = [
        "accept", "connection", "content-length", "content-type", "host", "last-event-id", "transfer-encoding",
        "upgrade",
    ]
}

extension UInt8 {
    /// Whether the byte may stand in an HTTP token (RFC 9110, section 5.6.2).
    fileprivate var isTokenByte: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
            || "!#$%&'*+-.^_`|~".utf8.contains(self)
    }

    /// Whether the byte may stand in a field's value: printable ASCII, space and tab.
    fileprivate var isFieldByte: Bool { (0x20...0x7E).contains(self) || self == 0x09 }
}
