package import TorporCore
import TorporSystem

/// What the process may take of memory, and takes.
package struct MemoryMeter: Sendable {
    /// What it may take; `nil` when no limit is known.
    package var limit: ByteCount?
    /// Where the limit comes from, for the log.
    package var source: String
    /// What it takes now; `nil` when the kernel does not say. Costs microseconds.
    package var used: @Sendable () -> ByteCount?
    /// The share of the last ten seconds in which something waited for memory; `nil` when the kernel does not say.
    package var stall: @Sendable () -> Double?

    package init(
        limit: ByteCount?, source: String, used: @escaping @Sendable () -> ByteCount?,
        stall: @escaping @Sendable () -> Double? = { nil }
    ) {
        self.limit = limit
        self.source = source
        self.used = used
        self.stall = stall
    }

    /// What it takes of what it may take; `nil` when one of them is not known.
    package var share: Double? {
        guard let limit, let used = self.used() else { return nil }
        return Double(used.bytes) / Double(limit.bytes)
    }

    /// This machine's: by an explicit limit, that of the control group, or the machine's memory.
    package static func machine(explicit: ByteCount?) -> MemoryMeter {
        let group = ControlGroup.current()
        let stall: @Sendable () -> Double? = { group?.memoryStall }
        guard let limit = MemoryLimit.derive(explicit: explicit) else {
            return MemoryMeter(limit: nil, source: "no limit is known", used: { Self.resident }, stall: stall)
        }
        return MemoryMeter(
            limit: limit.bytes, source: limit.source, used: { limit.used(processTree: { Self.resident }) },
            stall: stall)
    }

    private static var resident: ByteCount? { ProcessMemory.residentBytes.map { ByteCount($0) } }
}
