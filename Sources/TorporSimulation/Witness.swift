import TorporCore
import TorporEngine
import TorporStore

/// Sees what calls are told and what the store has, and holds one against the other: the sequential model of all
/// objects.
///
/// It outlives crashes. The first violation is kept.
// Unchecked: used only on the thread that runs the simulation.
final class Witness: @unchecked Sendable {
    /// What is known of an object, whoever has it now.
    // Unchecked: used only on the thread that runs the simulation.
    final class Watched: @unchecked Sendable {
        let name: ObjectName
        /// What the store has of it, by the model.
        var durable = Contents()
        /// Changes whose calls were told that they are durable, since it was last deleted.
        var acknowledged: [Operation.ID] = []
        /// How often its deletion has taken effect.
        var deletions = 0
        /// Deletions that a client has asked for and whose outcome it does not know.
        var openDeletions = 0
        /// A session that its client was told is over: until when it is remembered.
        var endedUntil: WallTime?
        var endedAt = Instant(nanoseconds: 0)
        /// Whether a client was told that it exists.
        var isMade: Bool
        var wasDamaged = false
        /// Calls that have it in use.
        var users = 0
        /// Since when it has been unused at least, by calls that were answered.
        var lastUse: WallTime?

        init(_ name: ObjectName) {
            self.name = name
            self.isMade = name.kind != .handle
        }

        /// Whether it may be missing.
        var mayBeGone: Bool { !self.isMade || self.deletions > 0 || self.openDeletions > 0 }
    }

    private let clock: SimulatedClock
    let limits: EngineLimits
    private let codec = SimulatedCodec()
    private(set) var watched: [StateObjectID: Watched] = [:]
    private(set) var operations: [Operation] = []
    /// Changes whose calls were told that nothing of them was kept.
    private var undone: Set<Operation.ID> = []
    private(set) var violation: Violation?
    var job = 0
    /// Calls that have begun and not ended.
    var calls: [Int: CallRecord] = [:]
    private var callCount = 0
    /// The latest that the civil clock has been before it jumped.
    private var latest = WallTime(milliseconds: 0)
    var counts = Report.Counts()
    /// Told what happens, line by line; `nil` when nobody wants to know.
    private let observe: ((String) -> Void)?

    init(clock: SimulatedClock, limits: EngineLimits, observe: ((String) -> Void)?) {
        self.clock = clock
        self.limits = limits
        self.observe = observe
    }

    func note(_ text: @autoclosure () -> String) {
        guard let observe else { return }
        let milliseconds = self.clock.now.nanoseconds / 1_000_000 - 1_000
        observe("\(milliseconds) ms, job \(self.job): \(text())")
    }

    func fail(_ promise: Violation.Promise, _ text: @autoclosure () -> String) {
        guard self.violation == nil else { return }
        self.violation = Violation(
            promise: promise, text: text(), job: self.job,
            after: self.clock.now.since(Instant(nanoseconds: 1_000_000_000)))
        self.note("VIOLATION: \(text())")
    }

    func expect(_ promise: Violation.Promise, _ holds: Bool, _ text: @autoclosure () -> String) {
        if !holds { self.fail(promise, text()) }
    }

    // MARK: Objects and operations

    func watch(_ name: ObjectName) -> Watched {
        if let known = self.watched[name.id] { return known }
        let watched = Watched(name)
        self.watched[name.id] = watched
        return watched
    }

    func newOperation(on id: StateObjectID, _ effects: [Operation.Effect]) -> Operation {
        let operation = Operation(
            id: UInt32(self.operations.count), object: id, effects: effects, time: self.clock.wallTime)
        self.operations.append(operation)
        return operation
    }

    func undo(_ operation: Operation.ID) { self.undone.insert(operation) }

    // MARK: The store

    /// A change of the store has been made.
    func stored(_ before: DurableState.Object?, _ after: DurableState.Object?, _ change: ObjectChange) {
        let id = change.header.id
        guard let watched = self.watched[id] else {
            return self.fail(.onlyOnesOwnObjects, "an object is stored that nobody asked for: \(id)")
        }
        self.counts.changes += 1
        if let after {
            self.note("stored \(id) revision \(after.header.revision.number)")
            self.written(watched, before, after)
        } else {
            self.note("deleted \(id)")
            self.deleted(watched, existed: before != nil)
        }
    }

