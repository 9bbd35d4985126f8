import DequeModule
import Synchronization
import TorporCore

/// Holds calls back whose handlers are about to begin while memory is short.
///
/// The governor acts a few times a second; handlers can take a gigabyte meanwhile. So each call looks at the memory in use
/// before its handler begins, at a reading that is at most ``freshness`` old. Calls of tools and prompts whose calls have
/// held much are expected to do so again, as far as the allocator tells: they begin only while there is room for that.
/// Other calls begin while less than ``lightShare`` is in use. When no handler runs one may begin whatever it takes, so
/// that no call waits for memory that nobody will give back.
package final class MemoryBrake: Sendable {
    /// Up to this share of the limit, calls begin of which nothing is known, or that are known to take much.
    package static let engagedShare = 0.85
    /// Up to this share of the limit, calls begin that are known to take little.
    package static let lightShare = 0.95
    /// How old a reading may be by which a call begins.
    static let freshness = Duration.milliseconds(5)
    private static let freshnessNanoseconds = freshness.wholeNanoseconds
    /// What a call may hold without being known for it. In bytes.
    static let littleMax = 1 << 20
    /// What is known of a handler becomes a quarter less every so often.
    private static let forgetInterval = Duration.seconds(10)

    private struct Waiting {
        let number: UInt64
        let turn: Turn<CallWaitEnd>
        let since: Instant
        let handler: Handler
    }

    private struct State {
        var meter: MemoryMeter?
        var waiting: Deque<Waiting> = []
        var nextNumber: UInt64 = 0
        /// What the calls of handlers have held that held much, in bytes. As many entries as the server has handlers at most.
        var held: [Handler: Int] = [:]
        var forgotAt = Instant(nanoseconds: 0)
        /// The last reading, in bytes.
        var used = 0
        /// What calls are expected to take that have begun since, in bytes.
        var expected = 0
        var refusesAll = false
    }

    private let waitMax: Duration
    private let now: @Sendable () -> Int64
    /// Whether it is known what handlers take.
    private let countsHeap: Bool
    private let state = Mutex(State())
    /// When memory was read last, in nanoseconds; at first long ago.
    private let readAt = Atomic<Int64>(.min / 2)
    /// Whether every call may begin until memory is read again: none waits, and far less is in use than may be.
    private let isRelaxed = Atomic<Bool>(false)
    /// See ``isTight``.
    private let tight = Atomic<Bool>(false)
    private let begunCount = Atomic<Int>(0)

    init(waitMax: Duration, countsHeap: Bool, now: @escaping @Sendable () -> Int64) {
        self.waitMax = waitMax
        self.countsHeap = countsHeap
        self.now = now
    }

    /// Looks at `meter` from now on, if that knows a limit.
    func arm(_ meter: MemoryMeter) { self.state.withLock { $0.meter = meter.limit == nil ? nil : meter } }

    /// What one call may take when nothing else is said: half of what the process may; `nil` when that is not known.
    var callMax: ByteCount? { self.state.withLock { $0.meter?.limit.map { ByteCount($0.bytes / 2) } } }

    /// Ends the wait of all calls, and of all that come: the process is about to end.
    func refuseAll() {
        let waiting = self.state.withLock { state -> Deque<Waiting> in
            state.refusesAll = true
            defer { state.waiting = [] }
            return state.waiting
        }
        self.isRelaxed.store(false, ordering: .relaxed)
        for wait in waiting { wait.turn.end(.expired) }
    }

    /// Whether no more handlers than there are cores should run at once, by the last reading: each may take more while it
    /// runs.
    var isTight: Bool { self.tight.load(ordering: .relaxed) }

    /// Calls that wait.
    package var waitingCount: Int { self.state.withLock { $0.waiting.count } }

    /// Waits until the handler of a call may begin.
    /// - Returns: How the wait ended; after ``CallWaitEnd/begun`` the end of the call is to be told with ``ended()``.
    func pass(_ operation: Operation) async -> CallWaitEnd {
        if self.passesAtOnce() { return .begun }
        let now = self.now()
        let handler = Handler(operation)
        let (wait, isRefused) = self.state.withLock { state -> (Waiting?, Bool) in
            if state.refusesAll { return (nil, true) }
            if self.begins(handler, &state, now: now) { return (nil, false) }
            state.nextNumber += 1
            let wait = Waiting(
                number: state.nextNumber, turn: Turn(), since: Instant(nanoseconds: now), handler: handler)
            state.waiting.append(wait)
            self.isRelaxed.store(false, ordering: .relaxed)
            return (wait, false)
        }
        guard let wait else { return isRefused ? .expired : .begun }
        return await withTaskCancellationHandler {
            await wait.turn.wait()
        } onCancel: {
            let isWaiting = self.state.withLock { state in
                guard let index = state.waiting.firstIndex(where: { $0.number == wait.number }) else { return false }
                state.waiting.remove(at: index)
                return true
            }
            if isWaiting { wait.turn.end(.cancelled) }
        }
    }

    /// Whether the handler of a call may begin, which then has, since far less memory is in use than may be.
    func passesAtOnce() -> Bool {
        guard self.isRelaxed.load(ordering: .relaxed),
            self.now() - self.readAt.load(ordering: .relaxed) < Self.freshnessNanoseconds
        else { return false }
        self.begunCount.add(1, ordering: .relaxed)
        return true
    }

    /// The handler of a call that began has returned.
    func ended() {
        self.begunCount.subtract(1, ordering: .relaxed)
        // While none waits there is nothing to look at.
        if !self.isRelaxed.load(ordering: .relaxed) { self.release() }
    }

    /// A call holds so many bytes, and much.
    func noteHeld(_ bytes: Int, by operation: Operation) {
        let handler = Handler(operation)
        self.state.withLock { $0.held[handler] = max(bytes, $0.held[handler] ?? 0) }
        self.isRelaxed.store(false, ordering: .relaxed)
    }

    /// Whether hardly any memory is left, by a reading of this moment: who has just taken megabytes may wait for it.
    func isNearlyOut() -> Bool {
        let now = self.now()
        return self.state.withLock { state in
            guard let limit = self.read(&state, now: now, ifOlderThan: .microseconds(100)) else { return false }
            return Double(state.used) >= Double(limit) * Self.lightShare
        }
    }

    /// Lets calls begin for which there is room. To be called when memory may have been given back.
    package func release() {
        guard self.waitingCount > 0 else { return }
        let now = self.now()
        let begun = self.state.withLock { state -> [Turn<CallWaitEnd>] in
            var begun: [Turn<CallWaitEnd>] = []
            var index = 0
            while index < state.waiting.count {
                if self.begins(state.waiting[index].handler, &state, now: now) {
                    begun.append(state.waiting.remove(at: index).turn)
                } else {
                    index += 1
                }
            }
            return begun
        }
        for turn in begun { turn.end(.begun) }
    }

    /// Ends the wait of calls that have waited for as long as they may.
    func expire(now: Instant) {
        let expired = self.state.withLock { state -> [Turn<CallWaitEnd>] in
            self.forget(&state, now: now)
            let count = state.waiting.prefix { $0.since + self.waitMax <= now }.count
            defer { state.waiting.removeFirst(count) }
            return state.waiting.prefix(count).map(\.turn)
        }
        for turn in expired { turn.end(.expired) }
        self.release()
    }

    private func forget(_ state: inout State, now: Instant) {
        guard !state.held.isEmpty, now.since(state.forgotAt) >= Self.forgetInterval else { return }
        state.forgotAt = now
        state.held = state.held.compactMapValues { bytes in
            let less = bytes / 4 * 3
            return less > Self.littleMax ? less : nil
        }
    }

    /// Whether a call may begin now; then it has.
    private func begins(_ handler: Handler, _ state: inout State, now: Int64) -> Bool {
        guard let limit = self.read(&state, now: now) else {
            self.begunCount.add(1, ordering: .relaxed)
            return true
        }
        let bytes = state.held[handler] ?? 0
        guard self.hasRoom(for: bytes, of: limit, state) else { return false }
        state.expected += bytes
        self.begunCount.add(1, ordering: .relaxed)
        return true
    }

    /// Reads the memory in use, unless that was done a moment ago.
    /// - Returns: The limit, in bytes; `nil` without one.
    private func read(_ state: inout State, now: Int64, ifOlderThan age: Duration = freshness) -> Int? {
        guard let meter = state.meter, let limit = meter.limit?.bytes else { return nil }
        guard now - self.readAt.load(ordering: .relaxed) >= age.wholeNanoseconds else { return limit }
        state.used = meter.used()?.bytes ?? 0
        state.expected = 0
        self.readAt.store(now, ordering: .relaxed)
        let isHalfFull = state.used >= limit / 2
        self.isRelaxed.store(
            state.held.isEmpty && state.waiting.isEmpty && !isHalfFull && !state.refusesAll, ordering: .relaxed)
        self.tight.store(
            isHalfFull && !state.held.isEmpty || Double(state.used) >= Double(limit) * Self.engagedShare,
            ordering: .relaxed)
        return limit
    }

    private func hasRoom(for bytes: Int, of limit: Int, _ state: borrowing State) -> Bool {
        guard state.used < limit else { return false }
        if self.begunCount.load(ordering: .relaxed) == 0 { return true }
        let used = state.used + state.expected
        if bytes == 0, self.countsHeap { return Double(used) < Double(limit) * Self.lightShare }
        return Double(state.used) < Double(limit) * Self.engagedShare && used + bytes <= limit
    }
}

/// What calls of the same handler have in common.
private struct Handler: Hashable {
    private let method: RequestMethod
    /// Of a tool or a prompt; of resources all count as one.
    private let name: ArraySlice<UInt8>

    init(_ operation: Operation) {
        self.method = operation.method
        let name = operation.params.name
        self.name = name.isPresent ? ArraySlice(Array(operation.bytes[name.sourceRange])) : []
    }
}
