public import Torpor

/// An HTTP API that a downstream offers: where it is, and what goes with each request.
///
///     let crm = HTTPDownstream("https://crm.example/api/v2", headers: ["authorization": "Bearer \(token)"])
///
///     let server = MCPServer(name: "sales", version: "1.0.0") {
///         Downstream("crm")
///
///         Tool("customer", "Looks a customer up.") { (input: CustomerInput, call) in
///             let response = try await call.downstream("crm").http(crm).get("customers", input.id)
///             if response.status == 404 { throw ToolError("There is no such customer.") }
///             return try response.json(as: Customer.self)
///         }
///     }
public struct HTTPDownstream: Sendable {
    /// Scheme, host and path, without a slash at the end.
    let base: String
    /// What goes with each request, by name.
    public let headers: [String: String]
    /// The body of a response is no larger; a larger one is an error. Default 8 MiB.
    public let responseMax: ByteCount
    let client: HTTPDownstreamClient

    /// - Parameters:
    ///   - url: `http://` or `https://`, a host, and perhaps a port and a path, all as they go over the wire.
    ///   - headers: What goes with each request, such as `authorization`.
    ///   - client: Who keeps the connections.
    /// - Precondition: `url` is such a URL, without a user, query or fragment; `responseMax` is above 0.
    public init(
        _ url: String, headers: [String: String] = [:], responseMax: ByteCount = .mebibytes(8),
        client: HTTPDownstreamClient = .shared
    ) {
        let host = ["http://", "https://"].first { url.hasPrefix($0) }.map { url.dropFirst($0.count) }
        precondition(
            host.map { !$0.isEmpty && !$0.hasPrefix("/") } ?? false
                && url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"?#@\\".utf8.contains($0) },
            "\(url) is no base of an HTTP API: http or https, a host, and perhaps a path")
        precondition(responseMax.bytes > 0, "a response has some room")
        self.base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.headers = headers
        self.responseMax = responseMax
        self.client = client
    }
}

extension DownstreamCall {
    /// Requests to the downstream's HTTP API, each within the downstream's limits.
    public func http(_ api: HTTPDownstream) -> HTTPDownstreamCall { HTTPDownstreamCall(downstream: self, api: api) }
}
