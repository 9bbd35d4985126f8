import TorporCore
import TorporEngine
import TorporStore

/// Drives a scenario: starts the engine and the clients, runs job after job, moves the clock when no job is ready, and
/// has the incidents happen.
final class Simulation {
    private enum Phase {
        /// Clients take their steps.
        case running
        /// Clients end their steps; then the engine is stopped.
        case draining
        /// The engine ends.
        case stopping(isOrderly: Bool)
        /// All steps have been taken: every object is looked at once more by its owner.
        case lookingBack
    }

    /// No call takes so long: stores are away for 15 s at most, and calls pause for four times 20 s.
    private static let callMax = Duration.seconds(300)
    /// What a scenario needs is far less.
    private static let jobsMax = 100_000

    private let scenario: Scenario
    private let plan: Plan
    private let clock = SimulatedClock()
    private let durable: DurableState
    private let witness: Witness
    private let names = Names()
    private let clients: [Client]
    private var incidents: ArraySlice<Incident>
    private var jobs = 0
    private var fingerprint: UInt64 = 0
    private var phase = Phase.running
    private var hasLookedBack = false

    init(_ scenario: Scenario, _ plan: Plan, observe: ((String) -> Void)?) {
        self.scenario = scenario
        self.plan = plan
        self.durable = DurableState(defect: scenario.defect)
        let witness = Witness(clock: self.clock, limits: plan.limits, observe: observe)
        self.witness = witness
        let (names, clock) = (self.names, self.clock)
        self.clients = plan.clients.map { Client($0, scenario, names: names, witness: witness, clock: clock) }
        self.incidents = plan.incidents[...]
        self.durable.observe = { [unowned durable = self.durable] before, after, change in
            witness.stored(before, after, change)
            let account = change.header.account
            witness.check(durable.usage, account, durable.usage { $0.account == account })
        }
    }

    func run() throws -> Report {
        var world = try self.begin()
        while self.witness.violation == nil {
            if let incident = self.incidents.first, incident.job <= self.jobs, case .running = self.phase {
                self.incidents.removeFirst()
                if try self.meets(incident, &world) { continue }
            } else if world.executor.runNext() {
                self.ran(in: world)
            } else if try self.goOn(&world) {
                break
            }
        }
        self.end(world)
        var counts = self.witness.counts
        counts.jobs = self.jobs
        counts.time = self.clock.now.since(Instant(nanoseconds: 1_000_000_000))
        return Report(
            scenario: self.scenario, violation: self.witness.violation, counts: counts, fingerprint: self.fingerprint)
    }

    // MARK: Lives

    private func begin() throws -> World {
        let store = FaultyStore(
            self.durable, clock: self.clock, seed: self.scenario.seed, faults: self.scenario.faults,
            defect: self.scenario.defect,
            isSpared: { $0 == Plan.bystander })
        var limits = self.plan.limits
        if self.scenario.defect == .skipsReservation {
            limits.memory = MemoryLimits(objectMax: limits.memory.objectMax)
        }
        if self.scenario.defect == .liftsQuotas { limits.storage = StorageLimits() }
        let world = try World(
            seed: self.scenario.seed, limits: limits, clock: self.clock, store: store, witness: self.witness,
            defect: self.scenario.defect)
        self.witness.counts.lives += 1
        self.witness.note("life \(store.incarnation) begins")
        if case .lookingBack = self.phase {
            store.calmDown()
            self.lookBack(in: world)
        } else {
            self.phase = .running
            for client in self.clients { world.start { await client.run(in: $0) } }
        }
        return world
    }

    private func end(_ world: World) {
        self.fingerprint = (self.fingerprint ^ world.executor.fingerprint) &* 0x0000_0100_0000_01B3
        let hasEnded = world.crash()
        self.witness.calls = [:]
        self.witness.expect(
            .workEnds, hasEnded,
            "tasks go on after they were cancelled and the store was closed: \(world.engine.figures)")
    }

    /// One job has run.
    private func ran(in world: World) {
        self.jobs += 1
        self.witness.job = self.jobs
        self.witness.check(world.engine.figures, self.plan.limits.memory)
        self.witness.expect(.workEnds, self.jobs < Self.jobsMax, "there is work without end")
    }

    /// No job is ready.
    /// - Returns: Whether all is done.
    private func goOn(_ world: inout World) throws -> Bool {
        switch self.phase {
        case .running where world.isQuiet: self.drain(world)
        case .draining where world.isQuiet: self.stop(world, isOrderly: true)
        case .lookingBack where world.isQuiet: self.stop(world, isOrderly: true)
        case .stopping(let isOrderly) where world.end != nil && world.isQuiet:
            self.hasStopped(world, isOrderly: isOrderly)
            if self.witness.violation != nil { return true }
            if self.hasLookedBack { return true }
            if self.clients.allSatisfy(\.hasFinished) {
                self.hasLookedBack = true
                self.phase = .lookingBack
            }
            self.end(world)
            world = try self.begin()
            return false
        default: break
        }
        self.expectAnswers()
        if !self.clock.advance() {
            self.witness.fail(.noCallGetsSilence, "nothing is left that could wake those who wait")
        }
        return false
    }

