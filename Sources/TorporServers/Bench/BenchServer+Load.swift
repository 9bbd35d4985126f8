import Synchronization
import Torpor

extension BenchServer {
    /// Tools that take memory and processor time, to try what the server does about those who take too much.
    @ServerBuilder static var loadTools: [any ServerComponent] {
        Tool(
            "allocate", "Takes so much memory, holds it for a while, and gives it back. Ends early when cancelled.",
            annotations: .readOnly
        ) { (input: Allocation, _) in
            let blocks = try await HeapBlocks.taking(input.bytes)
            defer { withExtendedLifetime(blocks) {} }
            try await Task.sleep(for: .milliseconds(input.milliseconds))
            return "held \(input.bytes) bytes for \(input.milliseconds) ms"
        }
        Tool(
            "leak", "Takes so much memory and never gives it back, as a faulty tool does.",
            annotations: ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
        ) { (input: Leak, _) in
            let blocks = try await HeapBlocks.taking(input.bytes)
            self.leaked.withLock { $0.append(blocks) }
            return "leaked \(input.bytes) bytes"
        }
        Tool(
            "spin", "Keeps a thread busy for so long and never yields it, not even when cancelled.",
            annotations: .readOnly
        ) { (input: Spin, _) in
            let clock = ContinuousClock()
            let end = clock.now + .milliseconds(input.milliseconds)
            while clock.now < end {}
            return "spun for \(input.milliseconds) ms"
        }
    }

    /// What `leak` has taken, until the process ends.
    private static let leaked = Mutex<[HeapBlocks]>([])

    private static let heapMax = ByteCount.gibibytes(4)
    private static let bytesField = Field("How many bytes of the heap, all of them touched.", range: 1...heapMax.bytes)

    private struct Allocation: ToolInput {
        var bytes: Int
        var milliseconds: Int
        static let fields: [String: Field] = [
            "bytes": bytesField,
            "milliseconds": Field("How many milliseconds to hold them.", range: 0...600_000),
        ]
    }

    private struct Leak: ToolInput {
        var bytes: Int
        static let fields: [String: Field] = ["bytes": bytesField]
    }

    private struct Spin: ToolInput {
        var milliseconds: Int
        static let fields: [String: Field] = [
            "milliseconds": Field("How many milliseconds to keep the thread.", range: 0...60_000)
        ]
    }
}
