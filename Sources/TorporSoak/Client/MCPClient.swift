import NIOHTTP1
import TorporJSON

/// A client as it works: at most one connection and one session, used by one task at a time.
final class MCPClient {
    private let context: AgentContext
    private var connection: HTTPConnection?
    private(set) var session: Session?
    /// The number of the session in the recording, and the bytes that were sent in it.
    private var recorded: (session: UInt32, bytes: Int)?
    private var lastID = 0

    init(_ context: AgentContext) { self.context = context }

    private var tally: Tally { self.context.tally }
    private var timeout: Int { self.context.timeoutSeconds }

    // MARK: Connections

    /// The connection, made anew when there is none that can take a request.
    func connect() async throws -> HTTPConnection {
        if let connection {
            if await connection.isReusable { return connection }
            await connection.close()
        }
        self.connection = nil
        do {
            let connection = try await HTTPConnection.connect(to: self.context.endpoint, timeoutSeconds: self.timeout)
            self.connection = connection
            return connection
        } catch {
            self.tally.update { $0.turnedAway += 1 }
            throw AgentFailure("no connection is accepted")
        }
    }

    /// Ends the connection. The session, if any, goes on in the server.
    func disconnect(_ ending: HTTPConnection.Ending = .farewell) async {
        await self.connection.take()?.close(ending)
    }

    /// Hands over the connection, with whatever is under way on it; the next request opens another.
    func takeConnection() -> HTTPConnection? { self.connection.take() }

    /// Leaves the rest of an answer unread.
    func stopReading() { self.connection?.stopReading() }

    /// Forgets the session without a word to the server.
    func forgetSession() { self.session = nil }

    /// Sends a message and waits for its answer, on a connection that is made when there is none.
    func send(_ message: HTTPMessage) async throws -> HTTPAnswer {
        let wasConnected = self.connection != nil
        let start = ContinuousClock.now
        var answer: HTTPAnswer?
        do {
            answer = try await self.connect().send(message, timeoutSeconds: self.timeout)
        } catch let failure as AgentFailure {
            // A server may close an idle connection just when a request is on its way. No answer came, so the request
            // is sent again once.
            guard wasConnected, ContinuousClock.now - start < .seconds(1) else { throw failure }
            await self.disconnect()
            answer = try await self.connect().send(message, timeoutSeconds: self.timeout)
        }
        guard let answer else { preconditionFailure("a whole answer was waited for") }
        self.tally.update {
            $0.requests += 1
            $0.latencies.add(seconds: (ContinuousClock.now - start) / .seconds(1))
        }
        self.record(message)
        return answer
    }

    /// Sends a message and waits for no more of its answer than `extent`.
    @discardableResult
    func send(_ message: HTTPMessage, awaiting extent: HTTPConnection.Extent) async throws -> HTTPAnswer? {
        let answer = try await self.connect().send(message, awaiting: extent, timeoutSeconds: self.timeout)
        self.tally.update { $0.requests += 1 }
        return answer
    }

    private func record(_ message: HTTPMessage) {
        guard let recording = self.context.recording, self.session != nil, var recorded = self.recorded else { return }
        recorded.bytes += message.body.count
        self.recorded = recorded
        recording.use(recorded.session, bytes: recorded.bytes)
    }

    // MARK: Sessions

    /// Sends `initialize` and no more.
    /// - Throws: ``AgentFailure`` or ``Refusal`` when no session was opened.
    func initialize() async throws {
        self.session = nil
        let answer = try await self.send(Messages.initialize(authorization: self.context.authorization))
        let result = try self.result(of: answer, id: 0)
        guard case .string(let revision)? = result["protocolVersion"] else {
            throw AgentFailure("initialize was answered without a protocolVersion")
        }
        self.session = Session(id: answer.sessionID, revision: revision)
        self.recorded = self.context.recording.map { ($0.open(), 0) }
        self.tally.update { $0.sessions += 1 }
    }

    /// Opens a session: `initialize`, then `notifications/initialized`.
    func open() async throws {
        try await self.initialize()
        try await self.notify("notifications/initialized")
    }

    func notify(_ method: String, _ params: JSONObject? = nil) async throws {
        let answer = try await self.send(
            Messages.legacy(
                method, params, id: nil, in: try self.openSession(), authorization: self.context.authorization))
        guard (200...299).contains(answer.status) else { throw Self.failure(of: answer, method) }
    }

    /// Ends the session with DELETE. A server may not allow that.
    func delete() async throws {
        guard let session = self.session.take(), session.id != nil else { return }
        let answer = try await self.send(Messages.delete(session, authorization: self.context.authorization))
        guard (200...299).contains(answer.status) || answer.status == 405 || answer.status == 404 else {
            throw Self.failure(of: answer, "DELETE")
        }
    }

