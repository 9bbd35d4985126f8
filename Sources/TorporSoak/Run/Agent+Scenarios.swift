import TorporJSON

extension Agent {
    /// Does the work of a scenario once.
    /// - Returns: How many units it was.
    /// - Throws: ``AgentFailure`` when it could not be done, ``Refusal`` when the server has no room for it.
    func act(_ name: Scenario.Name, unit: Int) async throws -> Int {
        switch name {
        case .requests: try await self.callAgain(unit)
        case .sessions: try await self.comeAndGo(unit)
        case .refusedRequests: try await self.beRefused(unit)
        case .abandonedInitialize: try await self.abandonInitialize(unit)
        case .deletes: try await self.openAndDelete(unit)
        case .modernProbe: try await self.probe(unit)
        case .cancelledCalls: try await self.cancelCall(unit)
        case .halfOpenStreams: try await self.abandonStream(unit)
        case .largeOutputs: try await self.callLarge(unit)
        case .equalIDs: try await self.useEqualIDs(unit)
        case .stateless: try await self.callStateless(unit)
        case .atCapacity: return try await self.fillUp(unit)
        case .accounts: try await self.gather(unit)
        case .restoredSessions: try await self.comeBack(unit)
        case .cancelledStreams: try await self.cutAnswer(unit)
        case .unrelievedPressure: try await self.press(unit)
        case .anonymousFlood: try await self.flood(unit)
        }
        return 1
    }

    /// Opens a session where there are such, else nothing.
    private func openIfLegacy(_ client: MCPClient) async throws {
        if self.context.facts.isLegacy { try await client.open() }
    }

    // MARK: The ordinary run

    /// A call by a client that stays; on a server of both eras, half of the agents use each.
    private func callAgain(_ unit: Int) async throws {
        let usesSession = self.context.facts.isLegacy && (!self.context.facts.isModern || self.number % 2 == 0)
        if usesSession, self.client.session == nil { try await self.client.open() }
        try await self.client.call(marker: self.marker(unit))
    }

    private func comeAndGo(_ unit: Int) async throws {
        var generator = self.generator(for: unit)
        let client = self.client
        let ending: HTTPConnection.Ending = Bool.random(using: &generator) ? .farewell : .reset
        let behaviour = Behaviour.draw(using: &generator)
        try await self.openIfLegacy(client)
        if behaviour != .sessionPerCall, self.context.facts.tool != nil { try await client.request("tools/list") }
        try await client.call(marker: self.marker(unit))
        switch behaviour {
        case .vanish, .sessionPerCall: break
        case .polite: try await client.delete()
        case .comeBack:
            await client.disconnect(ending)
            try await client.call(marker: self.marker(unit))
        case .cancel: try await self.callAndCancel(client, unit)
        case .listen: _ = try await self.listen(client)
        }
        await client.disconnect(behaviour == .listen ? .reset : ending)
        client.forgetSession()
    }

    // MARK: Pitfalls

    private func beRefused(_ unit: Int) async throws {
        let bodies: [(HTTPMessage, String)] = [
            (self.refusable("HEAD"), "HEAD"), (self.refusable("OPTIONS"), "OPTIONS"), (self.refusable("PUT"), "PUT"),
            (self.refusable("DELETE"), "DELETE without a session"),
            (self.refusable("POST", body: "{\"jsonrpc\":\"2.0\",\"id\":1,"), "broken JSON"),
            (self.refusable("POST", body: "[]"), "an empty batch"),
            (
                self.refusable("POST", body: "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"initialize\"}"),
                "no JSON-RPC 2.0"
            ),
            (self.refusable("POST", host: "rebound.example", body: Self.ping), "a foreign Host"),
            (self.refusable("POST", accept: "text/html", body: Self.ping), "an Accept of HTML"),
            (self.refusable("POST", session: "no-such-session-0123456789", body: Self.ping), "an unknown session"),
            (self.refusable("GET", session: "no-such-session-0123456789"), "a stream of an unknown session"),
        ]
        let (message, what) = bodies[unit % bodies.count]
        let isStream = message.method == "GET"
        let answer =
            isStream ? try await self.client.send(message, awaiting: .head) : try await self.client.send(message)
        if isStream { await self.client.disconnect(.reset) }
        guard let answer else { return }
        if let refusal = Refusal(answer) { throw refusal }
        self.context.tally.update {
            if answer.status >= 500 { $0.addViolation("\(what) was answered with status \(answer.status)") }
            if answer.sessionID != nil, answer.status >= 300 {
                $0.addViolation("\(what) was refused with a session id")
            }
        }
    }

