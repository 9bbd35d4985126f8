import Synchronization

/// Counts connections, in all and by address, and refuses those beyond the limits.
final class ConnectionGate: Sendable {
    enum Admission { case admitted, full, addressFull }

    private struct Counts {
        var all = 0
        /// Holds only addresses that are connected now, so it is bounded by the connections.
        var byAddress: [String: Int] = [:]
    }

    private let connectionsMax: Int
    private let perAddressMax: Int
    private let counts = Mutex(Counts())

    init(connectionsMax: Int, perAddressMax: Int) {
        self.connectionsMax = connectionsMax
        self.perAddressMax = perAddressMax
    }

    /// The connections that are open now.
    var count: Int { self.counts.withLock { $0.all } }

    /// Counts a connection in. One that was admitted must ``leave(_:)``.
    func enter(_ address: String) -> Admission {
        self.counts.withLock { counts in
            guard counts.all < self.connectionsMax else { return .full }
            guard counts.byAddress[address, default: 0] < self.perAddressMax else { return .addressFull }
            counts.all += 1
            counts.byAddress[address, default: 0] += 1
            return .admitted
        }
    }

    func leave(_ address: String) {
        self.counts.withLock { counts in
            counts.all -= 1
            guard let count = counts.byAddress[address] else { preconditionFailure("a connection leaves once") }
            counts.byAddress[address] = count > 1 ? count - 1 : nil
        }
    }
}
