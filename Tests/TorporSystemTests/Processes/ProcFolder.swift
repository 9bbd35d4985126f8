import TorporSystem

/// A folder with a `/proc` of its own, which is deleted at the end.
struct ProcFolder: ~Copyable {
    private let tree: FixtureTree

    init() throws { self.tree = try FixtureTree() }

    deinit { self.tree.remove() }

    var root: SystemRoot { self.tree.root }

    func write(_ text: String, to path: String) throws { try self.tree.write(text, to: path) }

    func link(_ path: String, to target: String) throws { try self.tree.link(path, to: target) }

    /// A process as `/proc` shows it.
    func addProcess(
        _ pid: Int32, parent: Int32, name: String = "server", state: String = "S", residentPages: Int = 0
    ) throws {
        try self.write("\(pid) (\(name)) \(state) \(parent) 1 1 0 -1\n", to: "/proc/\(pid)/stat")
        try self.write("9999 \(residentPages) 5 1 0 20 0\n", to: "/proc/\(pid)/statm")
    }
}
