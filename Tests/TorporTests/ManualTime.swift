import Synchronization
import Torpor
import TorporCore

/// Time that goes on when the test says so.
final class ManualTime: Sendable {
    private struct Sleeper {
        let id: Int
        let duration: Duration
        let due: Instant
        let continuation: CheckedContinuation<Void, any Error>
    }
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
        var lastID = 0
        var arrivals: [(duration: Duration, count: Int, continuation: CheckedContinuation<Void, Never>)] = []

        /// Those who wait for as many sleepers as there are by now.
        mutating func takeArrivals() -> [CheckedContinuation<Void, Never>] {
            let sleepers = self.sleepers
            let isReady = { (duration: Duration, count: Int) in
                sleepers.count { $0.duration == duration } >= count
            }
            let ready = self.arrivals.filter { isReady($0.duration, $0.count) }
            self.arrivals.removeAll { isReady($0.duration, $0.count) }
            return ready.map(\.continuation)
        }

        func count(sleepingFor duration: Duration) -> Int {
            self.sleepers.count { $0.duration == duration }
        }
    }

    private let state = Mutex(State())

    /// The time for a gate; what is left to chance is at its most.
    var time: DownstreamTime {
        DownstreamTime(now: { self.now }, sleep: { try await self.sleep($0) }, jitter: { 1 })
    }

    var now: Instant { self.state.withLock { $0.now } }

    /// Wakes all whose time has come.
    func advance(by duration: Duration) {
        let due = self.state.withLock { state in
            state.now = state.now + duration
            let due = state.sleepers.filter { $0.due <= state.now }
            state.sleepers.removeAll { $0.due <= state.now }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Returns when so many sleep for `duration`.
    func sleepers(for duration: Duration, count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if state.count(sleepingFor: duration) >= count { return true }
                state.arrivals.append((duration, count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func sleep(_ duration: Duration) async throws {
        let id = self.state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                typealias Arrivals = [CheckedContinuation<Void, Never>]
                let (isCancelled, arrivals) = self.state.withLock { state -> (Bool, Arrivals) in
                    if state.cancelled.contains(id) { return (true, []) }
                    state.sleepers.append(
                        Sleeper(id: id, duration: duration, due: state.now + duration, continuation: continuation))
                    return (false, state.takeArrivals())
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                for arrival in arrivals { arrival.resume() }
            }
        } onCancel: {
            let sleeper = self.state.withLock { state -> Sleeper? in
                state.cancelled.insert(id)
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
