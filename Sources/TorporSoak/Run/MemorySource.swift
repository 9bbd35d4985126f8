package import TorporSystem

/// Where the memory of a server is read.
package protocol MemorySource: Sendable {
    /// Bytes that the server takes now; `nil` when it is gone.
    func bytes() -> Int?
}

/// Processes of this machine, with all that descends from them.
package struct ProcessMemorySource: MemorySource {
    package let pids: [Int32]
    private let measure: ProcessTree.Measure
    private let tree: ProcessTree

    package init(pids: [Int32], measure: ProcessTree.Measure, root: SystemRoot = .machine) {
        self.pids = pids
        self.measure = measure
        self.tree = ProcessTree(root: root)
    }

    package func bytes() -> Int? {
        var sum = 0
        for pid in self.pids {
            guard let bytes = self.tree.bytes(of: pid, counting: self.measure) else { return nil }
            sum += bytes
        }
        return sum
    }
}
