import Logging
import Synchronization

extension Dispatcher {
    /// Checks a tool call and runs its handler: at once when it is inline, else later.
    func callTool(_ operation: Operation) throws(Refusal) -> Dispatch {
        let params = operation.params
        let bytes = operation.bytes
        guard params.name.kind == .string else {
            throw Refusal(200, .invalidParams, "tools/call needs name, a string.")
        }
        guard let tool = self.table.tools[params.name, in: bytes.span] else {
            throw Refusal(
                200, .invalidParams, "There is no tool of this name.",
                data: ["name": .string(String((params.name.string(in: bytes.span) ?? "").prefix(128)))])
        }
        guard params.arguments.kind == .object || !params.arguments.isPresent else {
            throw Refusal(200, .invalidParams, "The member arguments must be an object.")
        }
        try self.checkMirrored(operation, tool.tool.mirrored)
        if let refused = try self.checkNeeds(operation, tool) { return .reply(refused) }
        if let advice = self.violations(of: operation, tool) {
            return .reply(self.finish(operation, tool, ToolResult([.text(advice)], isError: true)))
        }
        let call = Call(operation, self, name: tool.tool.description.name)
        switch tool.tool.handler {
        case .inline(let handler):
            return .reply(self.tracedInline(operation) { self.runInline(handler, call, operation, tool) })
        case .concurrent(let handler):
            try self.prepareToAsk(operation)
            return try self.runLater(operation) {
                do {
                    try await call.redeemState()
                    let result = try await handler(call)
                    if let reply = self.inputRequired(operation) { return reply }
                    try await call.forgetSteps()
                    return self.finish(operation, tool, result)
                } catch {
                    return self.inputRequired(operation) ?? self.fail(operation, tool, error)
                }
            }
        }
    }

    /// Refuses a call whose `Mcp-Param-` headers differ from the arguments that they mirror (2026-07-28, transports,
    /// custom headers).
    func checkMirrored(_ operation: Operation, _ parameters: [MirroredParameter]) throws(Refusal) {
        guard !parameters.isEmpty, operation.isModern, operation.message.mirrorsHeaders else { return }
        let bytes = operation.bytes
        for parameter in parameters {
            let headers = operation.message.headers.parameters.filter { header in
                let name = bytes[header.name]
                return name.count == parameter.header.utf8.count
                    && name.elementsEqual(parameter.header.utf8, by: { $0.lowercased == $1.lowercased })
            }
            let argument = parameter.path.reduce(operation.params.arguments) { object, name in
                JSONSlice.member(name, of: object, in: bytes.span)
            }
            let isGiven = argument.isPresent && argument.kind != .null
            guard headers.count == (isGiven ? 1 : 0) else {
                throw Refusal(
                    400, .headerMismatch,
                    isGiven
                        ? "The header Mcp-Param-\(parameter.header) must be sent once, since its argument is."
                        : "The header Mcp-Param-\(parameter.header) has no argument that it mirrors.")
            }
            guard headers.allSatisfy({ HeaderValue.mirrors($0.value, argument, in: bytes.span) }) else {
                throw Refusal(
                    400, .headerMismatch,
                    "The header Mcp-Param-\(parameter.header) differs from its argument, or is malformed.")
            }
        }
    }

    /// Takes what a client brought as answers to questions.
    func prepareToAsk(_ operation: Operation) throws(Refusal) {
        guard let interview = try self.interview(for: operation) else { return }
        operation.output.withLock { $0.interview = interview }
    }

    /// Refuses a call whose client lacks what the tool says it needs: with `-32021`, or in the legacy era, which has no
    /// such code, with a failure that the model can read.
    private func checkNeeds(_ operation: Operation, _ tool: CompiledTool) throws(Refusal) -> Reply? {
        let needs = tool.tool.requires
        guard !needs.isEmpty else { return nil }
        let missing = needs.subtracting(self.capabilities(of: operation))
        guard !missing.isEmpty else { return nil }
        let error = MCPError.missing(missing)
        guard operation.isModern else { return self.fail(operation, tool, error) }
        throw self.refusal(for: error, of: operation, name: tool.tool.description.name)
    }

