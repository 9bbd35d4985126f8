import Synchronization
import Torpor
import TorporTesting

/// A server with one of everything, for tests that ask how things look on the wire.
func fixtureServer(pageSize: Int = 100, gate: Gate = Gate()) -> MCPServer {
    MCPServer(
        Implementation(
            name: "fixture", version: "1.2.3", title: "Fixture", description: "For tests.",
            websiteURL: "https://example.com",
            icons: [Icon("https://example.com/icon.png", mimeType: "image/png", sizes: ["48x48"], theme: .dark)]),
        instructions: "Ask for anything.", lists: ListOptions(pageSize: pageSize)
    ) {
        Tool(
            "add", "Adds two numbers.", title: "Add", annotations: .readOnly,
            icons: [Icon("data:image/png;base64,AA==")]
        ) { (input: Sum, _) in "\(input.left + input.right)" }
        Tool.inline("quick", "Answers on the event loop.") { (input: Echo, _) in input.message }
        Tool("totals", "A structured object.") { (input: Sum, _) in Totals(total: input.left + input.right, exact: true)
        }
        Tool("raw", "Takes what its schema says.", inputSchema: JSONSchema(["type": "object", "required": ["x"]])) {
            arguments, _ in
            ToolResult([.text("\(arguments["x"]?.text ?? "")")], structuredContent: ["a", 1, .null])
        }
        Tool("media", "One block of every kind.") { _ in
            [
                .text("text"), .image([1, 2, 3], mimeType: "image/png"), .audio([4, 5], mimeType: "audio/wav"),
                .resource(.text("inside", uri: "test://inside")),
                .link(ResourceLink(uri: "test://fixed", name: "fixed", sizeBytes: 5)),
            ] as [Content]
        }
        Tool("breaks", "Fails as its argument says.") { (input: Echo, _) -> String in
            switch input.message {
            case "tool": throw ToolError("Try something else.")
            case "protocol": throw MCPError.invalidParams("Not like this.", data: ["why": "because"])
            case "cancelled": throw CancellationError()
            default: throw SecretError()
            }
        }
        Tool("waits", "Answers when the test lets it.") { (input: Echo, call) in
            try await gate.wait(for: input.message)
            return "\(input.message) done"
        }
        Tool("who", "Says who calls.") { call in call.principal?.subject ?? "nobody" }
        Tool("client", "Says what the client can do.") { call in
            "\(call.revision.rawValue) \(call.clientCapabilities.contains(.sampling)) \(call.clientCapabilities.contains(.elicitationForm))"
        }
        Resource("test://fixed", name: "fixed", description: "A fixed text.", text: "fixed")
        Resource("test://read", name: "read", description: "Read anew.", caching: .perCaller(.seconds(3))) { _ in
            [
                .text("one", uri: "test://read"),
                .blob([0xFF], uri: "test://read/2", mimeType: "application/octet-stream"),
            ]
        }
        Resource("test://empty", name: "empty", description: "Not there.") { _ in [] }
        ResourceTemplate(
            "test://item/{id}", name: "item", description: "An item.",
            completions: ["id": .oneOf(["alpha", "album", "beta"])]
        ) { variables, _ in
            guard variables["id"] != "none" else { throw MCPError.resourceNotFound(variables.uri) }
            return [.text("item \(variables["id"])", uri: variables.uri)]
        }
        Prompt(
            "greet", "Greets somebody.", title: "Greet",
            arguments: [
                PromptArgument(
                    "name", "Who.", required: true,
                    completer: Completer { completion in (0..<150).map { "\(completion.value)\($0)" } }),
                PromptArgument("tone", "How."),
            ]
        ) { arguments, _ in
            PromptResult([
                .user("Greet \(arguments["name"] ?? "") \(arguments["tone"] ?? "plainly")."), .assistant("Hello!"),
            ])
        }
    }
}

struct Echo: ToolInput { var message: String }

struct Sum: ToolInput {
    var left: Int
    var right: Int
    static let fields: [String: Field] = ["left": "The first.", "right": Field("The second.", range: 0...100)]
}

struct Totals: StructuredOutput {
    var total: Int
    var exact: Bool
}

/// What a handler may know and a client must not.
struct SecretError: Error { let secret = "s3cret" }

/// Holds handlers until the test lets them go.
final class Gate: Sendable {
    private struct State {
        var waiting: [String: CheckedContinuation<Void, any Error>] = [:]
        var arrivals: [String: CheckedContinuation<Void, Never>] = [:]
        var cancelled: Set<String> = []
    }

    private let state = Mutex(State())

    /// Called by a handler: returns when the test opens the gate for `name`, throws when the handler is cancelled.
    func wait(for name: String) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (arrival, isCancelled) = self.state.withLock { state in
                    if !state.cancelled.contains(name) { state.waiting[name] = continuation }
                    return (state.arrivals.removeValue(forKey: name), state.cancelled.contains(name))
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                arrival?.resume()
            }
        } onCancel: {
            let waiting = self.state.withLock { state in
                state.cancelled.insert(name)
                return state.waiting.removeValue(forKey: name)
            }
            waiting?.resume(throwing: CancellationError())
        }
    }

    /// Returns when a handler waits for `name`.
    func arrival(of name: String) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if state.waiting[name] != nil { return true }
                state.arrivals[name] = continuation
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    /// Lets the handler that waits for `name` go on.
    func open(_ name: String) {
        self.state.withLock { $0.waiting.removeValue(forKey: name) }?.resume()
    }
}

extension JSONValue {
    /// The elements of an array; `nil` for anything else.
    var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }
}
