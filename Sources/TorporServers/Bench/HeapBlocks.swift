import Glibc
import Torpor

/// Memory of the C allocator, every page of it touched, until the last reference goes.
final class HeapBlocks: @unchecked Sendable {  // Nothing changes once `taking` has returned it.
    /// Every block is as large, but the last. So large that glibc gives a freed one back to the system.
    private static let blockBytes = 1 << 20
    private static let blocksBetweenYields = 4

    private var blocks: [UnsafeMutableRawPointer] = []

    /// Takes `bytes` block by block, and lets others run now and then, as a handler does that gathers much. Whatever it
    /// throws, nothing is kept.
    /// - Parameter bytes: At least 1.
    /// - Throws: `CancellationError` when the task is cancelled meanwhile, ``ToolError`` when the system gives no more.
    static func taking(_ bytes: Int) async throws -> HeapBlocks {
        let taken = HeapBlocks()
        var rest = bytes
        while rest > 0 {
            try Task.checkCancellation()
            let count = min(rest, Self.blockBytes)
            guard let block = malloc(count) else {
                throw ToolError("The system has no memory for \(bytes) bytes. Ask for less.")
            }
            memset(block, 0xA5, count)
            taken.blocks.append(block)
            rest -= count
            if taken.blocks.count % Self.blocksBetweenYields == 0 { await Task.yield() }
        }
        return taken
    }

    private init() {}

    deinit {
        for block in self.blocks { free(block) }
    }
}
