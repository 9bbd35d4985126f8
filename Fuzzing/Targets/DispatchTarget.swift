import Logging
import Synchronization
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol

extension FuzzTarget {
    /// Whatever is sent under whatever headers: what comes back is JSON-RPC, answers that message and no other, and
    /// nothing is carried out that the headers do not say.
    ///
    /// Inputs: header lines, an empty line, the body; without an empty line all is body. The value `@session` of
    /// `Mcp-Session-Id` stands for an id that is honoured.
    static let dispatch = FuzzTarget(
        "dispatch", shape: .json,
        dictionary: messageWords + [
            "MCP-Protocol-Version: 2026-07-28\n", "MCP-Protocol-Version: 2025-11-25\n", "Mcp-Method: tools/call\n",
            "Mcp-Name: add\n", "Mcp-Name: =?base64?YWRk?=\n", "Mcp-Session-Id: @session\n", "add", "upper", "breaks",
            "greet", "K", "test://fixed", "test://K", "test://item/a", "test://item/%41", "\u{212A}", "left", "right",
            "text", "tone", "id", "tool", "protocol", "cancelled", "uAAAA",
        ]
    ) { input throws(PropertyViolation) in
        let request = DispatchRequest(input)
        let dispatcher = DispatchServer.makeDispatcher()
        let reply: Reply
        switch dispatcher.dispatch(request.message) {
        case .reply(let made): reply = made
        case .call(let call):
            try require(dispatcher.runningCallCount > 0, "a pending call counts as running")
            // The calls of a batch are tasks of their own, which an executor of ours cannot run to their end.
            if request.isBatch { return "batch call" }
            guard case .reply(let made) = InlineExecutor.run({ await call.run() }) else {
                throw PropertyViolation("a call that nobody cancels is answered")
            }
            reply = made
        case .stream(let open):
            open.listening?.cancel()
            open.stream.abandonUnlessRead()
            return "stream"
        }
        try require(dispatcher.runningCallCount == 0, "a call that was answered runs no more")
        return try request.check(reply)
    }
}