    private func written(_ watched: Watched, _ before: DurableState.Object?, _ after: DurableState.Object) {
        let (header, id) = (after.header, watched.name.id)
        self.expect(
            .onlyOnesOwnObjects,
            watched.name.account == header.account
                || watched.name.account.isAnonymous && header.account.isAnonymous,
            "\(id) of \(watched.name.account) is stored as \(header.account)'s")
        if let before {
            self.expect(
                .onlyOnesOwnObjects,
                before.header.account == header.account && before.header.kind == header.kind
                    && before.header.name == header.name && before.header.created == header.created,
                "\(id) has become another object: \(before.header), then \(header)")
            self.expect(.acknowledgedMeansDurable, before.header.revision < header.revision, "\(id) has gone back")
        }
        guard let values = self.open(after) else {
            return self.fail(.sleepIsInvisible, "\(id) is stored in a form that cannot be read")
        }
        let bytes = values.reduce(0) { $0 + $1.key.count + $1.value.bytes.count + ($1.value.expiry == nil ? 0 : 8) }
        self.expect(
            .theCapHolds, header.valueCount == values.count && header.byteCount == bytes,
            "\(id) is said to have \(header.valueCount) values of \(header.byteCount) bytes, and has \(values.count) of \(bytes)"
        )
        self.expect(
            .theQuotasHold, values.count <= self.limits.storage.objectValuesMax, "\(id) has \(values.count) values")
        let log = Operation.decodeLog(values[Key.log]?.bytes)
        guard log.starts(with: watched.durable.log) else {
            return self.fail(.acknowledgedMeansDurable, "\(id) lost changes: \(watched.durable.log), then \(log)")
        }
        for operation in log.dropFirst(watched.durable.log.count) {
            guard self.isGood(operation, in: watched) else { return }
            watched.durable.apply(self.operations[Int(operation)])
        }
        let expected = watched.durable.values.filter { key, value in values[key] != nil || !self.wasOver(value) }
        self.expect(
            .changesAreAtomic, expected == values,
            "\(id) holds \(Self.text(values)) in the store after \(log), not \(Self.text(watched.durable.values))")
    }

    private func deleted(_ watched: Watched, existed: Bool) {
        watched.durable = Contents()
        watched.acknowledged = []
        watched.deletions += 1
        defer { watched.lastUse = nil }
        guard watched.openDeletions == 0, existed else { return }
        self.expect(.nothingInFlightIsCut, watched.users == 0, "\(watched.name.id) expired while a call used it")
        let time = self.clock.wallTime
        self.expect(
            .nothingInFlightIsCut, watched.lastUse.map { $0 + self.limits.retention <= time } ?? true,
            "\(watched.name.id) was deleted before its retention was over")
        self.counts.expirations += 1
    }

    private func open(_ object: DurableState.Object) -> [[UInt8]: Contents.Value]? {
        var values: [[UInt8]: Contents.Value] = [:]
        for (key, stored) in object.values {
            var raw: [UInt8] = []
            let expiry = key.withUnsafeBytes { key in
                stored.withUnsafeBytes { stored in
                    Result { try self.codec.open(stored, key: key, of: object.header.id, into: &raw) }
                }
            }
            guard case .success(let expiry) = expiry else { return nil }
            values[key] = Contents.Value(bytes: raw, expiry: expiry)
        }
        return values
    }

    /// Whether a change may be found in an object.
    private func isGood(_ operation: Operation.ID, in watched: Watched) -> Bool {
        guard Int(operation) < self.operations.count, self.operations[Int(operation)].object == watched.name.id else {
            self.fail(.changesAreAtomic, "\(watched.name.id) has a change that nobody made there: \(operation)")
            return false
        }
        guard !self.undone.contains(operation) else {
            self.fail(.acknowledgedMeansDurable, "change \(operation) took effect after its call was told otherwise")
            return false
        }
        return true
    }

    /// Whether the time of a value has ever been over: it goes whenever the engine likes, also when the clock was wrong.
    private func wasOver(_ value: Contents.Value) -> Bool {
        value.expiry.map { $0 <= max(self.latest, self.clock.wallTime) } ?? false
    }

    // MARK: What calls see

    /// A call has read all of an object at one moment.
    /// - Returns: Whether it fits.
    func saw(_ values: [[UInt8]: [UInt8]], keys: [[UInt8]], of watched: Watched) -> [Operation.ID] {
        let log = Operation.decodeLog(values[Key.log])
        self.sawLog(log, of: watched)
        guard self.violation == nil else { return log }
        var contents = log.starts(with: watched.durable.log) ? watched.durable : Contents()
        for operation in log.dropFirst(contents.log.count) { contents.apply(self.operations[Int(operation)]) }
        let visible = contents.visible(at: self.clock.wallTime).filter { key, _ in
            values[key] != nil || !self.wasOver(contents.values[key]!)  // What is visible is among them.
        }
        self.expect(
            .changesAreAtomic, visible == values,
            "\(watched.name.id) reads \(Self.text(values)) after \(log), not \(Self.text(visible))")
        let wanted = visible.keys.filter { $0.starts(with: Key.valuePrefix) }
        self.expect(
            .changesAreAtomic, wanted.sorted { $0.lexicographicallyPrecedes($1) } == keys,
            "\(watched.name.id) lists other keys than it holds")
        return log
    }

