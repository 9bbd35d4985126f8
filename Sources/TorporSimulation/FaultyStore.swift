import TorporCore
import TorporStore
import TorporTestSupport

/// One opening of a simulated store, which keeps the port's promises and makes use of every freedom that they leave: it
/// is slow, away, loses answers, carries commits out later unless they are fenced off, and refuses objects.
// Unchecked: used only on the thread that runs the simulation.
final class FaultyStore: StateStore, @unchecked Sendable {
    let identity: UInt128 = 1
    let incarnation: UInt64

    private let durable: DurableState
    private let clock: SimulatedClock
    private let defect: Defect?
    /// Whether faults spare what has to do with an account.
    private let isSpared: (AccountID) -> Bool
    private var random: SeededGenerator
    private(set) var faults: Faults
    private(set) var isClosed = false
    /// Until when nothing is reached.
    private var outageEnd: Instant?
    /// How often something failed that everybody notices.
    private(set) var outageCount = 0

    init(
        _ durable: DurableState, clock: SimulatedClock, seed: UInt64, faults: Faults, defect: Defect?,
        isSpared: @escaping (AccountID) -> Bool
    ) {
        durable.open()
        self.durable = durable
        self.clock = clock
        self.defect = defect
        self.isSpared = isSpared
        self.faults = faults
        self.incarnation = durable.incarnation
        self.random = SeededGenerator(seed: seed &+ self.incarnation &* 7_919, stream: .store)
    }

    /// From now on nothing goes wrong.
    func calmDown() {
        self.faults = []
        self.outageEnd = nil
    }

    /// The process has ended.
    func crash() { self.isClosed = true }

    var isOut: Bool { self.outageEnd.map { self.clock.now < $0 } ?? false }

    /// Whether an outage ended only just. The engine leaves a store alone that could not be reached, for 2 s at most from
    /// one trial to the next, and a trial may fail for another reason.
    var isHardlyBack: Bool { self.outageEnd.map { self.clock.now < $0 + .seconds(10) } ?? false }

    // MARK: Faults

    private func pauseLength() -> Duration? {
        guard self.faults.contains(.delays), !self.random.oneIn(3) else { return nil }
        if self.random.oneIn(50) { return .milliseconds(self.random.number(500...4_000)) }
        return .microseconds(self.random.magnitude(10...50_000))
    }

    /// A reading begins or ends, which takes its time and may fail.
    private func pauseReading(of account: AccountID?) async throws(StoreError) {
        if let pause = self.pauseLength() {
            do { try await self.clock.sleep(pause) } catch {
                throw StoreError(.unavailable, "The operation was cancelled.")
            }
        }
        if Task.isCancelled { throw StoreError(.unavailable, "The operation was cancelled.") }
        if self.isClosed { throw StoreError(.closed, "The store is closed.") }
        if self.isOut {
            self.outageCount += 1
            throw StoreError(.unavailable, "The store is not reached.")
        }
        if self.faults.contains(.failedReads), !(account.map { self.isSpared($0) } ?? true), self.random.oneIn(12) {
            throw StoreError(.unavailable, "The store is not reached.")
        }
    }

    private func pauseCommit() async throws(StoreError) {
        if let pause = self.pauseLength() { _ = await self.clock.sleepThrough(pause) }
        if self.isClosed { throw StoreError(.closed, "The store is closed.") }
    }

    // MARK: Ownership

    func acquire(_ unit: UnitID, after former: Fence?) async throws(StoreError) -> Fence {
        try await self.pauseReading(of: Self.account(of: unit))
        guard let former else { return self.durable.fence(of: unit) }
        if self.durable.fence(of: unit).incarnation != former.incarnation {
            throw StoreError(.closed, "The store was opened by somebody else.")
        }
        guard self.durable.fence(of: unit) == former else { return self.durable.fence(of: unit) }
        let isAnswerLost = self.faults.contains(.failedReads) && self.random.oneIn(8)
        if isAnswerLost, self.random.oneIn(2) { throw StoreError(.outcomeUnknown, "No answer came.") }
        let fence = self.durable.outdo(unit)
        if isAnswerLost { throw StoreError(.outcomeUnknown, "No answer came.") }
        try await self.pauseReading(of: nil)
        return fence
    }

    private static func account(of unit: UnitID) -> AccountID {
        switch unit {
        case .principal(let bits): .principal(bits)
        case .object(let id): .anonymous(id.bits)
        }
    }

    // MARK: Commits

    private enum Fate {
        case carriedOut
        case refused(CommitRefusal.Reason)
        /// No answer comes.
        case carriedOutUnseen, lost, late

        var isRefusal: Bool {
            if case .refused = self { true } else { false }
        }
    }

