/// Something a model can do through the server.
///
/// The handler's input type is the tool's contract: its properties become the input schema, arguments are checked
/// against it before the handler runs, and what fails the check is told to the model, not to the handler.
///
///     struct Sum: ToolInput { var left: Int; var right: Int }
///
///     Tool("add", "Adds two numbers.") { (input: Sum, call) in "\(input.left + input.right)" }
///
/// A handler throws ``ToolError`` for what the model should see and may mend, ``MCPError`` for what is the client
/// program's fault. Any other error is logged, and the model is told no more than that the tool failed.
public struct Tool: ServerComponent {
    package enum Handler: Sendable {
        /// Runs on the event loop; promises to return within microseconds.
        case inline(@Sendable (Call) throws -> ToolResult)
        /// Runs off the event loop.
        case concurrent(@Sendable (Call) async throws -> ToolResult)
    }

    package let description: ToolDescription
    /// The input schema, compiled.
    package let validator: SchemaValidator
    /// The output schema, compiled, if there is one.
    package let outputValidator: SchemaValidator?
    package let handler: Handler
    /// What a client must offer for the tool to be called.
    package let requires: ClientCapabilities
    /// The arguments that clients repeat in headers.
    package let mirrored: [MirroredParameter]

    /// A tool whose handler runs off the event loop and may wait.
    ///
    /// When the client goes away during a 2026-07-28 call, the handler's task is cancelled.
    /// - Parameters:
    ///   - name: 1 to 64 characters of `A-Z a-z 0-9 _ . / -`, unique in the server.
    ///   - description: What the tool does, for the model.
    ///   - title: A name for people.
    ///   - annotations: Hints for the client.
    ///   - inputSchema: Replaces the schema derived from `Input`.
    ///   - requires: What the client must offer. Without it the call is refused before the handler runs: with `-32021`
    ///     from 2026-07-28 on, with a tool error before.
    /// - Precondition: A schema can be derived from `Input` (see ``ToolInput``) unless `inputSchema` is given. A given
    ///   schema is one of 2020-12 that refers to nothing outside itself.
    public init<Input: ToolInput, Output: ToolOutput>(
        _ name: String, _ description: String, title: String? = nil, annotations: ToolAnnotations? = nil,
        icons: [Icon] = [],
        inputSchema: JSONSchema? = nil, requires: ClientCapabilities = [],
        handler: @escaping @Sendable (Input, Call) async throws -> Output
    ) {
        self.init(
            name, description, title, annotations, icons, inputSchema ?? .ofInput(Input.self, tool: name),
            Output.outputSchema,
            requires, .concurrent { call in try await handler(call.arguments(as: Input.self), call).toolResult })
    }

    /// A tool whose handler runs on the event loop.
    ///
    /// The quickest way to answer, for handlers that only compute for some microseconds. Anything longer delays every
    /// client of that event loop; overruns are logged with the tool's name.
    ///
    ///     Tool.inline("echo", "Answers with the message.") { (input: Echo, call) in input.message }
    public static func inline<Input: ToolInput, Output: ToolOutput>(
        _ name: String, _ description: String, title: String? = nil, annotations: ToolAnnotations? = nil,
        icons: [Icon] = [],
        inputSchema: JSONSchema? = nil, handler: @escaping @Sendable (Input, Call) throws -> Output
    ) -> Tool {
        Tool(
            name, description, title, annotations, icons, inputSchema ?? .ofInput(Input.self, tool: name),
            Output.outputSchema,
            [], .inline { call in try handler(call.arguments(as: Input.self), call).toolResult })
    }

    /// A tool without arguments whose handler runs on the event loop.
    public static func inline<Output: ToolOutput>(
        _ name: String, _ description: String, title: String? = nil, annotations: ToolAnnotations? = nil,
        icons: [Icon] = [],
        handler: @escaping @Sendable (Call) throws -> Output
    ) -> Tool {
        Tool(
            name, description, title, annotations, icons, .empty, Output.outputSchema, [],
            .inline { call in try handler(call).toolResult })
    }

    /// A tool without arguments.
    public init<Output: ToolOutput>(
        _ name: String, _ description: String, title: String? = nil, annotations: ToolAnnotations? = nil,
        icons: [Icon] = [], requires: ClientCapabilities = [],
        handler: @escaping @Sendable (Call) async throws -> Output
    ) {
        self.init(
            name, description, title, annotations, icons, .empty, Output.outputSchema, requires,
            .concurrent { call in try await handler(call).toolResult })
    }

    /// A tool whose arguments are described by a schema alone; the handler gets them as JSON.
    ///
    /// A property of the schema may carry `x-mcp-header`; from 2026-07-28 on clients send it as a header too, and a
    /// call whose header and argument differ is refused.
    /// - Parameter outputSchema: What the handler's structured content conforms to. A result that does not is a failure
    ///   of the tool, which is logged.
    public init<Output: ToolOutput>(
        _ name: String, _ description: String, title: String? = nil, annotations: ToolAnnotations? = nil,
        icons: [Icon] = [],
        inputSchema: JSONSchema, outputSchema: JSONSchema? = nil, requires: ClientCapabilities = [],
        handler: @escaping @Sendable (JSONObject, Call) async throws -> Output
    ) {
        self.init(
            name, description, title, annotations, icons, inputSchema, outputSchema ?? Output.outputSchema, requires,
            .concurrent { call in try await handler(call.arguments, call).toolResult })
    }

    private init(
        _ name: String, _ description: String, _ title: String?, _ annotations: ToolAnnotations?, _ icons: [Icon],
        _ inputSchema: JSONSchema, _ outputSchema: JSONSchema?, _ requires: ClientCapabilities, _ handler: Handler
    ) {
        precondition(Self.isName(name), "\(name) is no tool name: 1 to 64 characters of A-Z a-z 0-9 _ . / -")
        precondition(inputSchema.describesObject, "the input schema of \(name) has \"type\": \"object\" at its root")
        self.description = ToolDescription(
            name: name, title: title, description: description, icons: icons, inputSchema: inputSchema,
            outputSchema: outputSchema, annotations: annotations)
        do {
            self.validator = try SchemaValidator(inputSchema)
            self.mirrored = try inputSchema.mirroredParameters()
        } catch {
            preconditionFailure("the input schema of tool \(name) cannot be checked. \(error)")
        }
        do {
            self.outputValidator = try outputSchema.map { schema throws(SchemaError) in try SchemaValidator(schema) }
        } catch {
            preconditionFailure("the output schema of tool \(name) cannot be checked. \(error)")
        }
        self.handler = handler
        self.requires = requires
    }

    private static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    public func add(to definition: inout ServerDefinition) { definition.tools.append(self) }
}

extension JSONSchema {
    fileprivate static func ofInput(_ type: (some ToolInput).Type, tool: String) -> JSONSchema {
        do {
            return try .derived(from: type)
        } catch {
            preconditionFailure("tool \(tool): \(error)")
        }
    }
}
