// A notebook: state for each principal, resources by template, a prompt with completion.
//
//     echo 'alice alices-secret-token' > tokens && chmod 600 tokens
//     swift run NotebookExample tokens
//
//     curl http://127.0.0.1:8080/mcp -H 'Authorization: Bearer alices-secret-token' \
//         -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
//         -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: write_page' \
//         -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_page","arguments":
//             {"name":"monday","text":"Buy tea."},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
//             "io.modelcontextprotocol/clientCapabilities":{}}}}'
//
// Then read it with the method resources/read and {"uri": "page:///monday"}; the header Mcp-Name is then the URI.

import Synchronization
import Torpor
import TorporHTTP

/// Pages by writer and name. Handlers of many calls run at once, so what they share is behind a lock.
final class Notebook: Sendable {
    private static let pageCountMax = 1_000
    private static let textLengthMax = 10_000
    private let pages = Mutex<[Principal?: [String: String]]>([:])

    func pages(of writer: Principal?) -> [String: String] { self.pages.withLock { $0[writer] ?? [:] } }

    func write(_ text: String, to name: String, of writer: Principal?) throws {
        guard text.count <= Self.textLengthMax else {
            throw ToolError("A page has at most \(Self.textLengthMax) characters; this text has \(text.count).")
        }
        try self.pages.withLock { pages in
            let own = pages[writer] ?? [:]
            guard own[name] != nil || own.count < Self.pageCountMax else {
                throw ToolError("The notebook is full: it has \(Self.pageCountMax) pages.")
            }
            pages[writer, default: [:]][name] = text
        }
    }
}

struct Page: ToolInput {
    var name: String
    var text: String

    static let fields: [String: Field] = [
        "name": Field("A word or two.", length: 1...100), "text": "What the page says.",
    ]
}

let notebook = Notebook()

/// Proposes names of the caller's own pages.
let pageNames = Completer { completion in
    notebook.pages(of: completion.call.principal).keys.filter { $0.hasPrefix(completion.value) }.sorted()
}

let server = MCPServer(name: "notebook", version: "1.0.0") {
    Tool(
        "write_page", "Writes a page of the notebook, in place of what it said before.",
        annotations: ToolAnnotations(destructive: true, idempotent: true, openWorld: false)
    ) { (page: Page, call) in
        try notebook.write(page.text, to: page.name, of: call.principal)
        return "Wrote \(page.name)."
    }

    Tool("list_pages", "Lists the names of the pages.", annotations: .readOnly) { call in
        notebook.pages(of: call.principal).keys.sorted().joined(separator: "\n")
    }

    ResourceTemplate(
        "page:///{name}", name: "page", description: "A page of the notebook.", completions: ["name": pageNames],
        read: { variables, call in
            guard let text = notebook.pages(of: call.principal)[variables["name"]] else {
                throw MCPError.resourceNotFound(variables.uri)
            }
            return [.text(text, uri: variables.uri)]
        })

    Prompt(
        "continue_page", "Continues what a page says.",
        arguments: [PromptArgument("name", "Which page.", required: true, completer: pageNames)]
    ) { arguments, call in
        let name = arguments["name"] ?? ""
        guard let text = notebook.pages(of: call.principal)[name] else {
            throw MCPError.invalidParams("There is no page with this name.")
        }
        return PromptResult([.user("Continue this page, \(name), in the same voice:\n\n\(text)")])
    }
}

// Without a token file everybody on this machine shares one notebook.
let arguments = CommandLine.arguments.dropFirst()
let authentication = try arguments.first.map { Authentication.tokens(try TokenFile(path: $0)) } ?? .none
try await HTTPServer(server, authentication: authentication).run()
