import Glibc
import Logging
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporEngine
import TorporSystem

@testable import Torpor

/// What the governor does to a server whose memory a test sets.
@Suite struct GovernorTests {
    /// A server's dispatcher under a governor whose readings are the test's.
    private final class Governed: Sendable {
        let dispatcher: Dispatcher
        let governor: MemoryGovernor
        let memory: Memory
        let clock: Clock

        init(
            _ server: MCPServer, queueTimeout: Duration = .seconds(10), children: (any GovernedChildren)? = nil
        ) {
            let (memory, clock) = (Memory(), Clock())
            self.memory = memory
            self.clock = clock
            let state = server.stateService(nil)
            let environment = DispatcherEnvironment(
                monotonicNanoseconds: { clock.nanoseconds.load(ordering: .relaxed) },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let dispatcher = Dispatcher(
                server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), service: state),
                limits: CallLimits(queueTimeout: queueTimeout), state: state, environment: environment)
            self.dispatcher = dispatcher
            self.governor = MemoryGovernor(
                dispatcher,
                environment: MemoryGovernor.Environment(
                    meter: MemoryMeter(
                        limit: ByteCount(1_000), source: "a test",
                        used: { ByteCount(memory.used.load(ordering: .relaxed)) }),
                    trim: {
                        memory.trims.add(1, ordering: .relaxed)
                        return 0
                    }, children: children,
                    now: { Instant(nanoseconds: clock.nanoseconds.load(ordering: .relaxed)) },
                    sleep: { _ in throw CancellationError() }),
                logger: environment.logger)
        }

        /// Sets the memory in use, of 1,000, and lets the governor look so often, a second apart.
        func pass(_ times: Int = 1, using bytes: Int) async {
            self.memory.used.store(bytes, ordering: .relaxed)
            for _ in 0..<times {
                self.clock.nanoseconds.add(1_000_000_000, ordering: .relaxed)
                await self.governor.pass()
            }
        }

        /// Returns when so many calls wait for memory.
        func untilWaiting(_ count: Int) async {
            while self.dispatcher.brake.waitingCount < count { await Task.yield() }
        }

