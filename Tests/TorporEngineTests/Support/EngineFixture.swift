import Synchronization
import TorporCore
@testable import TorporEngine
import TorporStore

/// Time that only a test moves. Sleeps end when the time has come, or are cancelled.
final class ManualTime: Sendable {
    private struct Sleeper { let id: Int; let due: Instant; let continuation: CheckedContinuation<Void, any Error> }
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        var sleepers: [Sleeper] = []
        var cancelled: Set<Int> = []
        var nextID = 0
        var arrivals: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    var now: Instant { self.state.withLock { $0.now } }
    var wallTime: WallTime { WallTime(milliseconds: 1_000_000_000 + self.now.nanoseconds / 1_000_000) }

    func sleep(_ duration: Duration) async throws {
        let id = self.state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = self.state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.sleepers.append(Sleeper(id: id, due: state.now + duration, continuation: continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) } else { self.tellArrivals() }
            }
        } onCancel: {
            let sleeper = self.state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Moves the time on and ends the sleeps that are over.
    func advance(by duration: Duration) {
        let due = self.state.withLock { state in
            state.now = state.now + duration
            let now = state.now
            defer { state.sleepers.removeAll { $0.due <= now } }
            return state.sleepers.filter { $0.due <= now }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Waits until so many sleep.
    func arrival(ofSleepers count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.arrivals.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func tellArrivals() {
        let arrived = self.state.withLock { state in
            let count = state.sleepers.count
            defer { state.arrivals.removeAll { $0.count <= count } }
            return state.arrivals.filter { $0.count <= count }
        }
        for arrival in arrived { arrival.continuation.resume() }
    }
}

/// An engine over a scripted store, running while `body` does.
struct EngineFixture: Sendable {
    let engine: StateEngine
    let store: ScriptedStore
    let time: ManualTime
    let events: EventLog

    static func run(
        limits: EngineLimits = EngineLimits(), store: ScriptedStore = ScriptedStore(), time: ManualTime = ManualTime(),
        endsCleanly: Bool = true, _ body: @Sendable (EngineFixture) async throws -> Void
    ) async throws {
        let events = EventLog()
        let counter = Atomic<Int>(0)
        let engine = try StateEngine(
            store: store, usage: try await store.usage(), codec: PlainCodec(), limits: limits,
            environment: EngineEnvironment(
                now: { time.now }, wallTime: { time.wallTime }, sleep: { try await time.sleep($0) },
                randomBits: { UInt128(counter.add(1, ordering: .relaxed).newValue) }),
            observe: { events.add($0) })
        let fixture = EngineFixture(engine: engine, store: store, time: time, events: events)
        let isClean = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { await engine.run() }
            do { try await body(fixture) } catch {
                engine.stop()
                throw error
            }
            engine.stop()
            return try await group.next() ?? false
        }
        if endsCleanly, !isClean { throw UncleanEnd(text: "\(events.all.last.map { "\($0)" } ?? "")") }
    }

    struct UncleanEnd: Error { let text: String }

    /// Runs `body` as a call: its state is durable before it returns.
    func call<Result>(_ body: (StateUse) async throws -> Result) async throws -> Result {
        let use = self.engine.use()
        defer { use.end() }
        let result = try await body(use)
        try await use.durable()
        return result
    }

    func set(_ key: String, _ value: String, of name: ObjectName) async throws {
        try await self.call { try await $0.update(name) { $0.set(Array(key.utf8), Array(value.utf8)) } }
    }

    func get(_ key: String, of name: ObjectName) async throws -> String? {
        try await self.call { use in
            try await use.value(Array(key.utf8), of: name).map { String(decoding: $0, as: UTF8.self) }
        }
    }
}

final class EventLog: Sendable {
    private let events = Mutex<[EngineEvent]>([])
    func add(_ event: EngineEvent) { self.events.withLock { $0.append(event) } }
    var all: [EngineEvent] { self.events.withLock { $0 } }
}

extension ObjectName {
    static func session(_ number: Int, account: AccountID = .principal(1)) -> ObjectName {
        ObjectName(StateObjectID(bits: UInt128(number)), .session, account: account)
    }
    static func handle(_ number: Int, name: String = "basket", account: AccountID = .principal(1)) -> ObjectName {
        ObjectName(StateObjectID(bits: UInt128(1_000_000 + number)), .handle, name: name, account: account)
    }
}