/// A message as a listener would hand it over.
private struct DispatchRequest {
    let message: IncomingMessage
    private let headers: [String: [UInt8]]
    private let body: [UInt8]
    /// Whether the body begins like an array.
    var isBatch: Bool { self.body.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D } == UInt8(ascii: "[") }
    private static let names = ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"]

    init(_ input: [UInt8]) {
        var headers: [String: [UInt8]] = [:]
        var rest = input[...]
        if let end = input.indices.dropFirst().first(where: { input[$0] == 0x0A && input[$0 - 1] == 0x0A }) {
            for line in input[..<end].split(separator: 0x0A) {
                let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
                let name = String(decoding: parts[0], as: UTF8.self).lowercased()
                guard parts.count == 2, Self.names.contains(name) else { continue }
                headers[name] = Self.value(parts[1])
            }
            rest = input[(end + 1)...]
        }
        if headers["mcp-session-id"] == Array("@session".utf8) {
            headers["mcp-session-id"] = Array(DispatchServer.sessionID.utf8)
        }
        self.headers = headers
        self.body = Array(rest)

        var bytes: [UInt8] = []
        var ranges = MessageHeaders()
        for (name, path) in zip(
            Self.names,
            [\MessageHeaders.protocolVersion, \.method, \.name, \.sessionID]
                as [WritableKeyPath<MessageHeaders, Range<Int>?>])
        {
            guard let value = headers[name] else { continue }
            ranges[keyPath: path] = bytes.count..<bytes.count + value.count
            bytes += value
        }
        self.message = IncomingMessage(
            bytes: bytes + rest, bodyStart: bytes.count, headers: ranges, mirrorsHeaders: true, acceptsStreams: true)
    }

    /// A value without the blanks around it, and without what the HTTP parser lets nobody send.
    private static func value(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let legal = bytes.filter { ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }
        return legal.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
    }

    /// - Returns: The status, and the kind of answer.
    func check(_ reply: Reply) throws(PropertyViolation) -> String {
        let value = try? JSONValue(parsing: self.body)  // `nil` for what is no JSON
        let model = value.map(EnvelopeModel.init)
        try require((200...599).contains(reply.status), "the status is one of HTTP", "\(reply.status)")
        guard !reply.body.isEmpty else {
            try require(
                model?.shape == .notification || model?.shape == .response || model?.shape == .batch,
                "only what needs no answer gets none")
            try require(reply.status == 202, "what needs no answer is accepted", "\(reply.status)")
            return "202"
        }
        let answer = try? JSONValue(parsing: reply.body)
        if case .array(let answers)? = answer {
            guard case .array(let messages)? = value else {
                throw PropertyViolation("only batches are answered by arrays")
            }
            try require(answers.count <= messages.count, "each message has one answer at most")
            for answer in answers { try require(answer["jsonrpc"] == "2.0", "an answer is JSON-RPC 2.0", answer.text) }
            return "batch"
        }
        guard let answer, case .object(let members) = answer else {
            throw PropertyViolation("an answer is a JSON object", escaped(reply.body))
        }
        let names = Set(members.members.map(\.name))
        try require(names.count == members.count, "an answer has each member once", answer.text)
        try require(members["jsonrpc"] == "2.0", "an answer is JSON-RPC 2.0", answer.text)
        try require(names.isSubset(of: ["jsonrpc", "id", "result", "error"]), "an answer has no other member")
        try require((members["result"] == nil) != (members["error"] == nil), "an answer is a result or an error")
        // A message that is accepted without answer belongs to no request; its refusal may not look like one.
        let id = model?.shape == .notification || model?.shape == .response ? nil : model?.id
        try require(members["id"] == id, "an answer has the id of its request", answer.text)
        try require(
            !DispatchServer.secret.isContained(in: reply.body) || DispatchServer.secret.isContained(in: self.body),
            "no error of a handler leaks", answer.text)
        guard let error = members["error"] else { return try self.checkResult(members, reply, model) }
        guard case .number(let code)? = error["code"], let code = code.int, case .string? = error["message"] else {
            throw PropertyViolation("an error has a code and a message", answer.text)
        }
        try require(reply.sessionID == nil, "an error opens no session")
        if value == nil { try require(code == -32700, "what is no JSON is told so", answer.text) }
        return "\(reply.status) \(code)"
    }

    private func checkResult(_ members: JSONObject, _ reply: Reply, _ model: EnvelopeModel?)
        throws(PropertyViolation) -> String
    {
        guard let model, model.shape == .request, case .string(let method)? = model.method else {
            throw PropertyViolation("only a request has a result")
        }
        try require(reply.status == 200, "a result comes with 200", "\(reply.status)")
        let isModern =
            EnvelopeModel.metaNames[..<2].contains { model.meta?[$0] != nil }
            || self.headers["mcp-protocol-version"] == Array("2026-07-28".utf8)
        if let id = reply.sessionID {
            try require(method == "initialize" && !isModern, "only initialize opens a session", method)
            let session = DispatchServer.sessions.session(Array(id.utf8), principal: nil, now: DispatchServer.now)
            try require(session != nil, "a session that was opened is honoured", id)
        }
        if isModern {
            try require(members["result"]?["resultType"] == "complete", "a modern result says that it is complete")
            let mirrored = [
                ("mcp-protocol-version", model.meta?[EnvelopeModel.metaNames[0]]), ("mcp-method", model.method),
                ["tools/call", "prompts/get"].contains(method) ? ("mcp-name", model.params?["name"]) : ("", nil),
                method == "resources/read" ? ("mcp-name", model.params?["uri"]) : ("", nil),
            ]
            for (name, value) in mirrored {
                guard case .string(let text)? = value else { continue }
                let sent = self.headers[name].map { HeaderModel.unwrapped($0) ?? $0 }
                try require(
                    sent.map { text.utf8.elementsEqual($0) } == true, "what is carried out is what the headers say",
                    "\(name): \(escaped(sent ?? [])), \(escaped(Array(text.utf8)))")
            }
        }
        let isError = members["result"]?["isError"] == true
        return "\(isModern ? "modern" : "legacy") \(method)\(isError ? " fails" : "")"
    }
}

