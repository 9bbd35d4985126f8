import CWarden
import Glibc
import Synchronization
import TorporCore
import TorporSystem

/// A process that a ``Warden`` started, with all that it started in turn: its family.
package final class Child: Sendable {
    private struct State {
        var watch: FamilyWatch
        var isBusy = false
        /// Why the family is being ended, when that is for what it took.
        var verdict: ChildEnding?
        /// What the watch has seen it take last, which is in ``FamilyWatcher/memoryUsed``. In bytes.
        var counted = 0
        var ending: ChildEnding?
        var waiting: [UnsafeContinuation<ChildEnding, Never>] = []
    }

    /// Its number with the warden; never used again.
    package let id: UInt64
    /// The process that runs the command, which leads a process group of its own. For logs: by the time it is used
    /// the process may have ended and the number may be another's. ``signal(_:)`` has no such race.
    package let pid: Int32
    /// The caller's ends of its standard streams. The caller closes each of them once.
    package let streams: ChildStreams
    package let limits: ChildLimits

    /// The process that all of the family descends from.
    let keeper: Int32
    private let group: ChildGroup?
    private let warden: Warden
    private let state: Mutex<State>

    init(
        id: UInt64, pid: Int32, keeper: Int32, streams: ChildStreams, limits: ChildLimits, group: ChildGroup?,
        warden: Warden
    ) {
        self.id = id
        self.pid = pid
        self.keeper = keeper
        self.streams = streams
        self.limits = limits
        self.group = group
        self.warden = warden
        self.state = Mutex(State(watch: FamilyWatch(cap: limits.memory, now: .now)))
    }

    /// How it ended. Waits for that, also in a task that is cancelled. All of the family has been reaped by then,
    /// unless it is ``ChildEnding/wardenLost``: then all of it that is known has been sent SIGKILL.
    package var ending: ChildEnding {
        get async {
            await withUnsafeContinuation { continuation in
                let ending = self.state.withLock { state -> ChildEnding? in
                    if state.ending == nil { state.waiting.append(continuation) }
                    return state.ending
                }
                if let ending { continuation.resume(returning: ending) }
            }
        }
    }

    /// How it ended, if that is known by now.
    package var endingSoFar: ChildEnding? { self.state.withLock { $0.ending } }

    /// Sends a signal to its process group. Does nothing when it has ended, or when the signal is none.
    package func signal(_ signal: Int32) { self.warden.tell(TORPOR_SIGNAL, child: self.id, value: signal) }

    /// Ends it and all of its family.
    ///
    /// Its process group is sent SIGTERM. When the child itself ends, what it had started gets SIGKILL, save others
    /// of its group, which were told, too, and have the rest of the grace. After the grace all get SIGKILL. Closing its
    /// input first, as the stdio transport asks for, is the caller's.
    ///
    /// - Parameter grace: From now. None, when the calling task is or becomes cancelled.
    /// - Returns: How it ended, when all of it has been reaped: at once, if it had ended before.
    package func end(grace: Duration) async -> ChildEnding {
        if let ending = self.endingSoFar { return ending }
        self.warden.tell(TORPOR_STOP, child: self.id)
        return await withTaskGroup(of: ChildEnding?.self) { group in
            group.addTask { await self.ending }
            group.addTask {
                // Cut short by cancellation: the caller's, or ours below, when there is nothing left to end.
                try? await Task.sleep(for: grace)
                self.kill()
                return nil
            }
            var result: ChildEnding?
            for await ending in group {
                guard let ending else { continue }
                result = ending
                group.cancelAll()
            }
            guard let result else { preconditionFailure("one of the two tasks waited for the ending") }
            return result
        }
    }

    /// Sends SIGKILL to all of its family. Does not wait; see ``ending``.
    package func kill() {
        guard self.endingSoFar == nil else { return }
        // Not one by one: the keeper knows better which number is still whose.
        self.group?.killAtOnce()
        self.warden.tell(TORPOR_KILL, child: self.id)
    }

    /// Whether calls run in it. Where no control group holds the cap, its memory is looked at often while they do, and
    /// now and then otherwise. A child begins idle.
    package var isBusy: Bool {
        get { self.state.withLock { $0.isBusy } }
        set {
            let now = Instant.now
            let isDueEarlier = self.state.withLock { state in
                guard newValue, !state.isBusy else {
                    state.isBusy = newValue
                    return false
                }
                state.isBusy = true
                let before = state.watch.nextLook
                state.watch.becameBusy(now: now)
                return state.watch.nextLook < before
            }
            if isDueEarlier { self.warden.watcher.hurry() }
        }
    }

    /// What the family takes of memory. Costs some ten microseconds; without a control group, for each of its
    /// processes.
    /// - Returns: `nil` when it has ended, or the kernel does not tell.
    package func memory() -> ChildMemory? {
        let (ending, seen) = self.state.withLock { ($0.ending, $0.watch.peak) }
        guard ending == nil else { return nil }
        if let group = self.group { return group.memory }
        let tree = self.warden.watcher.tree
        guard let bytes = tree.bytes(ofEach: self.processes(tree), counting: .resident) else { return nil }
        return ChildMemory(used: ByteCount(bytes), peak: max(seen, ByteCount(bytes)))
    }

    private func processes(_ tree: ProcessTree) -> [Int32] {
        tree.processes(of: self.keeper).filter { $0 != self.keeper }
    }
}

