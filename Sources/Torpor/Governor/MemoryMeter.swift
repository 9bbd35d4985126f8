package import TorporCore
package import TorporSystem

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
    /// - Parameter children: The children there are. Their groups have been made before.
    package static func machine(explicit: ByteCount?, children: (any GovernedChildren)? = nil) -> MemoryMeter {
        let group = ControlGroup.current()
        return MemoryMeter(.derive(explicit: explicit), children: children, stall: { group?.memoryStall })
    }

    /// What counts against a limit.
    ///
    /// A control group's use is what the kernel counts, and children are in it: their own groups lie below. Where the
    /// limit is none of a group's, what children take is added to what the process takes.
    package init(
        _ limit: MemoryLimit?, children: (any GovernedChildren)?, stall: @escaping @Sendable () -> Double? = { nil }
    ) {
        let apart: @Sendable () -> ByteCount? = {
            Self.resident.map { ByteCount($0.bytes + (children?.memoryUsed.bytes ?? 0)) }
        }
        guard let limit else {
            self.init(limit: nil, source: "no limit is known", used: apart, stall: stall)
            return
        }
        self.init(limit: limit.bytes, source: limit.source, used: { limit.used(processTree: apart) }, stall: stall)
    }

    private static var resident: ByteCount? { ProcessMemory.residentBytes.map { ByteCount($0) } }
}
