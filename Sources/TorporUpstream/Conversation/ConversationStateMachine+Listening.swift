package import TorporCore
import TorporJSON
import TorporProtocol

extension ConversationStateMachine {
    /// What is wanted of a modern server beside answers, and the `subscriptions/listen` requests that ask for it.
    ///
    /// A filter cannot be changed: another request takes the place of the one before, which goes on until the new one
    /// is acknowledged, so that nothing is missed between them.
    struct Listening: Sendable {
        struct Subscription: Sendable {
            let number: RequestNumber
            let lists: Set<UpstreamList>
            let uris: Set<String>
        }

        /// The lists whose changes are wanted: those that the server tells of.
        var lists: Set<UpstreamList> = []
        /// The resources whose changes are wanted.
        var uris: Set<String> = []
        /// Acknowledged.
        var current: Subscription?
        /// Sent, and not acknowledged.
        var next: Subscription?
        /// When to try again.
        var retryAt: Instant?
        var failuresInARow = 0
        /// Changes may have been missed since the last one was acknowledged.
        var hasGap = false
        /// The server does not know the method.
        var isUnsupported = false

        /// Nobody waits for a subscription to the resource any more.
        mutating func forget(_ uri: String, unlessWantedBy requests: [RequestNumber: Request]) {
            guard self.current?.uris.contains(uri) != true,
                !requests.values.contains(where: { $0.purpose == .subscription(uri: uri) })
            else { return }
            self.uris.remove(uri)
        }
    }

    /// How long a server may take to acknowledge.
    private static var acknowledgementTime: Duration { .seconds(30) }
    /// The longest time between two tries.
    private static var retryMax: Duration { .seconds(60) }

    /// Changes of the resource are wanted, of a modern server. The request ends when the server has acknowledged it.
    /// - Parameter number: Reserved for it.
    /// - Throws: ``UpstreamError/Code/closed`` or ``UpstreamError/Code/overloaded``.
    package mutating func subscribe(
        _ number: RequestNumber, to uri: String, timeLimit: Duration, now: Instant
    ) throws(UpstreamError) -> [Action] {
        guard case .open(let server) = self.phase else {
            throw UpstreamError(.closed, "The conversation with the server has ended.")
        }
        precondition(server.revision.era == .modern, "a legacy server has a method for it")
        if self.listening.current?.uris.contains(uri) == true {
            self.listening.uris.insert(uri)
            return [.answer(number, Self.nothing)]
        }
        guard !self.listening.isUnsupported else {
            throw UpstreamError(.refused, "The server tells of no changes: it does not know subscriptions/listen.")
        }
        try self.checkRoom()
        guard self.listening.uris.count < self.limits.subscriptionsMax else {
            throw UpstreamError(
                .overloaded, "\(self.limits.subscriptionsMax) resources of the server are subscribed to already.")
        }
        self.listening.uris.insert(uri)
        self.requests[number] = Request(purpose: .subscription(uri: uri), deadline: now + timeLimit)
        return self.reconcileListening(now: now)
    }

    /// Changes of the resource are not wanted any more, of a modern server.
    package mutating func unsubscribe(from uri: String, now: Instant) -> [Action] {
        self.listening.uris.remove(uri)
        return self.reconcileListening(now: now)
    }

    /// Asks for what is wanted, where that differs from what was asked for.
    mutating func reconcileListening(now: Instant) -> [Action] {
        guard case .open(let server) = self.phase, server.revision.era == .modern, !self.listening.isUnsupported,
            self.listening.next == nil, self.listening.retryAt == nil
        else { return [] }
        let (lists, uris) = (self.listening.lists, self.listening.uris)
        guard !lists.isEmpty || !uris.isEmpty else {
            guard let old = self.listening.current.take() else { return [] }
            return self.dropListen(old.number)
        }
        if let current = self.listening.current, current.lists == lists, current.uris == uris { return [] }
        let number = self.nextNumber()
        self.listening.next = .init(number: number, lists: lists, uris: uris)
        self.requests[number] = Request(purpose: .listen, deadline: now + Self.acknowledgementTime)
        var filter = JSONObject()
        if lists.contains(.tools) { filter["toolsListChanged"] = true }
        if lists.contains(.prompts) { filter["promptsListChanged"] = true }
        if lists.contains(.resources) { filter["resourcesListChanged"] = true }
        if !uris.isEmpty { filter["resourceSubscriptions"] = .array(uris.sorted().map(JSONValue.string)) }
        var meta = RequestMeta()
        meta.modern = RequestMeta.modern(
            server.revision, identity: self.client.info, capabilities: self.client.capabilities)
        let body = MessageWriter.request(
            number, "subscriptions/listen", .object(["notifications": .object(filter)]), meta: meta)
        return [
            .send(
                UpstreamMessage(
                    .request(number), method: "subscriptions/listen", revision: server.revision, body: body))
        ]
    }

