import Logging
import Synchronization
import Torpor
import TorporCore
import TorporUpstream

// What the server offers: lists, which are read by a child of their own.
extension HostedServer {
    /// How long lists are not read again because of a change, after they were read.
    private static let changeInterval = Duration.seconds(2)
    /// How long after a failure they are read again, at first; it doubles up to a minute.
    private static let retryMin = Duration.seconds(5)

    package func prepareOffer() { self.readLists() }

    package func untilOffered() async throws {
        guard !self.state.withLock({ $0.hasOffered }) else { return }
        self.readLists()
        let number = self.state.withLock { state in
            state.lastWaiting += 1
            return state.lastWaiting
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = self.state.withLock { state in
                    guard state.isReading, !Task.isCancelled else { return true }
                    state.waiting[number] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.waiting.removeValue(forKey: number) }?.resume()
        }
        try Task.checkCancellation()
        let (hasOffered, failure) = self.state.withLock { ($0.hasOffered, $0.failure) }
        // Without a reason nothing was read at all.
        if !hasOffered { throw failure ?? self.stopped }
    }

    /// Why nothing is read after the end.
    private var stopped: Refusal {
        Refusal(503, .internalError, "\(self.name) is being stopped.", retryAfterSeconds: 5)
    }

    /// Reads the server's lists, in a task of its own, unless that is being done.
    package func readLists() {
        self.state.withLock { state in
            guard !state.isReading, self.chores.begin({ await self.readListsNow() }) != nil else { return }
            state.isReading = true
            state.isStale = false
        }
    }

    /// A child says that a list has changed: they are read again, but not all the time.
    private func listsChanged() {
        let now = self.now()
        let wait = self.state.withLock { state -> Duration? in
            if state.isReading { state.isStale = true }
            guard !state.isReading, let readAt = state.readAt else { return nil }
            return max(.zero, Self.changeInterval - now.since(readAt))
        }
        if let wait { self.readLists(after: wait) }
    }

    /// Reads the lists after a while, unless that is going to happen already.
    private func readLists(after wait: Duration) {
        self.state.withLock { state in
            guard !state.willRead else { return }
            state.willRead = true
            self.chores.begin {
                // Cancelled at the end.
                guard (try? await self.sleep(wait)) != nil else { return }
                self.state.withLock { $0.willRead = false }
                self.readLists()
            }
        }
    }

    private func readListsNow() async {
        var failure: Refusal?
        do {
            let catalogue = try await self.withCatalogueChild { try await Catalogue(of: $0, server: self) }
            let mirrored = Self.mirroredParameters(of: catalogue.tools ?? [])
            let listeners = self.state.withLock { state in
                state.catalogue = catalogue
                state.mirrored = mirrored
                return state.listeners
            }
            for listener in listeners { listener.offered(catalogue) }
            self.state.withLock { $0.hasOffered = true }
        } catch let refusal as Refusal {
            failure = refusal
        } catch is CancellationError {
            failure = self.stopped
        } catch {
            failure = Refusal(
                503, .internalError, "\(self.name) does not say what it offers: \(self.text(of: error)).",
                retryAfterSeconds: 5)
            self.logger.warning(
                "a hosted server does not say what it offers",
                metadata: ["server": "\(self.name)", "reason": "\(self.text(of: error))"])
        }
        let (waiting, wait) = self.state.withLock { state -> ([CheckedContinuation<Void, Never>], Duration?) in
            state.isReading = false
            state.failure = failure
            state.readAt = self.now()
            state.failures = failure == nil ? 0 : min(state.failures + 1, 10)
            defer { state.waiting = [:] }
            let retry = failure == nil ? nil : min(.seconds(60), Self.retryMin * (1 << (state.failures - 1)))
            return (Array(state.waiting.values), retry ?? (state.isStale ? Self.changeInterval : nil))
        }
        for continuation in waiting { continuation.resume() }
        if let wait { self.readLists(after: wait) }
    }

    /// A child that may be asked for its lists; one that is started for that alone ends right after.
    private func withCatalogueChild<Result>(_ body: (UpstreamSession) async throws -> Result) async throws -> Result {
        let key = self.options.scope == .shared ? HostKey.shared : HostKey(.call, bits: self.random())
        let placed = try await self.host.place(HostCaller(key, account: .anonymous(0)))
        defer {
            self.host.end(placed)
            if key.kind == .call { self.host.retire(key) }
        }
        return try await body(placed.launched.session)
    }

    func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: Host.Event) {
        switch event {
        case .started:
            let now = self.now()
            let isOld = self.state.withLock { state in
                state.readAt.map { now.since($0) > self.options.listsLifetime } ?? false
            }
            if isOld { self.readLists() }
        case .said(let event): self.heard(key, session, event)
        }
    }

    private func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: UpstreamEvent) {
        switch event {
        // One that was started for its lists has told them.
        case .listChanged: if key?.kind != .call { self.listsChanged() }
        case .updated(let uri):
            // Of what this child keeps: nobody else's business.
            let (listeners, subscribers) = self.state.withLock { state in
                (state.listeners, key.map { state.subscriptions.subscribers(of: uri, $0) } ?? [])
            }
            guard !subscribers.isEmpty else { return }
            for listener in listeners { listener.updated(uri, subscribers) }
        case .log(let params):
            // Of no call, so nobody's: for the operator.
            self.logger.debug(
                "a hosted server says",
                metadata: ["server": "\(self.name)", "message": "\(params["data"]?.text.prefix(1_000) ?? "")"])
        case .renewed:
            if let key, let session { self.chores.begin { await self.prepare(session, for: key) } }
        case .notification, .ended: break
        }
    }
}
