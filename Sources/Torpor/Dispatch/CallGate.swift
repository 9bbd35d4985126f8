import Synchronization

/// Counts the calls that run, and refuses those beyond the limits. Counts return to zero on every path.
final class CallGate: Sendable {
    private enum Caller: Hashable { case principal(Principal), address(String), unknown }

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
            let count = counts[Self.caller(message), default: 0]
            if count < most { counts[Self.caller(message)] = count + 1 }
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
            let caller = Self.caller(message)
            guard let count = counts[caller] else { preconditionFailure("a call leaves once") }
            counts[caller] = count > 1 ? count - 1 : nil
        }
    }

    private static func caller(_ message: IncomingMessage) -> Caller {
        if let principal = message.principal { return .principal(principal) }
        return message.address.map(Caller.address) ?? .unknown
    }
}
