import ArgumentParser

/// `torpor client-config`: what to put into a client's configuration.
struct ClientConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client-config",
        abstract: "Print what to put into an MCP client's configuration.",
        discussion: "Clients that run a shell command to add a server take: claude mcp add --transport http NAME URL")

    enum Format: String, ExpressibleByArgument, CaseIterable { case json, vscode, claude, curl }

    @Option(help: ArgumentHelp("The server's endpoint.", valueName: "url"))

    var url = "http://127.0.0.1:8080/mcp"
    @Option(help: ArgumentHelp("The name under which the client shows it.", valueName: "name"))
    var name = "torpor"
    @Option(
        help: "json: the mcpServers object; vscode: .vscode/mcp.json; claude: a command line; curl: a first request.")
    var format = Format.json
    @Flag(help: "The server needs a bearer token; the client reads it from TORPOR_TOKEN.")
    var token = false

    func validate() throws {
        guard self.url.hasPrefix("http://") || self.url.hasPrefix("https://") else {
            throw ValidationError("--url: \"\(self.url)\" is no http:// or https:// URL")
        }
    }

    func run() {
        let snippet = ClientSnippet(url: self.url, name: self.name, needsToken: self.token)
        switch self.format {
        case .json: print(snippet.json)
        case .vscode:
            print(
                snippet.json.replacing("\"mcpServers\"", with: "\"servers\"").replacing(
                    "${TORPOR_TOKEN}", with: "${env:TORPOR_TOKEN}"))
        case .claude:
            let header = self.token ? " --header \"Authorization: Bearer $TORPOR_TOKEN\"" : ""
            print("claude mcp add --transport http \(self.name) \(self.url)\(header)")
        case .curl: print(ClientSnippet.curl(url: self.url, needsToken: self.token))
        }
    }
}