    /// The server has begun to tell of changes.
    /// - Returns: `nil` when it does not say for which request.
    mutating func acknowledged(_ params: JSONObject, now: Instant) -> [Action]? {
        guard case .number(let id)? = params["_meta"]?["io.modelcontextprotocol/subscriptionId"], let value = id.int
        else { return nil }
        guard let next = self.listening.next, next.number.value == value else { return [] }
        var actions: [Action] = []
        let old = self.listening.current
        self.listening.current = next
        self.listening.next = nil
        self.listening.failuresInARow = 0
        self.requests[next.number]?.deadline = nil
        if let old { actions += self.dropListen(old.number) }
        if self.listening.hasGap {
            self.listening.hasGap = false
            for list in UpstreamList.allCases where next.lists.contains(list) {
                actions.append(.tell(.listChanged(list)))
            }
            if next.lists.contains(.resources) { actions.append(.tell(.listChanged(.resourceTemplates))) }
            actions += next.uris.sorted().map { .tell(.updated(uri: $0)) }
        }
        var honoured: Set<String> = []
        if case .array(let uris)? = params["notifications"]?["resourceSubscriptions"] {
            for case .string(let uri) in uris { honoured.insert(uri) }
        }
        for (number, uri) in self.waiting(for: next) {
            self.requests[number] = nil
            if honoured.contains(uri) {
                actions.append(.answer(number, Self.nothing))
            } else {
                self.listening.uris.remove(uri)
                let error = UpstreamError(.refused, "The server does not tell of changes of this resource.")
                actions.append(.fail(number, error))
            }
        }
        return actions + self.reconcileListening(now: now)
    }

    /// A listen request has ended, by the server or on the way.
    mutating func listenEnded(_ number: RequestNumber, _ error: UpstreamError?, now: Instant) -> [Action] {
        var actions: [Action] = []
        if self.listening.current?.number == number {
            self.listening.current = nil
            self.listening.hasGap = true
        } else if let next = self.listening.next, next.number == number {
            self.listening.next = nil
            let reason = error ?? UpstreamError(.refused, "The server ended the subscription at once.")
            for (waiting, uri) in self.waiting(for: next) {
                self.requests[waiting] = nil
                self.listening.uris.remove(uri)
                actions.append(.fail(waiting, reason))
            }
            if error?.answer?.code == .methodNotFound {
                self.listening.isUnsupported = true
                return actions
            }
        } else {
            return []
        }
        self.listening.failuresInARow += 1
        let delay = Duration.seconds(1 << min(self.listening.failuresInARow - 1, 6))
        self.listening.retryAt = now + min(delay, Self.retryMax)
        return actions
    }

    private func waiting(for subscription: Listening.Subscription) -> [(number: RequestNumber, uri: String)] {
        self.requests.compactMap { number, request in
            guard case .subscription(let uri) = request.purpose, subscription.uris.contains(uri) else { return nil }
            return (number, uri)
        }.sorted { $0.number < $1.number }
    }

    private mutating func dropListen(_ number: RequestNumber) -> [Action] {
        guard let request = self.requests[number] else { return [] }
        return self.drop(number, request, reason: "Something else is listened for now.")
    }

    private static var nothing: UpstreamAnswer { UpstreamAnswer(bytes: Array("{}".utf8), range: 0..<2) }
}
