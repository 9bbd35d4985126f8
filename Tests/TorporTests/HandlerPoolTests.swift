import Synchronization
import Testing
import TorporSystem

@testable import Torpor

/// Which jobs the handlers' threads run, and when. Every job here holds its thread until the test lets it go.
@Suite(.timeLimit(.minutes(1))) struct HandlerPoolTests {
    /// A pool whose clock is the test's.
    private final class Trial: Sendable {
        private struct State {
            var begun: [String] = []
            var released: Set<String> = []
        }

        let pool: HandlerPool
        private let clock = Clock()
        private let jobs = Monitor(State())

        final class Clock: Sendable { let nanoseconds = Atomic<Int64>(0) }

        init(coreCount: Int, isTight: @escaping @Sendable () -> Bool = { false }) {
            let clock = self.clock
            self.pool = HandlerPool(
                coreCount: coreCount, now: { clock.nanoseconds.load(ordering: .relaxed) }, isTight: isTight)
        }

        /// All jobs that run have taken long from now on.
        func makeThoseThatRunLong() { self.clock.nanoseconds.add(10_000_000, ordering: .relaxed) }

        /// Begins a call of a caller, whose only job holds a thread until it is released.
        @discardableResult
        func call(_ name: String, of caller: String) -> Task<Void, Never> {
            let executor = self.pool.begin(HandlerPoolTests.operation(of: caller))
            return Task(executorPreference: executor) {
                self.hold(name)
                self.pool.ended(executor)
            }
        }

        private func hold(_ name: String) {
            self.jobs.withLock { $0.begun.append(name) }
            self.jobs.broadcast()
            _ = self.jobs.wait(atMost: nil) { $0.released.contains(name) ? true : nil }
        }

        func release(_ names: String...) {
            self.jobs.withLock { $0.released.formUnion(names) }
            self.jobs.broadcast()
        }

        /// Returns when so many jobs have begun, with their names in that order.
        func begun(_ count: Int) async -> [String] {
            await withCheckedContinuation { continuation in
                // A thread of its own waits, so that no task's thread does.
                let isStarted = startDetachedThread(named: "test") {
                    let names = self.jobs.wait(atMost: nil) { $0.begun.count >= count ? $0.begun : nil }
                    continuation.resume(returning: names ?? [])
                }
                precondition(isStarted, "the machine has a thread left")
            }
        }
    }

    private static func operation(of caller: String) -> Operation {
        Operation(
            message: IncomingMessage(bytes: Array("{}".utf8), address: caller), envelope: Envelope(),
            method: .toolsCall, revision: .v2026_07_28, session: nil, startNanoseconds: 0)
    }

    @Test func callersTakeTurnsHoweverManyJobsEachHas() async {
        let trial = Trial(coreCount: 1)
        trial.call("a1", of: "a")
        _ = await trial.begun(1)
        let others = [("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")]
            .map { trial.call($0.0, of: $0.1) }
        trial.release("a1", "a2", "a3", "b1", "b2", "c1")
        for task in others { await task.value }
        #expect(await trial.begun(6) == ["a1", "b1", "c1", "a2", "b2", "a3"])
    }

    @Test func asManyJobsRunAsThereAreCores() async {
        let trial = Trial(coreCount: 2)
        let tasks = ["a", "b", "c"].map { trial.call($0, of: $0) }
        let first = await trial.begun(2)
        #expect(Set(first) == ["a", "b"])
        #expect(trial.pool.progress.steps == 2 && trial.pool.progress.hasWork)
        trial.release("a")
        #expect(await trial.begun(3) == first + ["c"])
        trial.release("b", "c")
        for task in tasks { await task.value }
        #expect(!trial.pool.progress.hasWork)
    }

    @Test func jobsThatTakeLongAreNotWaitedForHoweverManyAreReady() async {
        let trial = Trial(coreCount: 2)
        var tasks = ["a", "b"].map { trial.call($0, of: $0) }
        _ = await trial.begun(2)
        // Both wait while a thread looks out for a core.
        tasks += ["c", "d"].map { trial.call($0, of: $0) }
        trial.makeThoseThatRunLong()
        #expect(await Set(trial.begun(4)) == ["a", "b", "c", "d"])
        trial.release("a", "b", "c", "d")
        for task in tasks { await task.value }
    }

    @Test func ofOneCallerNoMoreRunThanThereAreCores() async {
        let trial = Trial(coreCount: 2)
        var tasks = ["a1", "a2", "a3"].map { trial.call($0, of: "a") }
        _ = await trial.begun(2)
        trial.makeThoseThatRunLong()
        tasks.append(trial.call("b1", of: "b"))
        let begun = await trial.begun(3)
        #expect(begun.last == "b1", "another caller's comes, the same one's does not")
        trial.release("a1", "a2", "a3", "b1")
        for task in tasks { await task.value }
    }

    @Test func whileMemoryIsShortThoseThatTakeLongAreWaitedFor() async {
        let tight = Atomic<Bool>(true)
        let trial = Trial(coreCount: 1, isTight: { tight.load(ordering: .relaxed) })
        let tasks = ["a", "b"].map { trial.call($0, of: $0) }
        let first = await trial.begun(1)
        trial.makeThoseThatRunLong()
        #expect(trial.pool.progress.steps == 1)
        tight.store(false, ordering: .relaxed)
        #expect(await trial.begun(2).count == 2, "memory is there again, and \(first) still runs")
        trial.release("a", "b")
        for task in tasks { await task.value }
    }

    @Test func callersWithoutCallsAreForgottenWhenThereAreMany() {
        let pool = HandlerPool(coreCount: 1)
        let staying = pool.begin(Self.operation(of: "stays"))
        for number in 0..<1_000 { pool.ended(pool.begin(Self.operation(of: "\(number)"))) }
        #expect(pool.callerCount <= 256)
        #expect(pool.largestCall()?.operation === staying.operation)
        pool.ended(staying)
        #expect(pool.largestCall() == nil)
    }
}