    private func openSession() throws -> Session {
        guard let session else { throw AgentFailure("there is no session") }
        return session
    }

    // MARK: Requests

    /// Sends a request of the era in which the client is, and gives its result.
    @discardableResult
    func request(_ method: String, _ params: JSONObject = [:]) async throws -> JSONValue {
        self.lastID += 1
        let id = JSONValue.number(JSONNumber(self.lastID))
        return try self.result(of: try await self.send(self.message(method, params, id: id)), id: id)
    }

    /// Calls the tool, or pings where there is none.
    func call(marker: String) async throws {
        self.lastID += 1
        let id = JSONValue.number(JSONNumber(self.lastID))
        try self.check(try await self.send(self.callMessage(marker: marker, id: id)), id: id, marker: marker)
    }

    /// Looks whether an answer is the one to the call with this id and marker.
    func check(_ answer: HTTPAnswer, id: JSONValue, marker: String) throws {
        _ = try self.result(of: answer, id: id)
        if self.context.facts.tool?.echoes == true, !answer.holds(marker) {
            self.tally.update { $0.addViolation("an answer that was meant for another call") }
        }
    }

    /// The message of a call.
    func callMessage(marker: String, id: JSONValue) -> HTTPMessage {
        guard let tool = self.context.facts.tool, let arguments = tool.arguments(marker: marker) else {
            return self.message(self.session == nil ? "server/discover" : "ping", [:], id: id)
        }
        return self.message(
            "tools/call", ["name": .string(tool.name), "arguments": .object(arguments)], id: id,
            headers: ArgumentGenerator.headers(for: arguments, schema: tool.schema))
    }

    /// The message that opens a stream: that of the session, or one of its own.
    func listenMessage() -> HTTPMessage {
        if let session { return Messages.stream(of: session, authorization: self.context.authorization) }
        return self.message(
            "subscriptions/listen", ["notifications": ["toolsListChanged": true]], id: "listen")
    }

    /// A request in the client's session, or one that stands alone when it has none.
    func message(
        _ method: String, _ params: JSONObject, id: JSONValue, headers: [(name: String, value: String)] = []
    ) -> HTTPMessage {
        if let session {
            return Messages.legacy(
                method, params.isEmpty ? nil : params, id: id, in: session, authorization: self.context.authorization)
        }
        return Messages.modern(
            method, params, id: id, headers: headers, authorization: self.context.authorization)
    }

    /// The `result` of an answer.
    /// - Throws: ``Refusal`` for 429 and 503, ``AgentFailure`` for whatever else is no result.
    func result(of answer: HTTPAnswer, id: JSONValue) throws -> JSONValue {
        guard answer.status == 200 else { throw Self.failure(of: answer, "a request") }
        // Larger than what is kept: it has come, and that is what counts.
        if answer.body.isEmpty, answer.size > EventReader.dataMax { return .null }
        guard let message = try? JSONValue(parsing: answer.body) else {
            throw AgentFailure("the answer is not JSON")
        }
        guard message["id"] == id else {
            self.tally.update { $0.addViolation("an answer with another id than its request") }
            throw AgentFailure("the answer has another id than its request")
        }
        guard let result = message["result"] else {
            var code = ""
            if case .number(let number)? = message["error"]?["code"] { code = " \(number.text)" }
            throw AgentFailure("answered with the error\(code)")
        }
        return result
    }

    private static func failure(of answer: HTTPAnswer, _ what: String) -> any Error {
        Refusal(answer) ?? AgentFailure("\(what) was answered with status \(answer.status)")
    }
}

/// The server says, with status 429 or 503, that it cannot take this now.
struct Refusal: Error, Equatable {
    let status: Int
    /// Whether it says when to come back.
    let saysWhen: Bool

    init(status: Int, saysWhen: Bool) {
        self.status = status
        self.saysWhen = saysWhen
    }

    /// - Returns: `nil` when the answer has neither status.
    init?(_ answer: HTTPAnswer) {
        guard answer.status == 429 || answer.status == 503 else { return nil }
        self.init(status: answer.status, saysWhen: answer.headers.contains(name: "Retry-After"))
    }
}

extension HTTPAnswer {
    /// Whether the text occurs in the answer; also `true` when the answer was too large to be kept.
    func holds(_ text: String) -> Bool {
        if self.body.isEmpty, self.size > EventReader.dataMax { return true }
        let needle = Array(text.utf8)
        guard let first = needle.first else { return true }
        var rest = self.body[...]
        while let start = rest.firstIndex(of: first) {
            rest = rest[start...]
            if rest.starts(with: needle) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
