import CWarden
import Glibc
import Synchronization
package import TorporCore
package import TorporSystem

/// Starts children, watches over them, and ends them: all of what descends from them, come what may.
///
/// They are started by a process of its own, the warden, which is this executable entered before its `main`. It costs
/// some hundred KiB, and so does the keeper that each child has; see docs/decisions/0029-children.md. When Torpor ends
/// in whatever way, `kill -9` included, the warden ends all children with their families, then itself. When the warden
/// ends, its children end as well, with ``ChildEnding/wardenLost``, and the next start starts a new one.
///
/// A child has a session and process group of its own, no descriptors but its streams, the environment of its command
/// and nothing more, default signals, no core dumps, and gains no privileges by what it executes.
package final class Warden: Sendable {
    /// How many starts are under way at a time. Others wait for their turn, first come, first served.
    package static let startsMax = 16
    /// How many children there can be at a time.
    package static let childrenMax = TORPOR_CHILDREN_MAX

    /// What holds the caps on memory.
    package let cap: MemoryCap

    let watcher: FamilyWatcher
    private let root: SystemRoot
    private let state = Mutex(State())

    private struct State {
        var link: WardenLink?
        var nextChild: UInt64 = 1
        var children: [UInt64: Child] = [:]
        /// Starts of which nothing has been heard.
        var starts: [UInt64: Start] = [:]
        /// Groups of starts that failed, whose keepers have yet to end.
        var failedGroups: [UInt64: ChildGroup] = [:]
        var turnsTaken = 0
        var turnsWanted: [UnsafeContinuation<Void, Never>] = []
        var isClosed = false
        var closing: [UnsafeContinuation<Void, Never>] = []
    }

    private struct Start {
        let program: String
        let directory: String
        let streams: ChildStreams
        let limits: ChildLimits
        let group: ChildGroup?
        let continuation: UnsafeContinuation<Result<Child, ChildError>, Never>
    }

    private init(cap: MemoryCap, root: SystemRoot) {
        self.cap = cap
        self.root = root
        self.watcher = FamilyWatcher(root: root)
    }

    /// Starts a warden, and chooses what holds the caps of its children; see ``MemoryCap/choose(atMost:root:)``.
    ///
    /// Takes milliseconds. Whoever starts it calls ``close()``, or ends the process.
    ///
    /// - Throws: ``ChildError/Code/wardenLost`` or ``ChildError/Code/exhausted`` when the system has no room for it.
    package static func start(
        cap best: MemoryCap.Kind = .controlGroupTwo, root: SystemRoot = .machine
    ) throws(ChildError) -> Warden {
        let warden = Warden(cap: .choose(atMost: best, root: root), root: root)
        do throws(ChildError) {
            _ = try warden.linked()
            try warden.watcher.start()
        } catch {
            warden.state.withLock { $0.link }?.hangUp()
            warden.cap.groups?.close()
            throw error
        }
        return warden
    }

    /// The process that starts the children; `nil` when there is none at the moment.
    package var pid: Int32? { self.state.withLock { $0.link?.pid } }

    /// How many children there are.
    package var count: Int { self.state.withLock { $0.children.count } }

    /// What all children take of memory, with all that they started. Costs microseconds, however many there are: where
    /// groups hold the caps, it is what the kernel counts in the group around theirs; else what the watch has seen last,
    /// which is up to 2 s old for a child that does nothing. Keepers are in neither.
    package var memoryUsed: ByteCount {
        guard let groups = self.cap.groups else { return ByteCount(self.watcher.memoryUsed) }
        return groups.memoryUsed
    }

    /// Starts a child. It runs its program on return.
    ///
    /// Goes on in a task that is cancelled: a start takes milliseconds.
    ///
    /// - Returns: The child, whose streams are the caller's to close.
    /// - Throws: A ``ChildError`` that says what is wrong. Nothing of the child is left then.
    package func start(_ command: ChildCommand) async throws(ChildError) -> Child {
        let limits = command.limits
        // A control group counts what is used. Where there is none, this is what holds between two looks.
        let dataMax = self.cap.groups == nil ? limits.mappedHeadroom.map { limits.memory.bytes + $0.bytes } : nil
        let processesMax = self.cap.groups?.place.processes == nil ? self.processesMax(limits) : nil
        let plan = try ChildPlan(command, dataMax: dataMax, processesMax: processesMax)
        await self.takeTurn()
        defer { self.giveTurn() }
        let link = try self.linked()
        let id = self.state.withLock { state in
            defer { state.nextChild += 1 }
            return state.nextChild
        }
        let group = try self.cap.groups?.make(child: id, limits: limits)
        do throws(ChildError) {
            let memberships = try group?.openMemberships() ?? []
            defer { for descriptor in memberships { Glibc.close(descriptor) } }
            let file = plan.bytes.withUnsafeBytes { torpor_sealed_file($0.baseAddress, $0.count) }
            guard file >= 0 else {
                throw ChildError(.exhausted, "no room for the command of a child: \(errorText(-file))")
            }
            defer { Glibc.close(file) }
            let pipes = try ChildPipes.make()
            defer { pipes.closeChilds() }
            let result = await withUnsafeContinuation { continuation in
                let start = Start(
                    program: command.arguments.first ?? "", directory: command.directory, streams: pipes.own,
                    limits: limits, group: group, continuation: continuation)
                self.state.withLock { $0.starts[id] = start }
                let message = torpor_message(
                    kind: UInt32(TORPOR_START), value: 0, child: id, pid: 0, keeper: 0, where: 0, reserved: 0)
                let number = link.send(message, [file] + pipes.childs + memberships)
                if number != 0 || self.state.withLock({ $0.link !== link }) {
                    self.failed(id, .wardenLost("ended"), isKept: false)
                }
            }
            do throws(ChildError) {
                return try result.get()
            } catch {
                pipes.closeOwn()
                throw error
            }
        } catch {
            // One whose keeper has yet to end is removed when that has happened.
            if self.state.withLock({ $0.failedGroups[id] == nil }) { group?.remove() }
            throw error
        }
    }

    /// Ends all children at once, with SIGKILL, and the warden; returns when all of them have been reaped. No child is
    /// started any more. To be gentle, end the children with a grace before.
    package func close() async {
        let link = self.state.withLock { state in
            state.isClosed = true
            return state.link
        }
        link?.hangUp()
        await withUnsafeContinuation { continuation in
            let isOver = self.state.withLock { state in
                guard state.link != nil else { return true }
                state.closing.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
        self.watcher.stop()
        self.cap.groups?.close()
    }

    /// Tells the warden something about a child. One that ended, or whose warden did, needs nothing any more.
    func tell(_ kind: Int, child: UInt64, value: Int32 = 0) {
        let link = self.state.withLock { $0.children[child] == nil ? nil : $0.link }
        _ = link?.send(
            torpor_message(
                kind: UInt32(kind), value: value, child: child, pid: 0, keeper: 0, where: 0, reserved: 0))
    }

    // MARK: Turns

    private func takeTurn() async {
        await withUnsafeContinuation { continuation in
            let hasTurn = self.state.withLock { state in
                guard state.turnsTaken < Self.startsMax else {
                    state.turnsWanted.append(continuation)
                    return false
                }
                state.turnsTaken += 1
                return true
            }
            if hasTurn { continuation.resume() }
        }
    }

    private func giveTurn() {
        let next = self.state.withLock { state -> UnsafeContinuation<Void, Never>? in
            // Whoever waits takes over this very turn.
            if !state.turnsWanted.isEmpty { return state.turnsWanted.removeFirst() }
            state.turnsTaken -= 1
            return nil
        }
        next?.resume()
    }

    /// The kernel counts the processes and threads of a user, not those of a family. This only keeps a fork bomb from
    /// taking all there are before it is seen; what an honest child may have is looked at.
    private func processesMax(_ limits: ChildLimits) -> Int {
        let others = (self.root.text("/proc/loadavg")?.split(separator: " ")).flatMap { fields in
            fields.count > 3 ? fields[3].split(separator: "/").last.flatMap { Int($0) } : nil
        }
        return (others ?? 4_096) + 4_096 + 8 * limits.processes
    }

    // MARK: The warden's process

    /// The connection to the warden, which is started when there is none.
    private func linked() throws(ChildError) -> WardenLink {
        let result = self.state.withLock { state -> Result<WardenLink, ChildError> in
            if state.isClosed { return .failure(.closed) }
            if let link = state.link { return .success(link) }
            do throws(ChildError) {
                // Under the lock, so that there is never more than one; it takes a millisecond, once.
                let link = try WardenLink()
                guard startDetachedThread(named: "torpor-warden", { self.serve(link) }) else {
                    link.hangUp()
                    return .failure(ChildError(.exhausted, "the system has no thread left for starting children"))
                }
                state.link = link
                return .success(link)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func serve(_ link: WardenLink) {
        link.receive { message in
            switch Int(message.kind) {
            case TORPOR_STARTED: self.started(message)
            case TORPOR_FAILED: self.refused(message)
            case TORPOR_ENDED: self.ended(message)
            default: break
            }
        }
        let (children, starts, groups, closing) = self.state.withLock { state in
            state.link = nil
            defer {
                state.children = [:]
                state.failedGroups = [:]
                state.closing = []
            }
            return (state.children, Array(state.starts.keys), Array(state.failedGroups.values), state.closing)
        }
        for (id, child) in children {
            self.watcher.remove(id)
            child.lost()
        }
        for id in starts { self.failed(id, .wardenLost("ended"), isKept: false) }
        for group in groups { group.remove() }
        for continuation in closing { continuation.resume() }
    }

    // MARK: What the warden tells

    private func started(_ message: torpor_message) {
        let started = self.state.withLock { state -> (Child, Start)? in
            guard let start = state.starts.removeValue(forKey: message.child) else { return nil }
            let child = Child(
                id: message.child, pid: message.pid, keeper: message.keeper, streams: start.streams,
                limits: start.limits, group: start.group, warden: self)
            state.children[message.child] = child
            return (child, start)
        }
        guard let (child, start) = started else { return }
        self.watcher.add(child)
        start.continuation.resume(returning: .success(child))
    }

    private func refused(_ message: torpor_message) {
        guard let start = self.state.withLock({ $0.starts[message.child] }) else { return }
        let error = Self.error(
            message.value, at: Int(message.where), program: start.program, directory: start.directory)
        self.failed(message.child, error, isKept: Int(message.where) != TORPOR_AT_KEEPER)
    }

    private func ended(_ message: torpor_message) {
        let (child, group) = self.state.withLock { state in
            (state.children.removeValue(forKey: message.child), state.failedGroups.removeValue(forKey: message.child))
        }
        self.watcher.remove(message.child)
        child?.ended(waitStatus: message.value)
        group?.remove()
        // Only when somebody killed its keeper.
        self.failed(message.child, ChildError(.failed, "the child was ended while it started"), isKept: false)
    }

    /// - Parameter isKept: Whether a keeper has yet to end, which is told.
    private func failed(_ id: UInt64, _ error: ChildError, isKept: Bool) {
        let start = self.state.withLock { state -> Start? in
            guard let start = state.starts.removeValue(forKey: id) else { return nil }
            if isKept { state.failedGroups[id] = start.group }
            return start
        }
        start?.continuation.resume(returning: .failure(error))
    }

    private static func error(_ number: Int32, at place: Int, program: String, directory: String) -> ChildError {
        let text = errorText(number)
        switch (place, number) {
        case (_, EAGAIN), (_, ENOMEM), (_, EMFILE), (_, ENFILE):
            return ChildError(.exhausted, "\(program) was not started: the system has no room for it (\(text))")
        case (TORPOR_AT_DIRECTORY, _):
            return ChildError(.directoryMissing, "\(program) was not started: the directory \(directory): \(text)")
        case (TORPOR_AT_GROUP, _), (TORPOR_AT_LIMITS, _):
            return ChildError(.limitRefused, "\(program) was not started: its limits were refused (\(text))")
        case (TORPOR_AT_PROGRAM, ENOENT):
            return ChildError(
                .programNotFound,
                "\(program) cannot be run: the interpreter that its first line names, or its loader, is missing")
        case (TORPOR_AT_PROGRAM, ENOEXEC):
            return ChildError(
                .programNotExecutable,
                "\(program) cannot be run: a script has to begin with a line such as #!/bin/sh, a program has to be "
                    + "made for this machine")
        case (TORPOR_AT_PROGRAM, E2BIG):
            return ChildError(.invalidCommand, "\(program) was not started: its command and environment are too long")
        case (TORPOR_AT_PROGRAM, _):
            return ChildError(.programNotExecutable, "\(program) cannot be run: \(text)")
        default:
            return ChildError(.failed, "\(program) was not started: \(text)")
        }
    }
}