    private static let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"

    private func refusable(
        _ method: String, host: String? = nil, accept: String? = nil, session: String? = nil, body: String = ""
    ) -> HTTPMessage {
        var message = HTTPMessage(method: method, body: Array(body.utf8))
        let usual = method == "GET" ? "text/event-stream" : "application/json, text/event-stream"
        message.headers = [(name: "Accept", value: accept ?? usual)]
        if !body.isEmpty { message.headers.append(("Content-Type", "application/json")) }
        if let host { message.headers.append(("Host", host)) }
        if let session {
            message.headers.append(("Mcp-Session-Id", session))
            message.headers.append(("MCP-Protocol-Version", Messages.legacyRevision))
        }
        if let authorization = self.context.authorization { message.headers.append(("Authorization", authorization)) }
        return message
    }

    private func abandonInitialize(_ unit: Int) async throws {
        try await self.client.initialize()
        await self.client.disconnect(unit % 2 == 0 ? .farewell : .reset)
        self.client.forgetSession()
    }

    private func openAndDelete(_ unit: Int) async throws {
        try await self.client.open()
        try await self.client.call(marker: self.marker(unit))
        try await self.client.delete()
    }

    private func probe(_ unit: Int) async throws {
        let method = unit % 2 == 0 ? "server/discover" : "tools/list"
        let answer = try await self.client.send(
            Messages.modern(method, id: 1, authorization: self.context.authorization))
        if answer.status >= 500, answer.status != 503 {
            self.context.tally.update { $0.addViolation("a modern probe was answered with status \(answer.status)") }
        }
        if answer.sessionID != nil {
            self.context.tally.update { $0.addViolation("a modern probe was given a session") }
        }
        await self.client.disconnect()
    }

    private func cancelCall(_ unit: Int) async throws {
        if self.context.facts.isLegacy, self.client.session == nil { try await self.client.open() }
        try await self.callAndCancel(self.client, unit)
    }

    /// In a session, says so on another connection; otherwise closes the connection, which means the same.
    private func callAndCancel(_ client: MCPClient, _ unit: Int) async throws {
        let id = JSONValue.string("cancelled-\(self.number)-\(unit)")
        try await client.send(client.callMessage(marker: self.marker(unit), id: id), awaiting: .nothing)
        if client.session == nil { return await client.disconnect(.reset) }
        let calling = client.takeConnection()
        do {
            try await client.notify(
                "notifications/cancelled", ["requestId": id, "reason": .string("The user went on.")])
        } catch {
            await calling?.close(.reset)
            throw error
        }
        await calling?.close(unit % 2 == 0 ? .farewell : .reset)
    }

    private func abandonStream(_ unit: Int) async throws {
        let client = MCPClient(self.context)
        try await self.openIfLegacy(client)
        if try await self.listen(client) { client.stopReading() }
        client.forgetSession()
        self.held.append(client)
        if self.held.count > Self.heldMax { await self.held.removeFirst().disconnect(.reset) }
    }

    /// Opens a stream and reads its head.
    /// - Returns: Whether the server has such streams.
    private func listen(_ client: MCPClient) async throws -> Bool {
        guard let answer = try await client.send(client.listenMessage(), awaiting: .head) else { return false }
        if let refusal = Refusal(answer) { throw refusal }
        guard answer.status < 500 else { throw AgentFailure("a stream was answered with status \(answer.status)") }
        return answer.status == 200
    }

