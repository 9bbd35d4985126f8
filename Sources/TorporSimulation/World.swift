import TorporCore
import TorporEngine
import TorporStore
import TorporTestSupport

/// One life of the process: an engine over one opening of the store, and the tasks in it. It ends in order or by a
/// crash.
// Unchecked: used only on the thread that runs the simulation.
final class World: @unchecked Sendable {
    let executor: SeededExecutor
    let clock: SimulatedClock
    let store: FaultyStore
    let engine: StateEngine
    let witness: Witness
    private var tasks: [Task<Void, Never>] = []
    private(set) var runningTasks = 0
    /// Whether the engine has ended, and whether it said that all is well.
    private(set) var end: Bool?
    /// What the engine said at its end.
    private(set) var farewell = ""
    /// Clients begin no more steps.
    var isDraining = false
    /// The engine has been told to stop.
    private(set) var isStopping = false
    /// The process has ended: what still runs is nobody's concern.
    private(set) var isOver = false

    init(
        seed: UInt64, limits: EngineLimits, clock: SimulatedClock, store: FaultyStore, witness: Witness, defect: Defect?
    ) throws {
        // Another order in each life.
        self.executor = SeededExecutor(seed: seed &+ store.incarnation &* 104_729)
        self.clock = clock
        self.store = store
        self.witness = witness
        let random = RandomBits(seed: seed &+ store.incarnation)
        let farewell = Box("")
        self.engine = try StateEngine(
            store: store, usage: store.usageAtOpening, codec: SimulatedCodec(), limits: limits,
            environment: EngineEnvironment(
                now: { clock.now }, wallTime: { clock.wallTime },
                sleep: { duration in
                    if defect != .neverSleeps { return try await clock.sleep(duration) }
                    try Task.checkCancellation()
                    await Task.yield()
                },
                randomBits: { random.next() }),
            observe: { event in
                if case .closed(let objects, let remainders) = event {
                    farewell.value = "\(objects) objects left, remainders \(remainders)"
                }
                witness.observed(event)
            })
        let engine = self.engine
        self.start { world in
            let isClean = await engine.run()
            world.farewell = farewell.value
            world.end = isClean
        }
    }

    /// Starts a task that lives no longer than this.
    func start(_ body: @escaping @Sendable (World) async -> Void) {
        self.runningTasks += 1
        self.tasks.append(
            Task(executorPreference: self.executor) {
                await body(self)
                self.runningTasks -= 1
            })
    }

    /// Whether all tasks but the engine's have ended.
    var isQuiet: Bool { self.runningTasks == (self.end == nil ? 1 : 0) }

    func stop() {
        self.isDraining = true
        self.isStopping = true
        self.engine.stop()
    }

    /// Ends the process at this instant.
    ///
    /// The tasks are run to their ends, so that nothing of them is left in this process; they reach the store no more,
    /// and nobody listens to them.
    /// - Returns: Whether they end.
    func crash() -> Bool {
        self.isOver = true
        self.isDraining = true
        self.store.crash()
        for task in self.tasks { task.cancel() }
        for _ in 0..<1_000 {
            self.clock.wakeAll()
            var jobs = 0
            while self.executor.runNext(), jobs < 100_000 { jobs += 1 }
            if self.runningTasks == 0 { return true }
            if jobs == 0 { return false }
        }
        return false
    }
}

/// Random bits for the engine.
// Unchecked: used only on the thread that runs the simulation.
private final class RandomBits: @unchecked Sendable {
    private var random: SeededGenerator
    init(seed: UInt64) { self.random = SeededGenerator(seed: seed, stream: .environment) }
    func next() -> UInt128 { UInt128(self.random.next()) << 64 | UInt128(self.random.next()) }
}

/// A value that closures share.
// Unchecked: used only on the thread that runs the simulation.
final class Box<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}
