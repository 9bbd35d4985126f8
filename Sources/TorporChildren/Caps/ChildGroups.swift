import Glibc
import Synchronization
import TorporCore
import TorporSystem

/// The control groups of children: one each, below one that is this Torpor's, `torpor-PID`.
///
/// Torpor holds a lock on that one while it lives. One without a lock is a killed Torpor's: whoever starts next ends
/// what runs in it and removes it.
final class ChildGroups: Sendable {
    let place: Place
    let root: SystemRoot
    /// This Torpor's group in each hierarchy; the controller of memory's first.
    let tops: [String]
    private let locks: [Int32]
    /// Groups that could not be removed yet.
    private let leftovers = Mutex<[String]>([])
    private let isClosed = Mutex(false)

    /// - Parameter locks: Descriptors that hold the locks on `tops`.
    init(place: Place, root: SystemRoot, tops: [String], locks: [Int32]) {
        self.place = place
        self.root = root
        self.tops = tops
        self.locks = locks
    }

    deinit {
        for lock in self.locks { Glibc.close(lock) }
    }

    static func open(_ place: Place, root: SystemRoot) -> Result<ChildGroups, Refusal> {
        var parents = [place.memory]
        if let processes = place.processes, processes != place.memory { parents.append(processes) }
        for parent in parents { self.sweep(parent, root) }
        if place.version == .two, let refusal = self.enable(place, root) { return .failure(refusal) }
        var tops: [String] = []
        var locks: [Int32] = []
        for parent in parents {
            guard let (top, lock) = self.makeTop(in: parent, root) else {
                for (top, lock) in zip(tops, locks) {
                    _ = root.removeFolder(top)
                    Glibc.close(lock)
                }
                return .failure(Refusal("no control group can be made in \(parent): \(errorText(errno))"))
            }
            tops.append(top)
            locks.append(lock)
        }
        if place.version == .two, let refusal = self.pass(place, to: tops[0], root) {
            _ = root.removeFolder(tops[0])
            Glibc.close(locks[0])
            return .failure(refusal)
        }
        return .success(ChildGroups(place: place, root: root, tops: tops, locks: locks))
    }

    /// A group for one child, with its limits set.
    /// - Throws: ``ChildError/Code/limitRefused``; no group is left then.
    func make(child: UInt64, limits: ChildLimits) throws(ChildError) -> ChildGroup {
        self.retryRemovals()
        let folders = self.tops.map { "\($0)/child-\(child)" }
        for (index, folder) in folders.enumerated() {
            let number = self.root.makeFolder(folder)
            guard number == 0 else {
                for folder in folders[..<index] { self.remove(folder) }
                throw ChildError(.limitRefused, "the control group \(folder) could not be made: \(errorText(number))")
            }
        }
        let group = ChildGroup(
            folders: folders, cap: limits.memory, limitsProcesses: self.place.processes != nil, groups: self)
        do throws(ChildError) {
            try group.set(limits)
        } catch {
            group.remove()
            throw error
        }
        return group
    }

    /// What all that runs in the groups takes; nothing when the kernel does not tell.
    var memoryUsed: ByteCount {
        ControlGroup(version: self.place.version, folders: [self.tops[0]], root: self.root).memoryUsed ?? ByteCount(0)
    }

    /// Removes a group that nothing runs in any more. One that the kernel holds on to is removed later.
    func remove(_ folder: String) {
        let number = self.root.removeFolder(folder)
        guard number != 0, number != ENOENT else { return }
        self.leftovers.withLock { $0.append(folder) }
    }

    private func retryRemovals() {
        let folders = self.leftovers.withLock { leftovers in
            defer { leftovers = [] }
            return leftovers
        }
        for folder in folders { self.remove(folder) }
    }

