import Glibc
import Synchronization
import TorporCore
import TorporSystem

/// Looks at the families of all children, on a thread of its own, as often as each ``FamilyWatch`` asks.
final class FamilyWatcher: Sendable {
    private struct State {
        var children: [UInt64: Child] = [:]
        var isStopped = false
        /// Something is due earlier than the thread knows.
        var hasNews = false
    }

    private let state = Monitor(State())
    private let used = Atomic(0)
    let tree: ProcessTree

    init(root: SystemRoot) { self.tree = ProcessTree(root: root) }

    /// - Throws: ``ChildError/Code/exhausted`` when there is no thread left.
    func start() throws(ChildError) {
        guard startDetachedThread(named: "torpor-watch", { self.run() }) else {
            throw ChildError(.exhausted, "the system has no thread left for a watch over children")
        }
    }

    func stop() {
        self.state.withLock { $0.isStopped = true }
        self.state.broadcast()
    }

    /// What all children took at the last look at each. In bytes.
    var memoryUsed: Int { self.used.load(ordering: .relaxed) }

    /// A child takes so much more than before, or less.
    func countMemory(_ change: Int) { self.used.add(change, ordering: .relaxed) }

    func add(_ child: Child) { self.change { $0.children[child.id] = child } }
    func remove(_ id: UInt64) { self.state.withLock { _ = $0.children.removeValue(forKey: id) } }

    /// A child is due earlier than it was.
    func hurry() { self.change { _ in } }

    private func change(_ body: (inout State) -> Void) {
        self.state.withLock { state in
            body(&state)
            state.hasNews = true
        }
        self.state.broadcast()
    }

    private func run() {
        while true {
            let children = self.state.withLock { state in
                state.hasNews = false
                return state.isStopped ? nil : Array(state.children.values)
            }
            guard let children else { return }
            let now = Instant.now
            var next: Instant?
            for child in children {
                let due = child.look(self.tree, now: now)
                next = next.map { min($0, due) } ?? due
            }
            // At least this long between two rounds, however many children ask for however much.
            let pause = next.map { max($0.since(.now), .milliseconds(20)) }
            _ = self.state.wait(atMost: pause) { state -> Bool? in state.isStopped || state.hasNews ? true : nil }
        }
    }
}

extension Instant {
    /// The system's clock that never goes back.
    static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
