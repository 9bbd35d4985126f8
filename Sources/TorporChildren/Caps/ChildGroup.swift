import Glibc
package import TorporCore
import TorporSystem

/// What a child's family takes of memory.
package struct ChildMemory: Sendable, Equatable {
    /// Now.
    package var used: ByteCount
    /// The most so far. In a control group as the kernel counts it, with files in memory that it could have given back;
    /// else the most that was seen.
    package var peak: ByteCount
}

/// The control groups of one child: one for memory and, in the first version, one for processes.
struct ChildGroup: Sendable {
    /// The one with the controller of memory first.
    let folders: [String]
    let cap: ByteCount
    /// Whether the number of processes is limited here.
    let limitsProcesses: Bool
    let groups: ChildGroups

    private var root: SystemRoot { self.groups.root }
    private var version: ControlGroup.Version { self.groups.place.version }
    private var memoryFolder: String { self.folders[0] }

    /// - Throws: ``ChildError/Code/limitRefused``.
    func set(_ limits: ChildLimits) throws(ChildError) {
        let bytes = "\(limits.memory.bytes)"
        switch self.version {
        case .two:
            try self.write(bytes, to: "\(self.memoryFolder)/memory.max")
            // The kernel may have been built without swap, or be too old to end a whole group.
            _ = self.root.write("0", to: "\(self.memoryFolder)/memory.swap.max")
            _ = self.root.write("1", to: "\(self.memoryFolder)/memory.oom.group")
        case .one:
            try self.write(bytes, to: "\(self.memoryFolder)/memory.limit_in_bytes")
            // Of memory and swap together; there only with swap accounting.
            _ = self.root.write(bytes, to: "\(self.memoryFolder)/memory.memsw.limit_in_bytes")
        }
        guard self.limitsProcesses, let folder = self.folders.last else { return }
        try self.write("\(limits.processes)", to: "\(folder)/pids.max")
    }

    private func write(_ text: String, to path: String) throws(ChildError) {
        let number = self.root.write(text, to: path)
        guard number == 0 else {
            throw ChildError(.limitRefused, "\(path) could not be set to \(text): \(errorText(number))")
        }
    }

    /// Opens what a child needs to join (see `TORPOR_GROUPS_MAX`): a descriptor for each group, to be closed by the caller.
    func openMemberships() throws(ChildError) -> [Int32] {
        var open: [Int32] = []
        for folder in self.folders {
            let descriptor =
                switch self.version {
                case .one: self.root.openFile("\(folder)/tasks", O_WRONLY)
                case .two: self.root.openFile(folder, O_RDONLY | O_DIRECTORY)
                }
            guard descriptor >= 0 else {
                let number = errno
                for descriptor in open { close(descriptor) }
                throw ChildError(
                    number == EMFILE || number == ENFILE ? .exhausted : .limitRefused,
                    "the control group \(folder) could not be opened: \(errorText(number))")
            }
            open.append(descriptor)
        }
        return open
    }

    /// Whether the kernel ended a process of the group because the group was at its cap.
    var ranOut: Bool {
        let file =
            switch self.version {
            case .two: "memory.events"
            case .one: "memory.oom_control"
            }
        for line in self.root.lines("\(self.memoryFolder)/\(file)") ?? [] where line.hasPrefix("oom_kill ") {
            return Int(line.dropFirst("oom_kill ".count)) ?? 0 > 0
        }
        return false
    }

    /// `nil` when the kernel does not tell, for example since the group is gone.
    var memory: ChildMemory? {
        guard
            let used = ControlGroup(version: self.version, folders: [self.memoryFolder], root: self.root).memoryUsed
        else { return nil }
        let file =
            switch self.version {
            case .two: "memory.peak"
            case .one: "memory.max_usage_in_bytes"
            }
        let peak = self.root.lines("\(self.memoryFolder)/\(file)")?.first.flatMap { Int($0) } ?? 0
        return ChildMemory(used: used, peak: max(used, ByteCount(max(0, peak))))
    }

    /// Ends all that is in it at once, where the kernel can do that; otherwise does nothing.
    func killAtOnce() { _ = self.root.write("1", to: "\(self.memoryFolder)/cgroup.kill") }

    /// Ends all that is in it, one by one if need be: for when no keeper does it.
    func kill() { ChildGroups.kill(self.memoryFolder, self.root) }

    func remove() {
        for folder in self.folders { self.groups.remove(folder) }
    }
}
