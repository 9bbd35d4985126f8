import Synchronization

extension Call {
    // MARK: Progress

    /// Tells the client how far the call has come, if it asked to know.
    ///
    /// Only rising values are sent, at most a hundred a second, and the last one: `progress == total`. A client that is
    /// slow to read is told less. (2026-07-28, progress; the same in every revision.)
    /// - Parameters:
    ///   - total: What `progress` will be at the end, if that is known.
    ///   - message: What is being done, for people. From 2025-03-26.
    /// - Throws: `CancellationError` when nobody waits for the call any more.
    public func progress(_ progress: Double, total: Double? = nil, _ message: String? = nil) async throws {
        try Task.checkCancellation()
        let token = self.operation.params.meta.progressToken
        guard token.isPresent, progress.isFinite, self.isDue(progress, total: total) else { return }
        try await self.dispatcher.passGate(self.operation)
        guard let stream = self.dispatcher.stream(of: self.operation) else { return }
        var writer = JSONWriter(capacity: 160)
        writer.raw("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":")
        writer.beginObject()
        writer.key("progressToken")
        writer.rawValue(Array(self.operation.bytes[token.sourceRange]))
        writer.key("progress")
        writer.number(progress)
        if let total, total.isFinite {
            writer.key("total")
            writer.number(total)
        }
        if self.revision >= .v2025_03_26 { writer.member("message", message) }
        writer.endObject()
        writer.raw("}")
        stream.offer(writer.bytes)
    }

    /// The least time between two progress notifications of one call.
    private static let progressInterval: Int64 = 10_000_000

    private func isDue(_ progress: Double, total: Double?) -> Bool {
        let now = self.dispatcher.environment.monotonicNanoseconds()
        return self.operation.output.withLock { output in
            guard progress > output.progress,
                now - output.progressNanoseconds >= Self.progressInterval || progress == total
                    || output.progress == -.infinity
            else { return false }
            output.progress = progress
            output.progressNanoseconds = now
            return true
        }
    }

    // MARK: Log messages

    /// Sends the client a log message, if it wants messages of that level.
    ///
    /// A modern client says so on each request, a session by `logging/setLevel`; one that has said nothing gets `info`
    /// and above in a session, and nothing in the modern era. Waits while the client is slow to read. Beyond
    /// ``StreamLimits/logsPerSecondMax`` messages are dropped. Never log secrets or what identifies people.
    /// - Parameters:
    ///   - data: Any JSON.
    ///   - logger: The name of what logs.
    /// - Throws: `CancellationError` when nobody waits for the call any more, ``ToolError`` for a message that is larger
    ///   than ``StreamLimits/messageMax``.
    public func log(_ level: LogLevel, _ data: JSONValue, logger: String? = nil) async throws {
        try Task.checkCancellation()
        guard let least = self.logLevel, level >= least, self.mayLog() else { return }
        try await self.dispatcher.passGate(self.operation)
        guard let stream = self.dispatcher.stream(of: self.operation) else { return }
        var writer = JSONWriter(capacity: 256)
        writer.raw("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":")
        writer.beginObject()
        writer.member("level", level.rawValue)
        writer.member("logger", logger)
        writer.member("data", data)
        writer.endObject()
        writer.raw("}")
        guard writer.bytes.count <= self.dispatcher.streams.messageMax.bytes else {
            throw ToolError(
                "A log message takes \(writer.bytes.count) bytes; the limit is \(self.dispatcher.streams.messageMax).")
        }
        do {
            try await stream.send(writer.bytes)
        } catch is MessageStream.Refusal {
            // Nobody reads any more, or there is no room: log messages may be lost.
        }
    }

    /// Sends the client a log message that is a text.
    public func log(_ level: LogLevel, _ text: String, logger: String? = nil) async throws {
        try await self.log(level, .string(text), logger: logger)
    }

    /// The least level that the client wants; `nil` when it wants nothing.
    var logLevel: LogLevel? {
        if self.operation.isModern {
            let bytes = self.operation.bytes
            return LogLevel(self.operation.params.meta.logLevel, in: bytes.span)
        }
        return self.operation.session.flatMap { self.dispatcher.held.level(of: $0.id) } ?? .info
    }

    private func mayLog() -> Bool {
        let second = self.dispatcher.environment.monotonicNanoseconds() / 1_000_000_000
        return self.operation.output.withLock { output in
            if output.logSecond != second {
                output.logSecond = second
                output.logs = 0
            }
            output.logs += 1
            return output.logs <= self.dispatcher.streams.logsPerSecondMax
        }
    }

    // MARK: Questions

    /// Asks the client, or the person behind it, and returns the answer.
    ///
    /// In a session (up to 2025-11-25) the client is sent a request, and the handler waits. From 2026-07-28 on the first
    /// run of the handler ends here, and the client repeats its request with the answer; then the handler runs again
    /// from its beginning, and this returns at once. So whatever stands before a question happens once more: ask first,
    /// then act. A handler that has begun what must not happen twice says so by ``beginUnrepeatable(_:)``, and cannot
    /// ask after that.
    ///
    /// Do not catch every error around it: the run ends by an error that passes through.
    /// - Parameters:
    ///   - key: Names the question within the handler; the same in every run. 1 to 128 bytes.
    /// - Throws: ``MCPError`` when the client does not offer what the question needs, or answered nonsense;
    ///   ``ToolError`` when it refused, or cannot be reached; ``MisplacedQuestion``; `CancellationError`.
    public func ask<Answer>(_ key: String, _ question: Question<Answer>) async throws -> Answer {
        try await self.dispatcher.passGate(self.operation)
        return try await self.dispatcher.ask(self.operation, key, question)
    }

    /// Asks several questions at once, and returns all answers.
    ///
    ///     let (name, roots) = try await call.ask(("name", .form("Who are you?", as: Name.self)), ("roots", .roots))
    ///
    /// - Throws: as ``ask(_:_:)`` does.
    public func ask<each Answer: Sendable>(_ question: repeat (String, Question<each Answer>)) async throws
        -> (repeat each Answer)
    {
        try await self.dispatcher.passGate(self.operation)
        // Every question is noted before the first of them ends a modern run.
        var isMissing = false
        func note<One>(_ question: (String, Question<One>)) throws {
            let known = try self.dispatcher.knownAnswer(self.operation, question.0, question.1)
            if known == nil { isMissing = true }
        }
        repeat try note(each question)
        if isMissing, self.operation.isModern { throw InputRequired() }
        return (repeat try await self.dispatcher.ask(self.operation, (each question).0, (each question).1))
    }

    /// Says that the handler is about to do what must not happen twice: from here on it cannot ask.
    ///
    /// - Parameter action: What it is, for the error that a later question throws.
    public func beginUnrepeatable(_ action: String) {
        self.operation.output.withLock { $0.unrepeatable = $0.unrepeatable ?? action }
    }

    // MARK: Changes and streams

    /// Tells every client that asked for it that something has changed; see ``MCPServer/announce(_:)``.
    /// - Precondition: The server `announces` changes of this kind.
    ///
    /// What the call has changed is durable before anybody is told: until then the notice waits.
    public func announce(_ change: ServerChange) {
        let isHeld = self.operation.output.withLock { output in
            if output.stateUse != nil { output.announcements.append(change) }
            return output.stateUse != nil
        }
        if !isHeld { self.dispatcher.table.announce(change) }
    }

    /// Lets go of the client's connection while the call goes on; the client comes back for the rest after a while.
    ///
    /// For calls that take long behind connections that are dear. Under 2025-11-25, in a session, the client is told
    /// when to come back, and gets the answer then (transports, resumability). Anywhere else nothing happens.
    /// - Parameter retryAfter: When the client should come back. Default ``StreamLimits/retryAfter``.
    public func releaseConnection(retryAfter: Duration? = nil) {
        guard self.revision == .v2025_11_25, let stream = self.dispatcher.stream(of: self.operation) else { return }
        stream.release(
            retryMilliseconds: (retryAfter ?? self.dispatcher.streams.retryAfter).wholeMilliseconds)
    }
}