    /// Removes what is left of Torpor's own groups; to be called when no child is left. Does nothing the second time: by
    /// then another one may have groups of the same names.
    func close() {
        let wasClosed = self.isClosed.withLock { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        if wasClosed { return }
        self.retryRemovals()
        for top in self.tops { _ = self.root.removeFolder(top) }
    }

    // MARK: Opening

    /// Ends and removes what a killed Torpor left in a group.
    static func sweep(_ parent: String, _ root: SystemRoot) {
        for name in root.names(in: parent) ?? [] where name.hasPrefix("torpor-") {
            let top = "\(parent)/\(name)"
            let lock = root.openFile(top, O_RDONLY | O_DIRECTORY)
            guard lock >= 0 else { continue }
            defer { Glibc.close(lock) }
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { continue }
            for child in root.names(in: top) ?? [] where child.hasPrefix("child-") {
                self.kill("\(top)/\(child)", root)
                _ = root.removeFolder("\(top)/\(child)")
            }
            // If something in it has yet to end, the next start finds it again.
            _ = root.removeFolder(top)
        }
    }

    /// Ends every process of a group with SIGKILL.
    static func kill(_ folder: String, _ root: SystemRoot) {
        guard root.write("1", to: "\(folder)/cgroup.kill") != 0 else { return }
        // Kernels before 5.14 and the first version. Processes that cannot be seen from here have the number 0.
        for line in root.lines("\(folder)/cgroup.procs") ?? [] {
            guard let pid = Int32(line), pid > 1 else { continue }
            _ = Glibc.kill(pid, SIGKILL)
        }
    }

    /// Makes and locks this Torpor's group.
    private static func makeTop(in parent: String, _ root: SystemRoot) -> (top: String, lock: Int32)? {
        for attempt in 0..<16 {
            let top = "\(parent)/torpor-\(getpid())" + (attempt == 0 ? "" : "-\(attempt)")
            let number = root.makeFolder(top)
            guard number == 0 || number == EEXIST else {
                errno = number
                return nil
            }
            guard number == 0 else { continue }
            let lock = root.openFile(top, O_RDONLY | O_DIRECTORY)
            guard lock >= 0 else { continue }
            if flock(lock, LOCK_EX | LOCK_NB) == 0, self.isStill(at: top, lock, root) { return (top, lock) }
            Glibc.close(lock)
        }
        return nil
    }

    /// Whether the group that was opened is the one of that name. Another Torpor that sweeps may have removed it before it
    /// was locked, and a third one may have made its own.
    private static func isStill(at path: String, _ opened: Int32, _ root: SystemRoot) -> Bool {
        let present = root.openFile(path, O_RDONLY | O_DIRECTORY)
        guard present >= 0 else { return false }
        defer { Glibc.close(present) }
        var (was, isNow) = (stat(), stat())
        return fstat(opened, &was) == 0 && fstat(present, &isNow) == 0 && was.st_ino == isNow.st_ino
    }

    /// Lets groups below Torpor's have controllers, for which Torpor's own process moves out of the way.
    private static func enable(_ place: Place, _ root: SystemRoot) -> Refusal? {
        let own = place.memory
        let leaf = "\(own)/torpor"
        if place.needsLeaf {
            let made = root.makeFolder(leaf)
            guard made == 0 || made == EEXIST else {
                return Refusal("no control group can be made in \(own): \(errorText(made))")
            }
            let moved = root.write("\(getpid())", to: "\(leaf)/cgroup.procs")
            guard moved == 0 else {
                _ = root.removeFolder(leaf)
                return Refusal("Torpor could not move into the control group \(leaf): \(errorText(moved))")
            }
        }
        guard let refusal = self.pass(place, to: own, root) else { return nil }
        if place.needsLeaf, root.write("\(getpid())", to: "\(own)/cgroup.procs") == 0 { _ = root.removeFolder(leaf) }
        return refusal
    }

    /// Passes the controllers that are needed on to the groups in `folder`.
    private static func pass(_ place: Place, to folder: String, _ root: SystemRoot) -> Refusal? {
        let controllers = place.processes == nil ? "+memory" : "+memory +pids"
        let number = root.write(controllers, to: "\(folder)/cgroup.subtree_control")
        guard number != 0 else { return nil }
        return Refusal("the controllers of the control group \(folder) cannot be passed on: \(errorText(number))")
    }
}