    func sawLog(_ log: [Operation.ID], of watched: Watched) {
        self.expect(
            .changesHaveOneOrder, log.starts(with: watched.durable.log),
            "\(watched.name.id) reads \(log), and stored is \(watched.durable.log)")
        let seen = Set(log)
        self.expect(.changesAreAtomic, seen.count == log.count, "\(watched.name.id) has a change twice: \(log)")
        for operation in watched.acknowledged where !seen.contains(operation) {
            return self.fail(
                .sleepIsInvisible,
                "\(watched.name.id) reads \(log), without change \(operation), which was acknowledged")
        }
        for operation in log where !self.isGood(operation, in: watched) { return }
    }

    // MARK: Calls

    /// Civil time has jumped: how long an object was unused by it tells nothing any more, and what was remembered
    /// only until then may be forgotten, also when it jumps back.
    func timeJumped(from former: WallTime) {
        self.counts.jumps += 1
        self.latest = max(self.latest, former)
        let latest = max(former, self.clock.wallTime)
        for watched in self.watched.values {
            watched.lastUse = nil
            if let until = watched.endedUntil, until <= latest { watched.endedUntil = nil }
        }
    }

    func begin(_ call: CallRecord) {
        self.callCount += 1
        call.number = self.callCount
        call.wallTime = self.clock.wallTime
        call.start = self.clock.now
        self.calls[call.number] = call
        self.counts.calls += 1
    }

    func end(_ call: CallRecord) {
        self.calls[call.number] = nil
        for watched in call.inUse { watched.users -= 1 }
        call.inUse = []
    }

    /// Something leaves a call: all that it has seen is in the store.
    ///
    /// With durability `interval` nobody was promised that.
    func passed(_ call: CallRecord) {
        guard self.limits.durability == .acknowledged else { return }
        for sight in call.sights where sight.watched.deletions == sight.deletions {
            self.expect(
                .nothingLeavesBeforeItIsDurable, sight.watched.durable.log.starts(with: sight.log),
                "an answer reveals \(sight.log) of \(sight.watched.name.id), and stored is \(sight.watched.durable.log)"
            )
        }
        for change in call.changes where change.watched.deletions == change.deletions {
            self.expect(
                .acknowledgedMeansDurable, change.watched.durable.log.contains(change.operation),
                "change \(change.operation) of \(change.watched.name.id) is acknowledged, and stored is \(change.watched.durable.log)"
            )
            if !change.watched.acknowledged.contains(change.operation) {
                change.watched.acknowledged.append(change.operation)
                self.counts.acknowledged += 1
            }
            change.watched.isMade = true
        }
        call.changes.removeAll { $0.watched.deletions == $0.deletions }
        for watched in call.inUse {
            if call.jumpCount == self.counts.jumps {
                watched.lastUse = max(watched.lastUse ?? call.wallTime, call.wallTime)
            }
        }
    }

    /// A call has ended with an error: of what it changed, something or nothing was kept.
    func failed(_ call: CallRecord, _ error: any Error) {
        guard let error = error as? EngineError, error.code == .lost, call.changeCount == 1, !call.hasReadSince,
            let change = call.changes.first, change.watched.deletions == change.deletions
        else { return }
        self.expect(
            .acknowledgedMeansDurable, !change.watched.durable.log.contains(change.operation),
            "a call was told that change \(change.operation) of \(change.watched.name.id) is lost, and it is stored")
        self.undone.insert(change.operation)
    }

    func observed(_ event: EngineEvent) {
        switch event {
        case .loaded(.found, _): self.counts.loads += 1
        case .evicted(_, let count): self.counts.evictions += count
        case .loadFailed(let id, let error): self.note("load of \(id) failed: \(error.code)")
        case .storeFailed(let what, let error): self.note("failed to \(what): \(error.code)")
        case .committed(let batch, _, let end, _):
            self.counts.commits += 1
            self.note(
                "batch of \(batch.objects.map { "\($0.header.id) \($0.base.number)-\($0.header.revision.number)" }): \(end)"
            )
        default: break
        }
    }

    static func text(_ values: [[UInt8]: Contents.Value]) -> String { Self.text(values.mapValues(\.bytes)) }

    static func text(_ values: [[UInt8]: [UInt8]]) -> String {
        let parts = values.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, value in
            let head =
                value.count == 8
                ? "\(value.withUnsafeBytes { $0.loadUnaligned(as: Int.self) })" : "\(value.count) bytes"
            return "\(String(decoding: key, as: UTF8.self)): \(head)"
        }
        return "[\(parts.joined(separator: ", "))]"
    }
}