/// A small server with one of everything. All its handlers end without waiting for anything.
private enum DispatchServer {
    static let secret = Array("s3cret-of-a-handler".utf8)
    static let now = WallTime(milliseconds: 1_790_000_000_000)
    static let sessions = SessionAuthority(keys: TokenKeys.sealing, lifetime: .seconds(60), store: 7)
    /// One for each input, so that what it counts is that input's alone.
    static func makeDispatcher() -> Dispatcher {
        Dispatcher(
            server: server, sessions: sessions,
            environment: DispatcherEnvironment(
                monotonicNanoseconds: { 0 }, wallTime: { now }, randomBits: { 42 },
                logger: Logger(label: "torpor.fuzzing") { _ in SwiftLogNoOpLogHandler() }))
    }
    /// Opened through the front door.
    static let sessionID: String = {
        let body = #"""
            {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
            "clientInfo":{"name":"fuzzing","version":"1"}}}
            """#
        guard case .reply(let reply) = makeDispatcher().dispatch(IncomingMessage(bytes: Array(body.utf8))),
            let id = reply.sessionID
        else { preconditionFailure("initialize opens a session") }
        return id
    }()

    private struct Sum: ToolInput {
        var left: Int
        var right: Int?
        static let fields: [String: Field] = ["left": "The first.", "right": Field("The second.", range: 0...100)]
    }
    private struct Text: ToolInput {
        var text: String
        static let fields: [String: Field] = ["text": Field("Any text.", length: 0...20)]
    }
    private struct SecretError: Error { let text = String(decoding: secret, as: UTF8.self) }

    private static let server = MCPServer(name: "fuzzing", version: "1", lists: ListOptions(pageSize: 2)) {
        Tool.inline("add", "Adds.") { (input: Sum, _) in "\(input.left &+ (input.right ?? 0))" }
        Tool("upper", "Answers off the event loop.") { (input: Text, _) in input.text.uppercased() }
        Tool.inline("breaks", "Fails as its argument says.") { (input: Text, _) -> String in
            switch input.text {
            case "tool": throw ToolError("Try something else.")
            case "protocol": throw MCPError.invalidParams("Not like this.", data: ["why": "because"])
            case "cancelled": throw CancellationError()
            default: throw SecretError()
            }
        }
        Tool(
            "raw", "Takes what its schema says.", inputSchema: JSONSchema(["type": "object", "required": ["id"]])
        ) { arguments, _ in
            ToolResult([.text("\(arguments["id"]?.text ?? "")")], structuredContent: .object(arguments))
        }
        Resource("test://fixed", name: "fixed", description: "A fixed text.", text: "fixed")
        Resource("test://K", name: "K", description: "Nothing there.") { _ in [] }
        ResourceTemplate(
            "test://item/{id}", name: "item", description: "An item.", completions: ["id": .oneOf(["alpha", "album"])]
        ) { variables, _ in
            guard variables["id"] != "none" else { throw MCPError.resourceNotFound(variables.uri) }
            return [.text("item \(variables["id"])", uri: variables.uri)]
        }
        Prompt(
            "greet", "Greets.",
            arguments: [
                PromptArgument("name", "Who.", required: true, completer: .oneOf(["Ada", "Alan"])),
                PromptArgument("tone", "How."),
            ]
        ) { arguments, _ in
            PromptResult([.user("Greet \(arguments["name"] ?? "") \(arguments["tone"] ?? "plainly").")])
        }
        // The second is the sign for kelvin, which Unicode holds for a K.
        for name in ["K", "\u{212A}"] {
            Prompt(name, "Has a lookalike.") { _, _ in PromptResult([.assistant(name)]) }
        }
    }
}

/// Runs each job where it is enqueued, so that an async function that waits for nothing outside ends at once.
private final class InlineExecutor: TaskExecutor {
    private static let shared = InlineExecutor()

    func enqueue(_ job: consuming ExecutorJob) { UnownedJob(job).runSynchronously(on: self.asUnownedTaskExecutor()) }

    static func run<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) -> Result {
        let box = Box<Result>()
        Task(executorPreference: self.shared) {
            let result = await body()
            box.result.withLock { $0 = result }
        }
        guard let result = box.result.withLock({ $0 }) else {
            preconditionFailure("the handlers of a fuzzed server wait for nothing")
        }
        return result
    }

    private final class Box<Result: Sendable>: Sendable {
        let result = Mutex<Result?>(nil)
    }
}

extension [UInt8] {
    fileprivate func isContained(in bytes: [UInt8]) -> Bool {
        bytes.indices.contains { bytes[$0...].starts(with: self) }
    }
}