    private func callLarge(_ unit: Int) async throws {
        var generator = self.generator(for: unit)
        let size = Int.random(in: 1_024...262_144, using: &generator)
        if self.context.facts.isLegacy, self.client.session == nil { try await self.client.open() }
        try await self.client.call(marker: self.marker(unit) + String(repeating: "x", count: size))
    }

    private func useEqualIDs(_ unit: Int) async throws {
        let other = self.held.first ?? MCPClient(self.context)
        self.held = [other]
        for client in [self.client, other] where self.context.facts.isLegacy && client.session == nil {
            try await client.open()
        }
        let id = JSONValue.number(JSONNumber(unit % 3))
        let markers = [self.marker(unit) + "-left", self.marker(unit) + "-right"]
        let messages = [
            self.client.callMessage(marker: markers[0], id: id), other.callMessage(marker: markers[1], id: id),
        ]
        let connections = [try await self.client.connect(), try await other.connect()]
        let timeout = self.context.timeoutSeconds
        async let left = connections[0].send(messages[0], timeoutSeconds: timeout)
        async let right = connections[1].send(messages[1], timeoutSeconds: timeout)
        for (answer, marker) in zip([try await left, try await right], markers) {
            guard let answer else { continue }
            self.context.tally.update { $0.requests += 1 }
            try self.client.check(answer, id: id, marker: marker)
        }
    }

    private func callStateless(_ unit: Int) async throws {
        if unit % 8 == 0 { await self.client.disconnect() }
        try await self.client.call(marker: self.marker(unit))
    }

    /// - Returns: How many sessions there were at once.
    private func fillUp(_ unit: Int) async throws -> Int {
        var failure: (any Error)?
        for place in 0..<Self.heldMax {
            let client = MCPClient(self.context)
            self.held.append(client)
            do {
                try await self.openIfLegacy(client)
                if try await self.listen(client) {
                    // The stream has the connection; calls go beside it.
                    let caller = MCPClient(self.context)
                    try await self.openIfLegacy(caller)
                    self.held.append(caller)
                    try await caller.call(marker: self.marker(unit) + "-\(place)")
                } else {
                    try await client.call(marker: self.marker(unit) + "-\(place)")
                }
            } catch {
                failure = error
                break
            }
        }
        for client in self.held {
            // Whoever is turned away as well when it takes leave is gone all the same.
            try? await client.delete()
            await client.disconnect()
        }
        let sessions = self.held.count
        self.held = []
        if let failure { throw failure }
        return sessions
    }

    private func gather(_ unit: Int) async throws {
        let client = MCPClient(self.context)
        self.held.append(client)
        try await self.openIfLegacy(client)
        try await client.call(marker: self.marker(unit))
        if client.session?.id != nil { _ = try await self.listen(client) }
    }

    private func comeBack(_ unit: Int) async throws {
        if self.client.session == nil { try await self.client.open() }
        await self.client.disconnect(unit % 2 == 0 ? .farewell : .reset)
        try await self.client.call(marker: self.marker(unit))
    }

    private func cutAnswer(_ unit: Int) async throws {
        if self.context.facts.isLegacy, self.client.session == nil { try await self.client.open() }
        let id = JSONValue.string("cut-\(self.number)-\(unit)")
        let extent: HTTPConnection.Extent = unit % 2 == 0 ? .head : .nothing
        let isListening = unit % 4 == 3
        let message =
            isListening ? self.client.listenMessage() : self.client.callMessage(marker: self.marker(unit), id: id)
        try await self.client.send(message, awaiting: isListening ? .head : extent)
        self.client.stopReading()
        await self.client.disconnect(.reset)
    }

    private func press(_ unit: Int) async throws {
        try await self.openIfLegacy(self.client)
        try await self.client.call(marker: self.marker(unit) + String(repeating: "x", count: 65_536))
        self.client.forgetSession()
    }

    private func flood(_ unit: Int) async throws {
        try await self.client.initialize()
        self.client.forgetSession()
    }
}
