import TorporJSON

/// Finds out what a server speaks, and which of its tools can be called.
struct Probe {
    /// How many tools are tried.
    private static let toolsMax = 10
    /// How many pages of tools are read.
    private static let pagesMax = 10

    let era: SoakOptions.Era?
    /// The tool that was asked for, and its arguments.
    let toolName: String?
    let arguments: JSONObject?

    /// - Throws: ``SoakError`` when nobody answers, the server speaks neither era, or the tool is not there.
    func explore(_ context: AgentContext) async throws -> ServerFacts {
        do {
            return try await self.ask(context)
        } catch let failure as AgentFailure {
            throw SoakError(.unmeasurable, "\(context.endpoint) is not to be measured: \(failure)")
        } catch let refusal as Refusal {
            throw SoakError(.unmeasurable, "\(context.endpoint) refuses the first client with \(refusal.status)")
        }
    }

    private func ask(_ context: AgentContext) async throws -> ServerFacts {
        var context = context
        if self.era != .legacy { try await self.askModern(&context) }
        if self.era != .modern { try await self.askLegacy(&context) }
        guard context.facts.isModern || context.facts.isLegacy else {
            let wanted = self.era.map { " of the \($0.rawValue) era" } ?? ""
            throw SoakError(.unmeasurable, "\(context.endpoint) is no MCP server\(wanted): it refuses initialize")
        }
        let client = MCPClient(context)
        if context.facts.isLegacy { try await client.open() }
        do {
            context.facts.tool = try await self.chooseTool(client, context)
        } catch {
            await Self.leave(client)
            throw error
        }
        await Self.leave(client)
        return context.facts
    }

    private static func leave(_ client: MCPClient) async {
        try? await client.delete()  // A session that cannot be ended is left, as most are.
        await client.disconnect()
    }

    private func askModern(_ context: inout AgentContext) async throws {
        let client = MCPClient(context)
        let answer = try await client.send(
            Messages.modern("server/discover", id: "probe", authorization: context.authorization))
        try Self.checkAuthorization(answer)
        if let result = try? client.result(of: answer, id: "probe"),
            case .array(let versions)? = result["supportedVersions"],
            versions.contains(.string(Messages.modernRevision))
        {
            context.facts.isModern = true
            Self.takeName(result["_meta"]?["io.modelcontextprotocol/serverInfo"], &context.facts)
        }
        await client.disconnect()
    }

    private func askLegacy(_ context: inout AgentContext) async throws {
        let client = MCPClient(context)
        let answer = try await client.send(Messages.initialize(authorization: context.authorization))
        try Self.checkAuthorization(answer)
        if let result = try? client.result(of: answer, id: 0), case .string(let revision)? = result["protocolVersion"] {
            context.facts.legacyRevision = revision
            context.facts.hasSessions = answer.sessionID != nil
            Self.takeName(result["serverInfo"], &context.facts)
            if let id = answer.sessionID {
                let session = Session(id: id, revision: revision)
                _ = try await client.send(Messages.delete(session, authorization: context.authorization))
            }
        }
        await client.disconnect()
    }

    private static func takeName(_ info: JSONValue?, _ facts: inout ServerFacts) {
        guard case .string(let name)? = info?["name"] else { return }
        if case .string(let version)? = info?["version"] {
            facts.name = "\(name) \(version)"
        } else {
            facts.name = name
        }
    }

    private static func checkAuthorization(_ answer: HTTPAnswer) throws(SoakError) {
        guard answer.status != 401, answer.status != 403 else {
            throw SoakError(.unmeasurable, "the server answers with status \(answer.status): give --token")
        }
    }

    /// The first tool that takes what can be made up and answers it without an error.
    private func chooseTool(_ client: MCPClient, _ context: AgentContext) async throws -> ToolCall? {
        let tools = try await self.listTools(client)
        if let toolName {
            guard let tool = tools.first(where: { $0["name"] == .string(toolName) }) else {
                throw SoakError(.usage, "--tool: the server has no tool \"\(toolName)\"")
            }
            var call = ToolCall(name: toolName, schema: tool["inputSchema"] ?? [:], fixed: self.arguments)
            guard call.arguments(marker: "soak") != nil else {
                throw SoakError(.usage, "--tool: no arguments can be made up for \"\(toolName)\"; give --arguments")
            }
            guard let echoes = await self.answers(call, context) else {
                throw SoakError(.unmeasurable, "the tool \"\(toolName)\" answers with an error; give other --arguments")
            }
            call.echoes = echoes
            return call
        }
        for var call in ToolCall.candidates(among: tools).prefix(Self.toolsMax) {
            guard let echoes = await self.answers(call, context) else { continue }
            call.echoes = echoes
            return call
        }
        return nil
    }

    private func listTools(_ client: MCPClient) async throws -> [JSONValue] {
        var tools: [JSONValue] = []
        var cursor: JSONValue?
        for _ in 0..<Self.pagesMax {
            var params = JSONObject()
            params["cursor"] = cursor
            let result: JSONValue
            do {
                result = try await client.request("tools/list", params)
            } catch is AgentFailure {
                return tools  // A server without tools need not know the method.
            }
            if case .array(let page)? = result["tools"] { tools += page }
            cursor = result["nextCursor"]
            if cursor == nil { break }
        }
        return tools
    }

    /// Calls a tool once.
    /// - Returns: Whether the answer holds the marker; `nil` when it is an error.
    private func answers(_ call: ToolCall, _ context: AgentContext) async -> Bool? {
        var context = context
        context.facts.tool = call
        let client = MCPClient(context)
        let marker = "soak-probe-1"
        do {
            if context.facts.isLegacy { try await client.open() }
            let answer = try await client.send(client.callMessage(marker: marker, id: 1))
            let result = try client.result(of: answer, id: 1)
            await Self.leave(client)
            return result["isError"] == true ? nil : call.fixed == nil && answer.holds(marker)
        } catch {
            await Self.leave(client)
            return nil
        }
    }
}
