import Synchronization
import TorporCore

/// A number of bytes that all connections share. What is reserved is given back on every path.
final class ByteBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    init(_ limit: ByteCount) { self.limit = limit.bytes }

    /// The bytes reserved now.
    var usedBytes: Int { self.used.load(ordering: .relaxed) }

    /// Reserves bytes, or nothing.
    func reserve(_ count: Int) -> Bool {
        let (old, _) = self.used.wrappingAdd(count, ordering: .relaxed)
        if old + count <= self.limit { return true }
        self.used.wrappingSubtract(count, ordering: .relaxed)
        return false
    }

    func release(_ count: Int) { self.used.wrappingSubtract(count, ordering: .relaxed) }
}