        /// Begins a call of a tool, and gives what becomes of it.
        func call(_ tool: String, _ arguments: String = "{}") -> Task<Reply?, Never> {
            let body = """
                {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\(tool)","arguments":\(arguments),"_meta":{\
                "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}
                """
            let message = IncomingMessage(bytes: Array(body.utf8), address: "127.0.0.1")
            switch self.dispatcher.dispatch(message) {
            case .reply(let reply): return Task { reply }
            case .call(let call):
                let carrier = TaskCarrier()
                let task = Task<Reply?, Never>(executorPreference: call.executor) {
                    guard case .reply(let reply) = await call.run(over: carrier, as: 1) else { return nil }
                    return reply
                }
                carrier.task.withLock { $0 = task }
                return task
            case .stream: preconditionFailure("a tool call opens no stream")
            }
        }
    }

    private final class Memory: Sendable {
        let used = Atomic<Int>(0)
        let trims = Atomic<Int>(0)
    }

    /// Children that take 50 bytes each, of which some are idle.
    private final class Children: GovernedChildren {
        struct Told: Equatable {
            var idleFactors: [Double] = []
            var startsRetryAfter: [Duration?] = []
            var endings = 0
        }
        let idle = Atomic(0)
        let busy = Atomic(0)
        let leaving = Atomic(0)
        let told = Mutex(Told())

        var memoryUsed: ByteCount { ByteCount((self.idleCount + self.busy.load(ordering: .relaxed)) * 50) }
        var idleCount: Int { self.idle.load(ordering: .relaxed) }
        var memoryLeaving: ByteCount { ByteCount(self.leaving.load(ordering: .relaxed) * 50) }
        func shortenIdle(to factor: Double) { self.told.withLock { $0.idleFactors.append(factor) } }
        func refuseStarts(retryAfter: Duration?) { self.told.withLock { $0.startsRetryAfter.append(retryAfter) } }
        func endIdle(bytes: Int, atMost countMax: Int) -> (count: Int, bytes: Int) {
            self.told.withLock { $0.endings += 1 }
            let count = min(self.idleCount, countMax, (bytes + 49) / 50)
            self.idle.subtract(count, ordering: .relaxed)
            return (count, count * 50)
        }
    }

    private final class Clock: Sendable { let nanoseconds = Atomic<Int64>(1_000_000_000) }

    private final class TaskCarrier: CallCarrier {
        let task = Mutex<Task<Reply?, Never>?>(nil)
        func open(_ stream: MessageStream, of call: UInt64) {}
        func cancel(_ call: UInt64) { self.task.withLock { $0 }?.cancel() }
    }

    @Test func pressureClimbsRungByRungAndComesDownAgain() async {
        let governed = Governed(fixtureServer())
        await governed.pass(using: 500)
        #expect(governed.governor.report.rung == .calm)
        await governed.pass(3, using: 860)
        #expect(governed.governor.report.rung == .trim)
        #expect(governed.memory.trims.load(ordering: .relaxed) > 0)
        await governed.pass(40, using: 100)
        #expect(governed.governor.report.rung == .calm)
        #expect(governed.governor.report.usedBytes == 100 && governed.governor.report.limitBytes == 1_000)
    }

    @Test func idleChildrenEndWhileMemoryIsShortAndAreLeftAloneOtherwise() async {
        let children = Children()
        children.idle.store(8, ordering: .relaxed)
        children.busy.store(2, ordering: .relaxed)
        let governed = Governed(fixtureServer(), children: children)
        await governed.pass(30, using: 690)
        #expect(children.told.withLock { $0 } == Children.Told())
        #expect(governed.governor.report.childBytes == 500)
        // The first rung: idle timeouts are shorter. The second: 780 is 100 above its exit, which two make up for.
        await governed.pass(using: 780)
        #expect(children.told.withLock { $0 } == Children.Told(idleFactors: [0.25]))
        await governed.pass(using: 780)
        #expect(children.idleCount == 6)
        #expect(governed.governor.report.endedChildren == 2)
        #expect(governed.governor.report.freedBytes[.evictColdest] == 100)
        // They are on their way out.
        children.leaving.store(2, ordering: .relaxed)
        await governed.pass(using: 780)
        #expect(children.told.withLock { $0.endings } == 1)
        // Pressure eases: idle timeouts are as before.
        children.leaving.store(0, ordering: .relaxed)
        await governed.pass(20, using: 500)
        #expect(governed.governor.report.rung == .calm)
        #expect(children.told.withLock { $0 } == Children.Told(idleFactors: [0.25, 1], endings: 1))
        #expect(children.idleCount == 6)
    }

    @Test func busyChildrenAreNotEndedHoweverShortMemoryIs() async {
        let children = Children()
        children.busy.store(12, ordering: .relaxed)
        let governed = Governed(fixtureServer(), children: children)
        await governed.pass(100, using: 1_000)
        #expect(children.told.withLock { $0.endings } == 0 && children.busy.load(ordering: .relaxed) == 12)
        // No more are started, and that is all: the process goes on.
        #expect(governed.governor.report.rung == .refuseLoads)
        #expect(children.told.withLock { $0.startsRetryAfter } == [.seconds(5)])
        await governed.pass(30, using: 500)
        #expect(children.told.withLock { $0.startsRetryAfter } == [.seconds(5), nil])
    }

    @Test func whatChildrenTakeIsCountedOnce() throws {
        let children = Children()
        children.busy.store(1 << 24, ordering: .relaxed)
        // Of no control group's limit: what the process takes, and what they take.
        let apart = MemoryMeter.machine(explicit: .gibibytes(4), children: children)
        let alone = MemoryMeter.machine(explicit: .gibibytes(4))
        let difference = try #require(apart.used()).bytes - (try #require(alone.used())).bytes
        #expect(abs(difference - 50 << 24) < 64 << 20)
        // Of a control group's: the kernel has counted them.
        var template = Array("/tmp/torpor-governor-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            unlink("\(folder)/memory.stat")
            rmdir(folder)
        }
        let file = try #require(fopen("\(folder)/memory.stat", "w"))
        fputs("anon 600000000\nfile 5\nshmem 1000\n", file)
        fclose(file)
        let group = ControlGroup(version: .two, folders: [folder], root: .machine)
        let limit = MemoryLimit(
            bytes: ByteCount(900_000_000), whole: ByteCount(1_000_000_000), origin: .controlGroup(group))
        #expect(MemoryMeter(limit, children: children).used() == ByteCount(600_001_000))
    }

    @Test func handlersBeginOneByOneWhileMemoryIsShort() async throws {
        let gate = Gate()
        let governed = Governed(fixtureServer(gate: gate))
        await governed.pass(using: 860)
        let first = governed.call("waits", #"{"message":"first"}"#)
        await gate.arrival(of: "first")
        let second = governed.call("who")
        let third = governed.call("who")
        await governed.untilWaiting(2)
        #expect(governed.dispatcher.runningCallCount == 3, "they have their turns, and have not begun")
        await governed.pass(using: 840)
        #expect(await second.value?.status == 200)
        #expect(await third.value?.status == 200)
        gate.open("first")
        #expect(await first.value?.status == 200)
        #expect(governed.dispatcher.runningCallCount == 0 && governed.dispatcher.brake.waitingCount == 0)
    }

    @Test func nobodyWaitsForMemoryThatNoHandlerHolds() async {
        let governed = Governed(fixtureServer())
        await governed.pass(using: 999)
        #expect(await governed.call("who").value?.status == 200)
        // Nor does a call that waits when the last handler ends.
        let gate = Gate()
        let other = Governed(fixtureServer(gate: gate))
        await other.pass(using: 990)
        let first = other.call("waits", #"{"message":"first"}"#)
        await gate.arrival(of: "first")
        let second = other.call("who")
        await other.untilWaiting(1)
        gate.open("first")
        #expect(await first.value?.status == 200)
        #expect(await second.value?.status == 200)
    }

    @Test func aCallThatWaitsForMemoryForTooLongIsToldToComeBack() async throws {
        let gate = Gate()
        let governed = Governed(fixtureServer(gate: gate), queueTimeout: .seconds(3))
        await governed.pass(using: 900)
        let first = governed.call("waits", #"{"message":"first"}"#)
        await gate.arrival(of: "first")
        let call = governed.call("who")
        await governed.untilWaiting(1)
        governed.clock.nanoseconds.add(2_999_000_000, ordering: .relaxed)
        governed.dispatcher.sweep()
        #expect(governed.dispatcher.brake.waitingCount == 1)
        governed.clock.nanoseconds.add(1_000_000, ordering: .relaxed)
        governed.dispatcher.sweep()
        let reply = try #require(await call.value)
        #expect(reply.status == 503 && reply.retryAfterSeconds == 5)
        gate.open("first")
        _ = await first.value
        #expect(governed.dispatcher.runningCallCount == 0)
    }

    @Test func inlineToolsAndListsNeedNoMemoryToBegin() async {
        let governed = Governed(fixtureServer())
        await governed.pass(using: 900)
        #expect(await governed.call("quick", #"{"message":"hi"}"#).value?.status == 200)
    }

    @Test func memoryThatCannotBeRelievedCancelsTheLargestCallAndThenDrains() async throws {
        let gate = Gate()
        let governed = Governed(fixtureServer(gate: gate))
        let small = governed.call("waits", #"{"message":"small"}"#)
        await gate.arrival(of: "small")
        let padding = String(repeating: " ", count: 10_000)
        let large = governed.call("waits", #"{"message":"large"\#(padding)}"#)
        await gate.arrival(of: "large")
        // One rung a pass, and a few passes for milder actions.
        await governed.pass(12, using: 985)
        let cancelled = try #require(await large.value)
        #expect(cancelled.status == 503, "\(String(decoding: cancelled.body, as: UTF8.self))")
        #expect(String(decoding: cancelled.body, as: UTF8.self).contains("short of memory"))
        await governed.pass(60, using: 990)
        #expect(governed.governor.report.rung == .drain)
        let reason = try #require(await governed.governor.untilDrain())
        #expect(reason.contains("memory"))
        gate.open("small")
        _ = await small.value
    }
}