// MARK: What the warden and the watch report

extension Child {
    /// Looks at what the family takes, if that is due, and ends it if that is too much.
    /// - Returns: When to look next.
    func look(_ tree: ProcessTree, now: Instant) -> Instant {
        let (next, isBusy) = self.state.withLock { ($0.watch.nextLook, $0.isBusy) }
        guard now >= next else { return next }
        if self.group?.limitsProcesses != true {
            let processes = self.processes(tree)
            if processes.count > self.limits.processes {
                self.end(for: .overProcesses(count: processes.count, max: self.limits.processes))
            } else if self.group == nil {
                self.measure(processes, tree, isBusy: isBusy, now: now)
                return self.state.withLock { $0.watch.nextLook }
            }
        }
        // The kernel may have ended another than the child itself, which then goes on without.
        if let group = self.group, group.ranOut {
            self.end(for: .overMemory(used: self.limits.memory, cap: self.limits.memory))
        }
        return self.state.withLock { state in
            _ = state.watch.looked(resident: ByteCount(0), isBusy: isBusy, now: now)
            return state.watch.nextLook
        }
    }

    private func measure(_ processes: [Int32], _ tree: ProcessTree, isBusy: Bool, now: Instant) {
        let resident = ByteCount(tree.bytes(ofEach: processes, counting: .resident) ?? 0)
        var action = self.state.withLock { state in
            if state.ending == nil { self.count(resident.bytes, &state) }
            return state.watch.looked(resident: resident, isBusy: isBusy, now: now)
        }
        if action == .weigh {
            let exact = tree.bytes(ofEach: processes, counting: .proportional).map { ByteCount($0) }
            action = self.state.withLock { $0.watch.weighed(exact, resident: resident) }
        }
        if case .end(let used) = action { self.end(for: .overMemory(used: used, cap: self.limits.memory)) }
    }

    private func count(_ bytes: Int, _ state: inout State) {
        self.warden.watcher.countMemory(bytes - state.counted)
        state.counted = bytes
    }

    private func end(for verdict: ChildEnding) {
        self.state.withLock { state in
            if state.verdict == nil { state.verdict = verdict }
        }
        self.kill()
    }

    /// All of the family has been reaped; the child ended with this status of `waitpid`.
    func ended(waitStatus: Int32) {
        let own = ChildEnding(waitStatus: waitStatus)
        let ranOut = self.group?.ranOut == true
        self.group?.remove()
        let verdict = self.state.withLock { $0.verdict }
        if ranOut {
            self.finish(.overMemory(used: self.limits.memory, cap: self.limits.memory))
        } else if let verdict, own == .killed(signal: SIGKILL) {
            self.finish(verdict)
        } else {
            self.finish(own)
        }
    }

    /// Nobody is left to tell how it ended.
    func lost() {
        // The keepers end their families themselves, unless they were killed, too. A group's number is not given to
        // another process as long as one process is in it.
        if self.pid > 1 { _ = Glibc.kill(-self.pid, SIGKILL) }
        self.group?.kill()
        self.group?.remove()
        self.finish(.wardenLost)
    }

    private func finish(_ ending: ChildEnding) {
        let waiting = self.state.withLock { state in
            state.ending = ending
            self.count(0, &state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: ending) }
    }
}