    private func expectAnswers() {
        guard let call = self.witness.calls.values.min(by: { $0.number < $1.number }) else { return }
        self.witness.expect(
            .noCallGetsSilence, self.clock.now.since(call.start) < Self.callMax,
            "step \(call.step) has no answer")
    }

    // MARK: Incidents

    /// - Returns: Whether it took place.
    private func meets(_ incident: Incident, _ world: inout World) throws -> Bool {
        self.witness.note("incident \(incident.number): \(incident.kind)")
        switch incident.kind {
        case .crash:
            self.end(world)
            world = try self.begin()
        case .stop(isOrderly: true): self.drain(world)
        case .stop(isOrderly: false): self.stop(world, isOrderly: false)
        case .jump(let milliseconds):
            let former = self.clock.wallTime
            self.clock.jump(byMilliseconds: Int64(milliseconds))
            self.witness.timeJumped(from: former)
        case .rogue(let choice, let isOwner):
            guard let header = self.choose(choice) else { return false }
            self.durable.overwrite(header.id)
            if isOwner { _ = self.durable.outdo(UnitID(header.account, header.id)) }
        case .damage(let choice, let isAltered, let milliseconds):
            guard let header = self.choose(choice) else { return false }
            self.witness.watched[header.id]?.wasDamaged = true
            self.durable.damage(header.id, isAltered ? .altered : .unreadable)
            let durable = self.durable
            self.clock.after(.milliseconds(milliseconds)) { durable.repairAll() }
        }
        return true
    }

    /// One of the stored objects that faults may meet.
    private func choose(_ choice: Int) -> RecordHeader? {
        let headers = self.durable.headers.filter { $0.account != Plan.bystander }
        return headers.isEmpty ? nil : headers[choice % headers.count]
    }

    private func drain(_ world: World) {
        self.phase = .draining
        world.isDraining = true
    }

    private func stop(_ world: World, isOrderly: Bool) {
        self.phase = .stopping(isOrderly: isOrderly)
        // Without a fault everything is committed.
        if isOrderly { world.store.calmDown() }
        world.stop()
    }

    private func hasStopped(_ world: World, isOrderly: Bool) {
        guard isOrderly else { return }
        self.witness.expect(.theEndIsClean, world.end == true, "the engine says of its end: \(world.farewell)")
        let figures = world.engine.figures
        let stored = world.store.usageNow.total
        self.witness.expect(
            .theEndIsClean,
            figures.reservedBytes == 0 && figures.anonymousReservedBytes == 0 && figures.liveBytes == 0
                && figures.dirtyBytes == 0 && figures.knownObjects == 0 && figures.activeObjects == 0
                && figures.knownAccounts == 0,
            "something is left: \(figures)")
        self.witness.expect(
            .theEndIsClean, figures.storedBytes == stored.bytes && figures.storedObjects == stored.objects,
            "the engine counts \(figures.storedObjects) objects of \(figures.storedBytes) bytes, and \(stored) is stored"
        )
    }

    // MARK: The end

    /// Every object is what the model says.
    private func lookBack(in world: World) {
        self.durable.repairAll()
        let witness = self.witness
        let wanted = self.witness.watched.values.sorted { $0.name.id < $1.name.id }.filter { watched in
            let isThere = self.durable.objects[watched.name.id] != nil
            // A session that was deleted is not served again, unless its tombstone is forgotten.
            let mayBeEnded = watched.name.kind == .session && watched.deletions > 0
            return (isThere || watched.name.kind != .handle) && watched.openDeletions == 0 && !mayBeEnded
        }
        let isLazy = self.plan.limits.durability != .acknowledged
        world.start { world in
            for watched in wanted where !world.isOver {
                let use = world.engine.use()
                defer { use.end() }
                do {
                    try await use.update(watched.name) { transaction in
                        var values: [[UInt8]: [UInt8]] = [:]
                        for key in Key.all { if let value = try transaction.value(key) { values[key] = value } }
                        let keys = try transaction.keys(prefix: Key.valuePrefix, limit: 100)
                        let log = witness.saw(values, keys: keys, of: watched)
                        witness.expect(
                            .sleepIsInvisible, log == watched.durable.log,
                            "\(watched.name.id) wakes with \(log), and stored is \(watched.durable.log)")
                    }
                    try await use.durable()
                } catch let error as EngineError where isLazy && error.code != .missing {
                    // Those before are dirty still, and in the way.
                } catch {
                    if !world.isOver { witness.fail(.sleepIsInvisible, "\(watched.name.id) does not wake: \(error)") }
                }
            }
        }
    }
}
