import Crypto
package import Logging
import Synchronization
import TorporCore
package import TorporEngine
package import TorporStore

/// Keeps the state of a server: in memory while it is used, in a store always.
///
/// It is given to a transport, which runs it while it runs itself. Several transports may share one.
public final class StateService: Sendable {
    private enum Phase {
        case idle
        case running(users: Int)
        case ended
    }

    package let engine: StateEngine
    package let store: any StateStore
    let resources: OpenResources
    private let phase = Mutex(Phase.idle)

    /// - Parameter engine: An engine over `store` that nobody runs.
    package init(engine: StateEngine, store: any StateStore) {
        self.engine = engine
        self.store = store
        self.resources = OpenResources(engine.departures)
        let metrics = StateMetrics()
        engine.addObserver { metrics.record($0) }
    }

    /// Writes down in `logger` what happens to the state, from now on. Once is enough.
    package func startLogging(to logger: Logger) {
        let environment = self.engine.environment
        let log = StateLog(logger, now: environment.now)
        self.engine.addObserver { log.note($0) }
    }

    /// Does the work in the background while `body` runs.
    ///
    /// When the last of several bodies has ended, everything that has changed is committed and the store is closed; then
    /// all of them return. It does not run a second time.
    package func run<Result: Sendable>(while body: @Sendable () async throws -> Result) async throws -> Result {
        let isFirst = self.phase.withLock { phase in
            switch phase {
            case .idle:
                phase = .running(users: 1)
                return true
            case .running(let users):
                phase = .running(users: users + 1)
                return false
            case .ended: preconditionFailure("a state service runs once")
            }
        }
        guard isFirst else {
            defer { self.leave() }
            return try await body()
        }
        // Awaited below, and not cancelled with the body: what has changed is to be committed.
        let work = Task { await self.engine.run() }
        let closing = Task { await self.resources.run() }
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        self.leave()
        _ = await work.value
        self.resources.stop()
        await closing.value
        return try result.get()
    }

    private func leave() {
        let isLast = self.phase.withLock { phase in
            guard case .running(let users) = phase else { preconditionFailure("who leaves has entered") }
            phase = users == 1 ? .ended : .running(users: users - 1)
            return users == 1
        }
        if isLast { self.engine.stop() }
    }

    // MARK: Names

    /// The account of whoever sent a message.
    func account(of message: IncomingMessage) -> AccountID {
        if message.principal != nil { return .principal(OwnerDigest(message.principal).bits) }
        guard let address = message.address else { return .anonymous(0) }
        // Keyed by the store, so that addresses cannot be told from what is stored without it.
        return .anonymous(Self.digest("torpor address", self.store.identity, Array(address.utf8)))
    }

    /// The one object of an authenticated caller.
    func principalObject(_ account: AccountID) -> StateObjectID {
        StateObjectID(bits: Self.digest("torpor principal object", account.bits, []))
    }

    /// The object that keeps what a run of a handler has done. Of an anonymous caller it is the same whatever address it
    /// comes from: that may have changed when the caller goes on with the run.
    func runObject(_ run: UInt128, _ account: AccountID) -> StateObjectID {
        let caller = account.isAnonymous ? [] : account.bits.bigEndianBytes
        return StateObjectID(bits: Self.digest("torpor run", run, caller))
    }

    private static func digest(_ purpose: String, _ bits: UInt128, _ bytes: [UInt8]) -> UInt128 {
        var hash = SHA256()
        hash.update(data: Array(purpose.utf8))
        hash.update(data: bits.bigEndianBytes)
        hash.update(data: bytes)
        return UInt128(bigEndianBytes: hash.finalize().prefix(16))
    }
}
