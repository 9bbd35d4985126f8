package import TorporCore
import Synchronization

/// Time that goes on only when nothing else is left to do, straight to the next moment that somebody waits for.
package final class SimulatedClock: Sendable {
    private enum Waiter {
        case sleeper(UnsafeContinuation<Bool, Never>)
        case action(@Sendable () -> Void)
    }
    private struct Entry {
        let id: UInt64
        let due: Instant
        let waiter: Waiter
    }
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        /// What civil time is ahead of the clock, in milliseconds; jumps.
        var wallOffset: Int64 = 1_700_000_000_000
        var entries: [Entry] = []
        var cancelled: Set<UInt64> = []
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    package var now: Instant { self.state.withLock { $0.now } }
    package var wallTime: WallTime {
        self.state.withLock { WallTime(milliseconds: $0.wallOffset + $0.now.nanoseconds / 1_000_000) }
    }

    /// Suspends for so long. A cancelled task wakes at once.
    package func sleep(_ duration: Duration) async throws {
        let id = self.takeID()
        let isOver = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let isCancelled = self.state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    Self.add(.sleeper(continuation), id, after: duration, to: &state)
                    return false
                }
                if isCancelled { continuation.resume(returning: false) }
            }
        } onCancel: {
            let entry = self.state.withLock { state -> Entry? in
                guard let index = state.entries.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.entries.remove(at: index)
            }
            if case .sleeper(let continuation)? = entry?.waiter { continuation.resume(returning: false) }
        }
        // Cancelled when it was over already: nobody else takes the mark away.
        _ = self.state.withLock { $0.cancelled.remove(id) }
        if !isOver { throw CancellationError() }
    }

    /// Suspends for so long, whether the task is cancelled or not.
    /// - Returns: `false` when ``wakeAll()`` ended it.
    func sleepThrough(_ duration: Duration) async -> Bool {
        let id = self.takeID()
        return await withUnsafeContinuation { continuation in
            self.state.withLock { Self.add(.sleeper(continuation), id, after: duration, to: &$0) }
        }
    }

    /// Does something at a later moment, whatever happens until then.
    func after(_ duration: Duration, _ action: @escaping @Sendable () -> Void) {
        let id = self.takeID()
        self.state.withLock { Self.add(.action(action), id, after: duration, to: &$0) }
    }

    private func takeID() -> UInt64 {
        self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }

    private static func add(_ waiter: Waiter, _ id: UInt64, after duration: Duration, to state: inout State) {
        state.entries.append(Entry(id: id, due: state.now + max(duration, .zero), waiter: waiter))
    }

    /// Goes to the next moment that somebody waits for, and wakes who waited for it.
    /// - Returns: `false` when nobody waits for any.
    package func advance() -> Bool {
        let due = self.state.withLock { state -> [Entry] in
            guard let next = state.entries.map(\.due).min() else { return [] }
            state.now = max(state.now, next)
            defer { state.entries.removeAll { $0.due <= next } }
            return state.entries.filter { $0.due <= next }
        }
        for entry in due {
            switch entry.waiter {
            case .sleeper(let continuation): continuation.resume(returning: true)
            case .action(let action): action()
            }
        }
        return !due.isEmpty
    }

    /// Ends every sleep early: those who slept are to end.
    func wakeAll() {
        let sleepers = self.state.withLock { state in
            let sleepers = state.entries.compactMap { entry in
                if case .sleeper(let continuation) = entry.waiter { continuation } else { nil }
            }
            state.entries.removeAll { if case .sleeper = $0.waiter { true } else { false } }
            return sleepers
        }
        for continuation in sleepers { continuation.resume(returning: false) }
    }

    /// Sets civil time forward or back.
    func jump(byMilliseconds milliseconds: Int64) { self.state.withLock { $0.wallOffset += milliseconds } }
}
