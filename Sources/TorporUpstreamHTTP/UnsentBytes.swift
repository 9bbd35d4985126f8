import Synchronization

/// The bytes of messages that a transport has taken and not handed over yet.
final class UnsentBytes: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    /// - Parameter limit: The most at a time; a single message may be larger. In bytes.
    init(limit: Int) { self.limit = limit }

    /// - Returns: `false` when a message of `size` bytes has no room; then it does not count.
    func take(_ size: Int) -> Bool {
        self.count.withLock { count in
            guard count == 0 || count + size <= self.limit else { return false }
            count += size
            return true
        }
    }

    /// What was taken is handed over, or is not going to be.
    func giveBack(_ size: Int) { self.count.withLock { $0 -= size } }
}
