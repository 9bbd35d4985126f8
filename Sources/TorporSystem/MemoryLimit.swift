package import TorporCore

/// How much memory the server may take, and who says so.
package struct MemoryLimit: Sendable, Equatable {
    package enum Origin: Sendable, Equatable {
        /// `--memory-limit`.
        case explicit
        /// A limit of the control group.
        case controlGroup(ControlGroup)
        /// A share of the machine's memory, for want of a limit.
        case machine
    }

    /// Per cent of a control group's limit that are steered by. The rest is for what the kernel counts against the limit
    /// and nobody can ask it to give back at once: buffers of sockets, page tables, stacks in the kernel.
    package static let controlGroupShare = 90
    /// Per cent of the machine's memory that are steered by when nothing else limits the server.
    package static let machineShare = 75

    /// What the governor steers by: use beyond it is pressure of more than 1.
    package let bytes: ByteCount
    /// What the origin says: the whole limit of a control group, the whole memory of a machine.
    package let whole: ByteCount
    package let origin: Origin

    package init(bytes: ByteCount, whole: ByteCount, origin: Origin) {
        self.bytes = bytes
        self.whole = whole
        self.origin = origin
    }

    /// The limit that applies: the explicit one, as it is; else 90 % of the control group's; else 75 % of the machine's
    /// memory. A control group that may take more than the machine has limits nothing.
    ///
    /// - Parameter explicit: `--memory-limit`, more than nothing. It holds even above a limit of the control group.
    /// - Returns: `nil` when nothing is known: no explicit limit, and a kernel that does not even tell its memory.
    package static func derive(explicit: ByteCount?, root: SystemRoot = .machine) -> MemoryLimit? {
        if let explicit { return MemoryLimit(bytes: explicit, whole: explicit, origin: .explicit) }
        let machine = MachineMemory.current(root)?.total
        if let group = ControlGroup.current(root), let limit = group.memoryLimit, machine.map({ limit < $0 }) ?? true {
            return MemoryLimit(
                bytes: limit.share(of: self.controlGroupShare), whole: limit, origin: .controlGroup(group))
        }
        return machine.map { MemoryLimit(bytes: $0.share(of: self.machineShare), whole: $0, origin: .machine) }
    }

    /// What counts against the limit now; `nil` when the kernel does not tell.
    ///
    /// In a control group its anonymous and shared memory, that of other processes in it included: the kernel counts them
    /// too. Otherwise the resident memory of the server and of the processes that it started.
    ///
    /// - Parameter processTree: Reads the resident memory of this process and its descendants. Called only if it counts.
    package func used(processTree: () -> ByteCount?) -> ByteCount? {
        switch self.origin {
        case .controlGroup(let group): group.memoryUsed ?? processTree()
        case .explicit, .machine: processTree()
        }
    }

    /// Where the limit comes from, for logs: `90 % of the control group's 512 MiB (/sys/fs/cgroup)`.
    package var source: String {
        switch self.origin {
        case .explicit: "--memory-limit"
        case .controlGroup(let group):
            "\(Self.controlGroupShare) % of the control group's \(self.whole.roundedText) (\(group.folders.first ?? "/"))"
        case .machine: "\(Self.machineShare) % of the machine's \(self.whole.roundedText)"
        }
    }
}

extension ByteCount {
    /// So many per cent of it, rounded down; in this order, so that nothing overflows.
    fileprivate func share(of percent: Int) -> ByteCount {
        ByteCount(self.bytes / 100 * percent + self.bytes % 100 * percent / 100)
    }
}
