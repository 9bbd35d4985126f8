extension Refusal {
    /// Some clients of the legacy era take an error of HTTP in a session for the end of the session.
    fileprivate func asAnswer(in revision: ProtocolRevision) -> Refusal {
        guard revision.era == .legacy, self.status == 503 || self.status == 429 else { return self }
        return Refusal(
            200, self.error.code, self.error.message, data: self.error.data, retryAfterSeconds: self.retryAfterSeconds)
    }
}

extension Dispatcher {
    /// The foreign server that answers here, if one does.
    var relayed: RelayedServer? {
        if case .relayed(let server) = self.source { server } else { nil }
    }

    /// The changes that clients may listen to: of a foreign server that has not said what it offers, any.
    var announces: ServerChanges {
        if let relayed, relayed.catalogue == nil { return self.source.announces }
        return self.table.announces
    }

    /// Dispatches a message once it is known what its foreign server offers; `nil` when that is known, or nobody asks.
    func awaitOffer(
        _ standing: SessionAuthority.Standing?, _ message: IncomingMessage, _ envelope: Envelope, _ start: Int64
    ) throws(Refusal) -> Dispatch? {
        guard envelope.shape == .request || envelope.shape == .batch, let server = self.relayed,
            server.catalogue == nil
        else { return nil }
        // Who listens need not wait: whatever the server will offer, changes of it are told.
        if RequestMethod(envelope.method, in: message.bytes.span) == .listen {
            server.relay.prepareOffer()
            return nil
        }
        let session: SessionToken? = if case .honoured(let session) = standing { session } else { nil }
        return try self.dispatchLater(message, envelope, start, session: session) {
            try await server.relay.untilOffered()
            return nil
        } then: {
            self.dispatch(message, batch: nil)
        }
    }

    /// Starts a request that a foreign server answers; `nil` when Torpor does.
    func relay(_ operation: Operation, to server: RelayedServer) throws(Refusal) -> Dispatch? {
        let bytes = operation.bytes
        var tool: RelayedTool?
        let name: String
        switch operation.method {
        case .toolsCall:
            guard operation.params.name.kind == .string else {
                throw Refusal(200, .invalidParams, "tools/call needs name, a string.")
            }
            tool = self.table.relayedTools[operation.params.name, in: bytes.span]
            if let tool { try self.checkMirrored(operation, tool.mirrored) }
            name = operation.name
        case .promptsGet:
            guard operation.params.name.kind == .string else {
                throw Refusal(200, .invalidParams, "prompts/get needs name, a string.")
            }
            name = operation.name
        case .resourcesRead, .subscribe, .unsubscribe:
            guard let uri = operation.params.uri.string(in: bytes.span), uri.utf8.count <= Self.uriBytesMax else {
                throw Refusal(
                    200, .invalidParams,
                    "\(operation.method.name) needs uri, a string of at most \(Self.uriBytesMax) bytes.")
            }
            name = uri
        case .complete: name = operation.method.name.description
        default: return nil
        }
        try self.prepareToAsk(operation)
        let request = RelayedRequest(Call(operation, self, name: name))
        return try self.runLater(operation, mayRunOnLoop: operation.bytes.count <= Self.loopBytesMax) { [tool] in
            do {
                let result = try await server.relay.answer(request)
                guard result.count > Self.loopBytesMax else {
                    return try self.finish(operation, result, tool?.meter)
                }
                return try await withTaskExecutorPreference(globalConcurrentExecutor) {
                    try await self.finishElsewhere(operation, result, tool?.meter)
                }
            } catch {
                if let reply = self.inputRequired(operation) { return reply }
                // For the model to read.
                if let error = error as? ToolError, operation.method == .toolsCall {
                    return self.finish(operation, tool: tool?.meter, ToolResult([.text(error.message)], isError: true))
                }
                guard let refusal = error as? Refusal else {
                    return self.fail(
                        operation, tool: tool?.meter, self.refusal(for: error, of: operation, name: name))
                }
                return self.fail(operation, tool: tool?.meter, refusal.asAnswer(in: operation.revision))
            }
        }
    }

    /// Bytes of a request, and of a result, that are carried over on an event loop: some ten microseconds' work. What is
    /// larger would keep others waiting there.
    static let loopBytesMax = 32 << 10

    @concurrent private func finishElsewhere(
        _ operation: Operation, _ result: [UInt8], _ tool: ToolMeter?
    ) async throws -> Reply {
        try self.finish(operation, result, tool)
    }

    /// The answer that carries a foreign server's result.
    /// - Throws: ``Refusal``, when a subscription cannot be held.
    private func finish(_ operation: Operation, _ result: [UInt8], _ tool: ToolMeter?) throws -> Reply {
        if operation.method == .subscribe || operation.method == .unsubscribe { return try self.subscribe(operation) }
        var isError = false
        JSONSlice.forEachMember(of: 0..<result.count, in: result) { name, _, value in
            if name == "isError" { isError = result[value.range].elementsEqual("true".utf8) }
        }
        return self.finish(
            operation, tool: tool, error: isError ? "tool_error" : nil, capacity: result.count + 384
        ) { self.write(result, to: &$0, for: operation) }
    }

    /// Writes a foreign result as the client's era wants it: what the server said of itself and of caching gives way to
    /// what is true here.
    private func write(_ result: [UInt8], to writer: inout JSONWriter, for operation: Operation) {
        var meta = JSONObject()
        writer.beginObject()
        JSONSlice.forEachMember(of: 0..<result.count, in: result) { name, member, value in
            switch name {
            case "resultType", "ttlMs", "cacheScope": break
            case "_meta":
                if case .object(let members) = JSONValue(in: result.span, value.sourceRange) { meta = members }
            default: writer.rawValue(result.span.extracting(member))
            }
        }
        meta["io.modelcontextprotocol/serverInfo"] = nil
        guard operation.isModern else {
            if !meta.isEmpty { writer.member("_meta", .object(meta)) }
            return writer.endObject()
        }
        if operation.method == .resourcesRead {
            writer.key("ttlMs")
            writer.integer(0)
            writer.member("cacheScope", "private")
        }
        writer.member("resultType", "complete")
        writer.key("_meta")
        writer.beginObject()
        for member in meta.members {
            writer.key(member.name)
            writer.value(member.value)
        }
        writer.key("io.modelcontextprotocol/serverInfo")
        self.table.implementation.write(to: &writer, for: .v2026_07_28)
        writer.endObject()
        writer.endObject()
    }
}