    func commit(_ batch: CommitBatch) async throws(StoreError) -> [CommitOutcome] {
        if self.isClosed { throw StoreError(.closed, "The store is closed.") }
        if self.outageEnd == nil || !self.isOut, self.faults.contains(.outages), self.random.oneIn(40) {
            self.outageEnd = self.clock.now + .milliseconds(self.random.magnitude(1...15_000))
        }
        if self.isOut {
            self.outageCount += 1
            throw StoreError(.unavailable, "The store is not reached.")
        }
        try await self.pauseCommit()
        if self.defect == .staysSilent, self.random.oneIn(10) { _ = await self.clock.sleepThrough(.seconds(3_600)) }
        let isAnswerLost = self.faults.contains(.unknownOutcomes) && self.random.oneIn(20)
        let fates = batch.objects.map { self.fate(of: $0, isAnswerLost: isAnswerLost) }
        if self.defect == .sharesRefusals, fates.contains(where: \.isRefusal) {
            return fates.map { _ in .refused(CommitRefusal(.full, "Another object was refused.")) }
        }
        var outcomes: [CommitOutcome] = []
        for (change, fate) in zip(batch.objects, fates) {
            switch fate {
            case .carriedOut: outcomes.append(self.durable.apply(change, of: batch))
            case .refused(let reason): outcomes.append(.refused(CommitRefusal(reason, "It is simulated.")))
            case .carriedOutUnseen:
                _ = self.durable.apply(change, of: batch)
                outcomes.append(.unknown)
            case .lost: outcomes.append(.unknown)
            case .late:
                let delay = Duration.microseconds(self.random.magnitude(10...5_000_000))
                self.clock.after(delay) { [durable] in _ = durable.apply(change, of: batch) }
                outcomes.append(.unknown)
            }
        }
        try await self.pauseCommit()
        return outcomes
    }

    private func fate(of change: ObjectChange, isAnswerLost: Bool) -> Fate {
        if self.isSpared(change.header.account) { return .carriedOut }
        if isAnswerLost || self.faults.contains(.unknownOutcomes) && self.random.oneIn(25) {
            switch self.random.number(0...2) {
            case 0: return .carriedOutUnseen
            case 1: return .lost
            default: return .late
            }
        }
        if self.faults.contains(.refusals), self.random.oneIn(20) {
            return .refused([.full, .unacceptable, .unwritable][self.random.number(0...2)])
        }
        return .carriedOut
    }

    // MARK: Reading

    func load(
        _ id: StateObjectID, admit: @escaping @Sendable (RecordHeader) -> Bool
    ) async throws(StoreError) -> LoadResult {
        let account = self.durable.objects[id]?.header.account
        try await self.pauseReading(of: account)
        guard let object = self.durable.objects[id], self.defect != .losesObjects || !self.random.oneIn(4) else {
            return .missing
        }
        if object.damage == .unreadable { throw StoreError(.corruptRecord, "The record cannot be read.") }
        let isStale = self.defect == .servesStale && self.random.oneIn(4)
        let record = self.durable.record(of: isStale ? self.durable.former[id] ?? object : object)
        if !admit(record.header) { return .notAdmitted(record.header) }
        try await self.pauseReading(of: account)
        return .found(record)
    }

    func header(of id: StateObjectID) async throws(StoreError) -> RecordHeader? {
        let header = self.durable.objects[id]?.header
        let isEarly = self.random.oneIn(2)
        try await self.pauseReading(of: header?.account)
        return isEarly ? header : self.durable.objects[id]?.header
    }

    func headers(after last: StateObjectID?, matching filter: RecordFilter, limit: Int) async throws(StoreError)
        -> [RecordHeader]
    {
        try await self.pauseReading(of: nil)
        let headers = self.durable.headers.filter { header in
            filter.matches(header) && last.map { $0 < header.id } ?? true
        }
        return Array(headers.prefix(limit))
    }

    func expired(at time: WallTime, limit: Int) async throws(StoreError) -> [RecordHeader] {
        let headers = self.durable.headers.filter { $0.expiry <= time || self.defect == .expiresEarly }
        try await self.pauseReading(of: .anonymous(0))
        return Array(headers.sorted { ($0.expiry, $0.id) < ($1.expiry, $1.id) }.prefix(limit))
    }

    func tombstones(skipping count: Int, limit: Int) async throws(StoreError) -> [Tombstone] {
        do { try await self.pauseReading(of: .anonymous(0)) } catch {
            // Nobody's session can be served.
            self.outageCount += 1
            throw error
        }
        return Array(self.durable.tombstones.dropFirst(count).prefix(limit))
    }

    func setQuarantined(_ isQuarantined: Bool, _ id: StateObjectID) async throws(StoreError) {
        try await self.pauseReading(of: nil)
    }

    func usage(of account: AccountID) async throws(StoreError) -> AccountUsage {
        let usage = self.durable.usage { $0.account == account }
        let isEarly = self.random.oneIn(2)
        try await self.pauseReading(of: account)
        return isEarly ? usage : self.durable.usage { $0.account == account }
    }

    func usage() async throws(StoreError) -> StoreUsage { self.usageNow }

    /// What it says at its opening.
    var usageAtOpening: StoreUsage {
        var usage = self.usageNow
        if self.defect == .miscounts, usage.total.objects > 0 { usage.total.objects -= 1 }
        return usage
    }

    /// What is stored in all, at once.
    var usageNow: StoreUsage { self.durable.usage }

    func close() async { self.isClosed = true }
}
