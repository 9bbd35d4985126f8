import Glibc
import Torpor
import TorporHTTP
import TorporServers

/// What a person sees when the server is up: where it is, what bounds it, and what to do next.
struct Banner: Sendable {
    private let configuration: ServeConfiguration

    init(_ configuration: ServeConfiguration) { self.configuration = configuration }

    func text(port: Int) -> String {
        let http = self.configuration.http
        let scheme = self.configuration.tlsFiles == nil ? "http" : "https"
        let url = ClientSnippet.url(scheme: scheme, host: http.host, port: port, path: http.path)
        let admin =
            self.configuration.adminPort == 0
            ? "off"
            : ClientSnippet.url(host: self.configuration.adminHost, port: self.configuration.adminPort, path: "/")
                + "  (livez, readyz, metrics, debug)"
        let auth =
            self.configuration.tokenFilePath.map { "bearer tokens of \($0)" }
            ?? (http.isLoopback ? "none: anybody on this machine" : "NONE: anybody who reaches this address")
        let keys = self.configuration.keyFile.map { "\($0.path)" } ?? "made for this run; sessions end with it"
        return """
            torpor \(torporVersion) serves \(self.configuration.servedName)

              MCP      \(url)
              admin    \(admin)
              store    \(self.configuration.store)\(self.storeNote)
              keys     \(keys)
              auth     \(auth)
              limits   request \(http.requestMax) · \(self.configuration.limits.callsMax) calls · \(http.connectionsMax) connections · \
            buffers \(http.buffersMax) · call \(http.callTimeout.text) · session \(self.configuration.sessionLifetime.text)

            Add it to a client (or run: torpor client-config --url \(url)):

            \(ClientSnippet(url: url, name: "torpor", needsToken: self.configuration.tokenFilePath != nil).json)

            Try it:

            \(ClientSnippet.curl(url: url, needsToken: self.configuration.tokenFilePath != nil))

            Stop with Ctrl-C: it drains first; a second one ends it at once.

            """
    }

    private var storeNote: String {
        switch self.configuration.store {
        case .memory: "  (gone when the server stops)"
        case .sqlite: "  (kept; unused for \(self.configuration.state.retention.text), state is deleted)"
        }
    }

    func print(port: Int) {
        Swift.print(self.text(port: port))
        // Every stream: standard output is held back when it is no terminal.
        fflush(nil)
    }
}

/// What clients are configured with.
struct ClientSnippet {
    let url: String
    let name: String
    let needsToken: Bool

    /// The entry of an `mcpServers` object, as most clients read it.
    var json: String {
        let headers = self.needsToken ? ",\n      \"headers\": { \"Authorization\": \"Bearer ${TORPOR_TOKEN}\" }" : ""
        return """
            {
              "mcpServers": {
                \(JSONValue.string(self.name).text): {
                  "type": "http",
                  "url": \(JSONValue.string(self.url).text)\(headers)
                }
              }
            }
            """
    }

    static func url(scheme: String = "http", host: String, port: Int, path: String) -> String {
        // A wildcard is no address to call.
        let reachable = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
        return "\(scheme)://\(reachable.contains(":") ? "[\(reachable)]" : reachable):\(port)\(path)"
    }

    /// A request that any server answers, for a shell.
    static func curl(url: String, needsToken: Bool) -> String {
        let token = needsToken ? " -H \"Authorization: Bearer $TORPOR_TOKEN\"" : ""
        return #"""
              curl -s \#(url)\#(token) -H 'Content-Type: application/json' \
                -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \
                -d '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
                     "io.modelcontextprotocol/protocolVersion":"2026-07-28",
                     "io.modelcontextprotocol/clientCapabilities":{}}}}'
            """#
    }
}
