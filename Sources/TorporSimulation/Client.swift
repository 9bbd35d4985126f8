import TorporCore
import TorporEngine

/// One who calls: takes its steps one after the other, in one life of the process after the other.
// Unchecked: used only on the thread that runs the simulation.
final class Client: @unchecked Sendable {
    let account: AccountID
    private let steps: [Step]
    let names: Names
    let witness: Witness
    let clock: SimulatedClock
    private let defect: Defect?
    private let cancels: Bool
    private var position = 0

    init(_ plan: Plan.Client, _ scenario: Scenario, names: Names, witness: Witness, clock: SimulatedClock) {
        self.account = plan.account
        self.steps = plan.steps
        self.names = names
        self.witness = witness
        self.clock = clock
        self.defect = scenario.defect
        self.cancels = scenario.faults.contains(.cancellations)
    }

    var hasFinished: Bool { self.position == self.steps.count }

    func run(in world: World) async {
        while !world.isDraining, self.position < self.steps.count {
            let step = self.steps[self.position]
            self.position += 1
            await self.take(step, in: world)
        }
    }

    private func take(_ step: Step, in world: World) async {
        switch step.kind {
        case .idle(let milliseconds): await self.idle(milliseconds)
        case .operate(let operation): await self.operate(operation, step, in: world)
        case .delete(let target):
            guard let name = self.names.resolve(target, for: self.account) else { return }
            let after = self.cancels && step.number % 5 == 0 ? step.number * 7 % 100 : nil
            await self.limited(to: after) { await self.delete(name, step, in: world) }
        case .create(let effects, let after):
            let name = self.names.makeHandle(for: self.account)
            await self.call(step, in: world, cancelledAfter: after) { call, use in
                self.witness.note("step \(step.number) creates \(name.id)")
                let watched = self.witness.watch(name)
                try await use.create(name)
                self.names.publish(name)
                call.uses(watched)
                try await self.perform(.change(effects), on: name, call, use)
            }
        case .call(let target, let actions, let after):
            guard let name = self.names.resolve(target, for: self.account) else { return }
            await self.call(step, in: world, cancelledAfter: after) { call, use in
                for action in actions {
                    self.witness.note("step \(step.number), \(name.kind) \(name.id): \(action)")
                    try await self.perform(action, on: name, call, use)
                }
            }
        }
    }

    private func idle(_ milliseconds: Int) async {
        // Ends early when the process does.
        do { try await self.clock.sleep(.milliseconds(milliseconds)) } catch {}
    }