    private func runInline(
        _ handler: @Sendable (Call) throws -> ToolResult, _ call: Call, _ operation: Operation, _ tool: CompiledTool
    ) -> Reply {
        let reply: Reply
        do {
            reply = self.finish(operation, tool, try handler(call))
        } catch {
            reply = self.fail(operation, tool, error)
        }
        let nanoseconds = self.environment.monotonicNanoseconds() - operation.startNanoseconds
        if nanoseconds > self.inlineNanosecondsMax {
            self.environment.logger.warning(
                "an inline tool kept the event loop for too long; declare it without inline",
                metadata: ["name": "\(tool.tool.description.name)", "microseconds": "\(nanoseconds / 1_000)"])
        }
        return reply
    }

    /// What is wrong with the arguments, for the model; `nil` when they conform.
    private func violations(of operation: Operation, _ tool: CompiledTool) -> String? {
        let arguments = operation.params.arguments
        let bytes = arguments.isPresent ? operation.bytes : Call.noArguments
        let violations = tool.validator.validate(bytes.span, at: arguments.isPresent ? arguments.range : 0..<2)
        guard !violations.isEmpty else { return nil }
        let lines = violations.map { violation in
            violation.path.isEmpty
                ? "- The arguments: \(violation.advice)." : "- \(violation.path): \(violation.advice)."
        }
        return "The arguments do not fit the tool's input schema:\n" + lines.joined(separator: "\n")
    }

    private func finish(_ operation: Operation, _ tool: CompiledTool, _ result: ToolResult) -> Reply {
        if let fault = tool.tool.fault(in: result) {
            self.environment.logger.error(
                "the result of a tool does not fit its output schema",
                metadata: ["name": "\(tool.tool.description.name)", "fault": "\(fault)"])
            let refusal = Refusal(200, .internalError, "The server failed at this call; its log says why.")
            return self.fail(operation, tool: tool.meter, refusal)
        }
        return self.finish(operation, tool: tool.meter, result)
    }

    /// The answer that carries a tool's result, as it is.
    func finish(_ operation: Operation, tool: ToolMeter?, _ result: ToolResult) -> Reply {
        self.finish(operation, tool: tool, error: result.isError ? "tool_error" : nil, capacity: 384) { writer in
            writer.beginObject()
            writer.key("content")
            writer.beginArray()
            for block in result.content { block.write(to: &writer, for: operation.revision) }
            writer.endArray()
            if let structured = result.structuredContent,
                operation.revision.showsStructure(isObject: structured.isObject)
            {
                writer.member("structuredContent", structured)
            }
            if result.isError { writer.member("isError", true) }
            self.end(&writer, operation)
        }
    }

    /// What a failed handler is answered with: the model sees a ``ToolError``, the client program an ``MCPError``.
    private func fail(_ operation: Operation, _ tool: CompiledTool, _ error: any Error) -> Reply {
        switch error {
        case let error as ToolError:
            return self.finish(operation, tool, ToolResult([.text(error.message)], isError: true))
        // What the model can mend, or should know of; the client program tries again by itself otherwise.
        case let error as StateError where !error.isRetryable:
            return self.finish(operation, tool, ToolResult([.text(error.message)], isError: true))
        case let error as DownstreamError where !error.isRetryable:
            return self.finish(operation, tool, ToolResult([.text(error.message)], isError: true))
        case is StateError, is DownstreamError:
            return self.fail(
                operation, tool: tool.meter, self.refusal(for: error, of: operation, name: tool.tool.description.name))
        case let error as MCPError where error.code == .missingClientCapability && !operation.isModern:
            return self.finish(operation, tool, ToolResult([.text(error.message)], isError: true))
        case is MCPError, is CancellationError:
            return self.fail(
                operation, tool: tool.meter, self.refusal(for: error, of: operation, name: tool.tool.description.name))
        default:
            let refusal = self.refusal(for: error, of: operation, name: tool.tool.description.name)
            return self.finish(operation, tool, ToolResult([.text(refusal.error.message)], isError: true))
        }
    }

    /// Ends a result that is not cacheable.
    func end(_ writer: inout JSONWriter, _ operation: Operation) {
        if operation.isModern { writer.raw(self.table.modernEnd) } else { writer.endObject() }
    }
}

extension Tool {
    /// What about a result the output schema forbids; `nil` when it conforms, or there is no schema.
    fileprivate func fault(in result: ToolResult) -> String? {
        guard let validator = self.outputValidator, !result.isError else { return nil }
        guard let structured = result.structuredContent else { return "there is no structured content" }
        return validator.validate(structured).first.map { "\($0.path) \($0.advice)" }
    }
}

extension UInt8 {
    fileprivate var lowercased: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
}

extension JSONValue {
    fileprivate var isObject: Bool {
        if case .object = self { true } else { false }
    }
}
