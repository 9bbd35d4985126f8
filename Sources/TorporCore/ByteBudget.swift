import Synchronization

/// A number of bytes that many holders share. What is reserved is given back on every path.
package final class ByteBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    package init(_ limit: ByteCount) { self.limit = limit.bytes }

    /// The bytes reserved now.
    package var usedBytes: Int { self.used.load(ordering: .relaxed) }

    /// Reserves bytes, or nothing.
    package func reserve(_ count: Int) -> Bool {
        let (old, _) = self.used.wrappingAdd(count, ordering: .relaxed)
        if old + count <= self.limit { return true }
        self.used.wrappingSubtract(count, ordering: .relaxed)
        return false
    }

    /// Counts bytes in, even beyond the limit: for last words, which are short.
    package func take(_ count: Int) { self.used.wrappingAdd(count, ordering: .relaxed) }

    package func release(_ count: Int) { self.used.wrappingSubtract(count, ordering: .relaxed) }
}