    /// Runs `body`, and cancels it after so many milliseconds.
    private func limited(to milliseconds: Int?, _ body: @escaping @Sendable () async -> Void) async {
        guard let milliseconds, self.cancels else { return await body() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await body() }
            group.addTask { await self.idle(milliseconds) }
            await group.next()
            group.cancelAll()
            await group.waitForAll()
        }
    }

    // MARK: Calls

    private func call(
        _ step: Step, in world: World, cancelledAfter milliseconds: Int?,
        _ body: @escaping @Sendable (CallRecord, StateUse) async throws -> Void
    ) async {
        await self.limited(to: milliseconds) {
            let call = CallRecord(step: step.number, account: self.account, jumpCount: self.witness.counts.jumps)
            self.witness.begin(call)
            let outages = world.store.outageCount
            let use = world.engine.use()
            var failure: (any Error)?
            do {
                try await body(call, use)
                if self.defect != .opensTheGate { try await use.durable() }
            } catch {
                failure = error
            }
            if !world.isOver {
                if let failure {
                    self.witness.failed(call, failure)
                    self.judge(failure, of: call, outages, in: world)
                } else {
                    self.witness.passed(call)
                }
            }
            self.witness.end(call)
            use.end()
        }
    }

    func judge(_ error: any Error, of call: CallRecord, _ outages: Int, in world: World) {
        guard let error = error as? EngineError else {
            self.witness.expect(
                .noCallGetsSilence, error is CancellationError || error is ChangedItsMind,
                "a call ended with \(error)")
            self.witness.expect(
                .noCallGetsSilence, !(error is CancellationError) || Task.isCancelled,
                "a call that nobody cancelled ended as if it were")
            return
        }
        self.witness.note("step \(call.step) failed: \(error.code)")
        self.witness.expect(
            .noCallGetsSilence, error.code != .stopping || world.isStopping,
            "a call was told that the process stops, which it does not")
        self.witness.expect(.noCallGetsSilence, error.code != .newerFormat, "nothing newer was ever stored")
        // An outage is everybody's; so is the end of the process.
        // What has expired is missing, for whom it belonged to as well.
        guard self.account == Plan.bystander, error.code != .missing, outages == world.store.outageCount,
            !world.isStopping, error.code != .unavailable || !world.store.isHardlyBack
        else { return }
        self.witness.fail(.oneOffenderOneVictim, "the bystander's step \(call.step) failed: \(error.code), \(error)")
    }

    private struct ChangedItsMind: Error {}

    private func perform(_ action: Action, on name: ObjectName, _ call: CallRecord, _ use: StateUse) async throws {
        let watched = self.witness.watch(self.names.owner(of: name))
        do {
            let isTrusted = self.defect == .confusesCallers
            try await self.perform(action, isTrusted ? self.names.owner(of: name) : name, watched, call, use)
        } catch let error as EngineError {
            let isForeign = self.names.isForeign(name)
            self.witness.expect(
                .sleepIsInvisible, error.code != .missing || isForeign || watched.mayBeGone,
                "\(name.kind) \(name.id) is missing, and nobody deleted it")
            self.witness.expect(
                .sleepIsInvisible, error.code != .corrupt || watched.wasDamaged,
                "\(name.kind) \(name.id) cannot be read, and nobody damaged it")
            throw error
        }
        // Something was done to it.
        guard action.touchesState else { return }
        self.witness.expect(
            .onlyOnesOwnObjects, !self.names.isForeign(name), "\(name.id) was reached by \(name.account)")
        self.witness.expect(
            .whatIsGoneStaysGone,
            watched.endedUntil.map { $0 <= self.clock.wallTime || call.start < watched.endedAt } ?? true,
            "session \(name.id) was served after its end")
        call.uses(watched)
    }

    private func perform(
        _ action: Action, _ name: ObjectName, _ watched: Witness.Watched, _ call: CallRecord, _ use: StateUse
    ) async throws {
        switch action {
        case .pause(let milliseconds): try await self.clock.sleep(.milliseconds(milliseconds))
        case .gate:
            if self.defect != .opensTheGate { try await use.durable() }
            self.witness.passed(call)
        case .survey:
            try await use.update(name) { transaction in
                var values: [[UInt8]: [UInt8]] = [:]
                for key in Key.all { if let value = try transaction.value(key) { values[key] = value } }
                let keys = try transaction.keys(prefix: Key.valuePrefix, limit: 100)
                call.saw(self.witness.saw(values, keys: keys, of: watched), of: watched)
            }
        case .readLog:
            let log = Operation.decodeLog(try await use.value(Key.log, of: name))
            self.witness.sawLog(log, of: watched)
            call.saw(log, of: watched)
        case .list(let limit):
            let keys = try await use.keys(prefix: Key.valuePrefix, limit: limit, of: name)
            self.witness.expect(
                .changesAreAtomic,
                keys.count <= limit && keys.allSatisfy { $0.starts(with: Key.valuePrefix) }
                    && zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) },
                "keys are listed in order and within the limit")
            call.hasReadSince = true
        case .change(let effects): try await self.change(name, effects, watched, call, use, changesItsMind: false)
        case .changeAndThrow(let effects):
            call.hasReadSince = true
            do {
                try await self.change(name, effects, watched, call, use, changesItsMind: true)
            } catch is ChangedItsMind {}
        }
    }

    private func change(
        _ name: ObjectName, _ effects: [Operation.Effect], _ watched: Witness.Watched, _ call: CallRecord,
        _ use: StateUse,
        changesItsMind: Bool
    ) async throws {
        var made: Operation?
        do {
            try await use.update(name) { transaction in
                let operation = self.witness.newOperation(on: name.id, effects)
                made = operation
                var target = TransactionTarget(transaction: transaction)
                try operation.carryOut(on: &target)
                transaction = target.transaction
                if changesItsMind { throw ChangedItsMind() }
            }
        } catch {
            // Nothing has changed.
            if let made { self.witness.undo(made.id) }
            throw error
        }
        if let made { call.made(made.id, in: watched) }
    }
}

extension Action {
    fileprivate var touchesState: Bool {
        switch self {
        case .pause, .gate: false
        case .survey, .readLog, .list, .change, .changeAndThrow: true
        }
    }
}

private struct TransactionTarget: OperationTarget {
    var transaction: StateTransaction
    func bytes(_ key: [UInt8]) throws(any Error) -> [UInt8]? { try self.transaction.value(key) }
    mutating func set(_ key: [UInt8], _ bytes: [UInt8], expiry: WallTime?) {
        self.transaction.set(key, bytes, expiry: expiry)
    }
    mutating func remove(_ key: [UInt8]) { self.transaction.remove(key) }
}
