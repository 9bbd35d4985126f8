package import TorporCore

/// The memory of the whole machine, as `/proc/meminfo` tells it.
package struct MachineMemory: Sendable, Equatable {
    package var total: ByteCount
    /// What could be had without swapping: free memory, and caches that can be given up. `nil` before Linux 3.14.
    package var available: ByteCount?
    package var swap: ByteCount

    package init(total: ByteCount, available: ByteCount?, swap: ByteCount = .bytes(0)) {
        self.total = total
        self.available = available
        self.swap = swap
    }

    /// Reads it; `nil` when the kernel does not tell the total.
    package static func current(_ root: SystemRoot = .machine) -> MachineMemory? {
        guard let lines = root.lines("/proc/meminfo"), let total = self.value(of: "MemTotal:", in: lines),
            total.bytes > 0
        else { return nil }
        return MachineMemory(
            total: total, available: self.value(of: "MemAvailable:", in: lines),
            swap: self.value(of: "SwapTotal:", in: lines) ?? .bytes(0))
    }

    /// The number of a line such as `MemTotal:       24684096 kB`.
    private static func value(of name: String, in lines: [Substring]) -> ByteCount? {
        for line in lines where line.hasPrefix(name) {
            let fields = line.dropFirst(name.count).split(separator: " ")
            guard fields.count == 2, fields[1] == "kB", let kibibytes = Int(fields[0]),
                (0...1 << 50).contains(kibibytes)
            else { return nil }
            return .kibibytes(kibibytes)
        }
        return nil
    }
}
