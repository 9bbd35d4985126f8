import Synchronization

/// Counts the calls that run, and refuses those beyond the limits. Counts return to zero on every path.
final class CallGate: Sendable {
    private let limits: CallLimits
    private let running = Atomic<Int>(0)
    private let byCaller = Mutex<[Caller: Int]>([:])

    init(limits: CallLimits) { self.limits = limits }

    /// The calls that run now.
    var runningCount: Int { self.running.load(ordering: .relaxed) }

    /// Counts a call in. A call that was admitted must ``leave(_:)``.
    func enter(_ message: IncomingMessage) throws(Refusal) {
        guard self.running.wrappingAdd(1, ordering: .relaxed).oldValue < self.limits.callsMax else {
            self.running.wrappingSubtract(1, ordering: .relaxed)
            throw Refusal(
                503, .internalError,
                "The server runs as many calls as it may, \(self.limits.callsMax). Try again in a second.",
                retryAfterSeconds: 1)
        }
        guard let most = self.limits.principalCallsMax else { return }
        let isAdmitted = self.byCaller.withLock { counts in
            let count = counts[Caller(message), default: 0]
            if count < most { counts[Caller(message)] = count + 1 }
            return count < most
        }
        if !isAdmitted {
            self.running.wrappingSubtract(1, ordering: .relaxed)
            throw Refusal(
                429, .internalError, "This caller runs as many calls at once as it may, \(most). Wait for one to end.",
                retryAfterSeconds: 1)
        }
    }

    /// Counts a call out.
    func leave(_ message: IncomingMessage) {
        self.running.wrappingSubtract(1, ordering: .relaxed)
        guard self.limits.principalCallsMax != nil else { return }
        self.byCaller.withLock { counts in
            let caller = Caller(message)
            guard let count = counts[caller] else { preconditionFailure("a call leaves once") }
            counts[caller] = count > 1 ? count - 1 : nil
        }
    }
}

/// Who is counted: a principal, or the address of an anonymous caller.
enum Caller: Hashable, Sendable {
    case principal(Principal), address(String), unknown

    init(_ message: IncomingMessage) {
        if let principal = message.principal {
            self = .principal(principal)
        } else {
            self = message.address.map(Caller.address) ?? .unknown
        }
    }
}

/// Counts the open subscriptions of each caller, and refuses those beyond the limit.
final class ListenGate: Sendable {
    private let listensMax: Int
    private let open = Mutex<[Caller: Int]>([:])

    init(listensMax: Int) { self.listensMax = listensMax }

    /// The subscriptions that are open now.
    var count: Int { self.open.withLock { $0.values.reduce(0, +) } }

    /// Counts a subscription in, which must ``leave(_:)``.
    func enter(_ message: IncomingMessage) throws(Refusal) {
        let isAdmitted = self.open.withLock { open in
            guard open[Caller(message), default: 0] < self.listensMax else { return false }
            open[Caller(message), default: 0] += 1
            return true
        }
        guard !isAdmitted else { return }
        throw Refusal(
            429, .internalError, "This caller listens as often as it may, \(self.listensMax) times. Close one first.",
            retryAfterSeconds: 1)
    }

    func leave(_ message: IncomingMessage) {
        self.open.withLock { open in
            guard let count = open[Caller(message)] else { preconditionFailure("a subscription leaves once") }
            open[Caller(message)] = count > 1 ? count - 1 : nil
        }
    }
}
