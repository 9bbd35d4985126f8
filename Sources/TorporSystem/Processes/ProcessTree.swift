import Glibc

/// A process and all that descends from it, as `/proc` tells.
///
/// Processes come and go while they are listed: one that ends meanwhile is left out, and one whose parent ended before
/// it was listed belongs to another tree by then.
package struct ProcessTree: Sendable {
    /// What of a process's memory is counted. The kernel's own tables and sockets are in none of them.
    package enum Measure: String, Sendable, CaseIterable {
        /// Pages in memory, shared ones counted in each process that has them, and what was swapped out. Costs
        /// microseconds.
        case resident
        /// Pages in memory, shared ones divided among those that have them, and what was swapped out. The kernel
        /// walks every page for it.
        case proportional
        /// Pages that no other process has, and what was swapped out. The kernel walks every page for it.
        case `private`
    }

    private let root: SystemRoot
    private let pageSize: Int

    package init(root: SystemRoot, pageSize: Int = sysconf(Int32(_SC_PAGESIZE))) {
        self.root = root
        self.pageSize = pageSize
    }

    /// Whether a process is there and has not ended. One that ended and that nobody has waited for yet is not.
    package func isRunning(_ pid: Int32) -> Bool {
        guard let process = self.process(pid) else { return false }
        return process.state != "Z" && process.state != "X"
    }

    /// The process and its descendants, in no order but itself first; empty when there is no such process.
    ///
    /// - Complexity: O(threads of the tree) where the kernel tells a thread's children, else O(all processes).
    package func processes(of pid: Int32) -> [Int32] {
        guard self.isRunning(pid) else { return [] }
        let children = self.toldChildren(of: pid) == nil ? self.allChildren() : nil
        var tree = [pid]
        var known: Set<Int32> = [pid]
        var next = 0
        while next < tree.count {
            let parent = tree[next]
            // What is listed while processes end and begin may name one twice.
            for child in (children.map { $0[parent] } ?? self.toldChildren(of: parent)) ?? []
            where known.insert(child).inserted { tree.append(child) }
            next += 1
        }
        return tree
    }

    /// What the kernel says are the children of a process; `nil` where it does not tell.
    private func toldChildren(of pid: Int32) -> [Int32]? {
        guard self.root.text("/proc/\(pid)/task/\(pid)/children") != nil else { return nil }
        // Each thread has children of its own.
        return (self.root.names(in: "/proc/\(pid)/task") ?? []).flatMap { thread in
            (self.root.text("/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap {
                Int32($0)
            }
        }
    }

    /// The children of every process.
    private func allChildren() -> [Int32: [Int32]] {
        var children: [Int32: [Int32]] = [:]
        for name in self.root.names(in: "/proc") ?? [] {
            guard let child = Int32(name), let parent = self.process(child)?.parent else { continue }
            children[parent, default: []].append(child)
        }
        return children
    }

    /// Bytes of pages in memory of the process and its descendants; `nil` when there is no such process.
    package func residentBytes(of pid: Int32) -> Int? {
        let processes = self.processes(of: pid)
        guard !processes.isEmpty else { return nil }
        return processes.reduce(0) { $0 + (self.statm($1) ?? 0) }
    }

    /// Bytes of memory and swap of the process and its descendants; `nil` when there is no such process, or when
    /// nothing of it may be read.
    package func bytes(of pid: Int32, counting measure: Measure) -> Int? {
        self.bytes(ofEach: self.processes(of: pid), counting: measure)
    }

    /// Bytes of memory and swap of these processes alone; `nil` when none of them may be read.
    package func bytes(ofEach processes: some Sequence<Int32>, counting measure: Measure) -> Int? {
        let each = processes.compactMap { self.ownBytes(of: $0, counting: measure) }
        return each.isEmpty ? nil : each.reduce(0, +)
    }

    /// Those of `pids` that descend from none of the others.
    package func topmost(of pids: some Collection<Int32>) -> [Int32] {
        pids.sorted().filter { pid in
            // Bounded: a chain of parents that is read while it changes might lead in a circle.
            var ancestor = self.process(pid)?.parent
            for _ in 0..<1_000 {
                guard let current = ancestor, current > 0 else { return true }
                if pids.contains(current) { return false }
                ancestor = self.process(current)?.parent
            }
            return true
        }
    }

    private func ownBytes(of pid: Int32, counting measure: Measure) -> Int? {
        switch measure {
        case .resident:
            guard let resident = self.statm(pid) else { return nil }
            return resident + (self.kibibytes("VmSwap:", in: "/proc/\(pid)/status") ?? 0)
        case .proportional:
            let file = "/proc/\(pid)/smaps_rollup"
            guard let share = self.kibibytes("Pss:", in: file) else { return nil }
            return share + (self.kibibytes("SwapPss:", in: file) ?? 0)
        case .private:
            let file = "/proc/\(pid)/smaps_rollup"
            guard let dirty = self.kibibytes("Private_Dirty:", in: file) else { return nil }
            return dirty + (self.kibibytes("Private_Clean:", in: file) ?? 0) + (self.kibibytes("Swap:", in: file) ?? 0)
        }
    }

    private func statm(_ pid: Int32) -> Int? {
        guard let fields = self.root.text("/proc/\(pid)/statm")?.split(separator: " "), fields.count > 1,
            let pages = Int(fields[1])
        else { return nil }
        return pages * self.pageSize
    }

    /// The number of a line such as `VmSwap:     12 kB`, in bytes.
    private func kibibytes(_ name: String, in path: String) -> Int? {
        guard let line = self.root.lines(path)?.first(where: { $0.hasPrefix(name) }) else { return nil }
        let words = line.dropFirst(name.count).split { $0 == " " || $0 == "\t" }
        guard let number = words.first.flatMap({ Int($0) }) else { return nil }
        return number << 10
    }

    /// Fields 3 and 4 of `/proc/PID/stat`. The second field, the name, may hold blanks and parentheses.
    private func process(_ pid: Int32) -> (state: Substring, parent: Int32)? {
        guard let text = self.root.text("/proc/\(pid)/stat"), let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ", maxSplits: 2)
        guard fields.count > 1, let parent = Int32(fields[1]) else { return nil }
        return (fields[0], parent)
    }
}
