import Synchronization
import TorporCore
package import TorporJSON
package import TorporProtocol

extension UpstreamSession {
    /// The pages of one list that may be read, however few entries each has.
    private static var pagesMax: Int { 1_000 }

    /// All entries of a list, page by page.
    ///
    /// - Parameter timeLimit: For each page.
    /// - Throws: ``UpstreamError``: ``UpstreamError/Code/tooLarge`` beyond ``UpstreamLimits/listEntriesMax`` entries or
    ///   ``UpstreamLimits/listBytesMax`` bytes, ``UpstreamError/Code/protocolFault`` for a page that is none and for a
    ///   cursor that comes again. `CancellationError`.
    package func list(
        _ list: UpstreamList, observer: (any UpstreamObserver)? = nil, timeLimit: Duration
    ) async throws -> [JSONValue] {
        var entries: [JSONValue] = []
        var bytes = 0
        var cursors: Set<String> = []
        var params = UpstreamParams.none
        while true {
            let answer = try await self.request(
                UpstreamRequest(list.method, params, timeLimit: timeLimit), observer: observer)
            bytes += answer.range.count
            guard bytes <= self.limits.listBytesMax else {
                throw UpstreamError(
                    .tooLarge, "The server's \(list.method) takes more than \(self.limits.listBytesMax) bytes.")
            }
            let result = answer.object
            guard case .array(let page)? = result[list.member] else {
                throw UpstreamError(
                    .protocolFault, "The server answered \(list.method) without the member \(list.member).")
            }
            entries += page
            guard entries.count <= self.limits.listEntriesMax else {
                throw UpstreamError(
                    .tooLarge, "The server's \(list.method) has more than \(self.limits.listEntriesMax) entries.")
            }
            guard case .string(let cursor)? = result["nextCursor"] else { return entries }
            guard cursors.insert(cursor).inserted, cursors.count < Self.pagesMax else {
                throw UpstreamError(.protocolFault, "The pages of the server's \(list.method) have no end.")
            }
            params = .object(["cursor": .string(cursor)])
        }
    }

    /// Says which log messages are wanted: of a legacy server from now on, of a modern one during each request.
    /// - Throws: ``UpstreamError``, `CancellationError`.
    package func setLevel(_ level: LogLevel, timeLimit: Duration) async throws {
        self.state.withLock { $0.logLevel = level }
        guard try await self.era() == .legacy else { return }
        _ = try await self.request(
            UpstreamRequest(
                "logging/setLevel", .object(["level": .string(level.rawValue)]), timeLimit: timeLimit))
    }

    /// Asks the server to tell when the resource changes. On return it does.
    /// - Throws: ``UpstreamError``, `CancellationError`.
    package func subscribe(to uri: String, timeLimit: Duration) async throws {
        guard try await self.era() == .modern else {
            _ = try await self.request(
                UpstreamRequest("resources/subscribe", .object(["uri": .string(uri)]), timeLimit: timeLimit))
            return
        }
        guard case .ready(let number, _) = self.state.withLock({ $0.machine.reserve() }) else {
            throw UpstreamError(.closed, "The conversation with the server has ended.")
        }
        let call = CallWaiter(self.limits)
        var refusal: UpstreamError?
        self.carryOut { state in
            do throws(UpstreamError) {
                state.calls[number] = call
                return try state.machine.subscribe(number, to: uri, timeLimit: timeLimit, now: self.timer.now)
            } catch {
                state.calls[number] = nil
                refusal = error
                return []
            }
        }
        if let refusal { throw refusal }
        _ = try await self.follow(call, number, nil)
    }

    /// The server need not tell any more when the resource changes.
    /// - Throws: ``UpstreamError``, `CancellationError`.
    package func unsubscribe(from uri: String, timeLimit: Duration) async throws {
        guard try await self.era() == .modern else {
            _ = try await self.request(
                UpstreamRequest("resources/unsubscribe", .object(["uri": .string(uri)]), timeLimit: timeLimit))
            return
        }
        self.carryOut { $0.machine.unsubscribe(from: uri, now: self.timer.now) }
    }

    /// Tells a legacy server that the roots of its client have changed, if it was told that it would be.
    package func rootsChanged() {
        guard self.client.capabilities.contains(.rootsListChanged), self.server?.revision.era == .legacy else { return }
        self.notify("notifications/roots/list_changed")
    }

    /// Sends a notification.
    /// - Returns: `false` when it was not sent, because the conversation has ended or too much waits to be sent
    ///   already.
    @discardableResult
    package func notify(_ method: String, _ params: JSONObject = [:]) -> Bool {
        let body = MessageWriter.notification(method, params)
        let isTaken = self.state.withLock { state in
            guard case .ready(_, let revision) = state.machine.reserve() else { return false }
            return self.transport.send(
                UpstreamMessage(.notification, method: method, revision: revision, body: body))
        }
        self.transport.flush()
        return isTaken
    }

    private func era() async throws(UpstreamError) -> ProtocolRevision.Era {
        try await self.untilOpen().revision.era
    }
}
