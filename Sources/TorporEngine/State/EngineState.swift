import TorporCore
import TorporStore

/// Everything that the engine knows, under one lock: the machines that decide, and the bytes of resident objects.
///
/// Its methods decide and change; they never wait, and wake nobody: they return who is to be woken once the lock is
/// released. Objects go by dense numbers, which are used again.
struct EngineState: ~Copyable {
    let limits: EngineLimits
    var records: ResidentRecords
    var numbers: [StateObjectID: UInt32] = [:]
    private var freeNumbers: [UInt32] = []
    private(set) var nextNumber: UInt32 = 0
    /// The objects that are more than a record at rest.
    var active: [UInt32: ActiveObject] = [:]
    /// Names of declared states that records refer to by number.
    var names: [String] = [""]
    var ledger: Ledger
    var quota: StorageQuota
    /// What is known of its storage is kept while room is made for it, though nothing of it may be left in memory.
    private var accountInNeed: AccountID?
    var commits: CommitStateMachine
    var ownership: OwnershipStateMachine<Parked>
    /// Objects at rest, in the order in which they would be evicted.
    var order: EvictionOrder
    /// When objects at rest have been idle for long enough.
    var idle: DueTimes
    /// Bytes of values that the store lacks, and those who wait for them to become fewer.
    var dirtyBytes = 0
    var roomWaiters: [Parked] = []
    /// Unknown outcomes to be found out.
    var settlements: [Settlement] = []
    /// Whether one of them is being found out.
    var isSettling = false
    /// What live things beside objects in memory take, by object and name.
    var live: [UInt32: [String: Int]] = [:]
    let departures = Departures()
    /// Something was added to them that nobody was woken for yet.
    private var hasDepartures = false
    /// Sessions that were deleted before their tokens were too old.
    var tombstones = TombstoneTable()
    /// How many stored objects were deleted. What was read of an object before the last of them may be out of date.
    var deletionCount = 0
    /// Unused for so long, objects leave memory. Shorter than the configured time while memory is short.
    var idleTimeout: Duration
    /// What is refused since memory is short.
    var admission = GovernorAdmission.everything
    /// The disk has too little room left: nothing new is stored.
    var isDiskLow = false
    /// Whether those of the store are among them; until then calls of sessions wait.
    var knowsTombstones = false
    var tombstoneWaiters: [Parked] = []
    /// Objects evicted for room that nobody was told of yet.
    private var roomEvictionCount = 0
    /// Whether the store does what it is asked for.
    var health: StoreHealth
    /// Keep the engine from asking a store that does not answer. They are two, since a store may be read that cannot be
    /// written.
    var commitBreaker = CircuitBreaker(limits: StoreBreakers.commits)
    var readBreaker = CircuitBreaker(limits: StoreBreakers.reads)
    /// What the store has said last of what is stored in all.
    var storeUsage: StoreUsage
    /// How often the committer has taken a step: what does not rise while there is work stands still.
    var commitSteps: UInt64 = 0
    /// No call begins any more.
    var isStopping = false
    /// Nothing is committed any more, so nothing may change.
    private(set) var hasStopped = false

    init(
        limits: EngineLimits, arena: consuming ResidentArena, fence: Fence?, usage: StoreUsage, now: Instant
    ) {
        self.limits = limits
        self.records = ResidentRecords(arena: arena)
        self.ledger = Ledger(limits: limits.memory)
        self.quota = StorageQuota(
            limits: limits.storage, objects: usage.total.objects, bytes: usage.total.bytes,
            anonymousBytes: usage.anonymous.bytes)
        self.commits = CommitStateMachine(pace: limits.durability, now: now)
        self.ownership = OwnershipStateMachine(wholeStore: fence)
        self.order = EvictionOrder(limits.evictionPolicy)
        self.idle = DueTimes(origin: now)
        self.idleTimeout = limits.idleTimeout
        self.health = StoreHealth()
        self.storeUsage = usage
    }

    // MARK: Numbers and names

    private mutating func takeNumber() -> UInt32 {
        if let number = self.freeNumbers.popLast() { return number }
        defer { self.nextNumber += 1 }
        return self.nextNumber
    }

    /// Nothing is known of the object any more.
    private mutating func forget(_ number: UInt32, _ id: StateObjectID) {
        self.numbers[id] = nil
        self.numbers.shrinkIfSparse()
        self.freeNumbers.append(number)
    }

    mutating func number(ofName name: String) -> UInt16 {
        if let index = self.names.firstIndex(of: name) { return UInt16(index) }
        precondition(self.names.count < Int(UInt16.max), "a server declares fewer states")
        self.names.append(name)
        return UInt16(self.names.count - 1)
    }

    /// Whether the process stops and everything has been committed that can be. From then on nothing changes.
    mutating func stopIfDone() -> Bool {
        if self.isStopping, self.commits.isIdle, self.settlements.isEmpty, !self.isSettling { self.hasStopped = true }
        return self.hasStopped
    }

    // MARK: Requests

    enum Access {
        /// In memory, and kept there for the caller.
        case granted(UInt32)
        /// The caller reads it from the store, and reports.
        case load(UInt32)
        case wait
    }

    /// A call wants an object.
    mutating func request(_ name: ObjectName, by waiter: Parked, now: Instant, time: WallTime) throws(EngineError)
        -> Access
    {
        guard !self.isStopping else { throw .stopping }
        if name.kind == .session {
            guard self.knowsTombstones else {
                self.tombstoneWaiters.append(waiter)
                return .wait
            }
            guard name.reachesEndedSessions || !self.isBuried(name.id) else { throw .missing }
        }
        if self.admission == .noLoads, self.numbers[name.id] == nil { throw .loadsRefused }
        let number = self.numbers[name.id] ?? self.introduce(name)
        self.activate(number)
        switch self.active[number]!.residency.requested(by: waiter) {  // It was activated.
        case .use:
            try self.admitted(number, name, now: now, time: time)
            return .granted(number)
        case .load: return .load(number)
        case .wait: return .wait
        }
    }

    /// A call goes on that was granted the object which it waited for.
    /// - Returns: `nil` when it has left memory again: its changes were dropped, or it was deleted. Ask once more.
    mutating func claim(_ name: ObjectName, now: Instant, time: WallTime) throws(EngineError) -> UInt32? {
        guard let number = self.numbers[name.id] else { preconditionFailure("what is granted is known") }
        guard self.seen(number) != nil else {
            self.release(number, now: now)
            return nil
        }
        try self.admitted(number, name, now: now, time: time)
        return number
    }

    /// A call has the object in use, if it may.
    private mutating func admitted(_ number: UInt32, _ name: ObjectName, now: Instant, time: WallTime)
        throws(EngineError)
    {
        guard self.mayReach(number, name) else {
            self.release(number, now: now)
            throw .missing
        }
        self.touch(number, as: name, now: now, time: time)
    }

    /// Whether a caller may reach what is in memory under a number.
    func mayReach(_ number: UInt32, _ name: ObjectName) -> Bool {
        let head = self.records.head(number).pointee
        return name.mayReach(head.account) && head.kind == name.kind && self.names[Int(head.name)] == name.name
    }

    /// Gives an object that nobody knows a number.
    mutating func introduce(_ name: ObjectName) -> UInt32 {
        let number = self.takeNumber()
        self.numbers[name.id] = number
        self.active[number] = ActiveObject(name, stored: .zero, isResident: false)
        return number
    }

    /// Makes an object that rests in memory ready for use.
    mutating func activate(_ number: UInt32) {
        guard self.active[number] == nil else { return }
        let head = self.records.head(number).pointee
        let name = ObjectName(head.id, head.kind, name: self.names[Int(head.name)], account: head.account)
        var object = ActiveObject(name, stored: head.revision, isResident: true)
        object.reservedBytes = RecordHead.footprint(valueCount: Int(head.valueCount), byteCount: head.byteCount)
        self.active[number] = object
    }

    /// A call has been answered that used the object.
    mutating func release(_ number: UInt32, now: Instant) {
        self.active[number]!.residency.released()  // It is in use.
        if self.records.has(number) { self.records.head(number).pointee.lastUse = now }
        self.rest(number)
    }

    /// Lets an object rest if it may: in memory, if there is anything of it, else only in the store.
    mutating func rest(_ number: UInt32) {
        guard let object = self.active[number] else { return }
        if object.residency.users == 0 { self.active[number]!.versions.forgotten() }
        if object.residency.isForgettable {
            self.active[number] = nil
            return self.forget(number, object.name.id)
        }
        guard object.mayRest else { return }
        let head = self.records.head(number)
        if head.pointee.revision == .zero, self.live[number] == nil {
            // It was looked at, and nothing was kept in it.
            self.active[number]!.residency.evicted()
            self.drop(number)
            self.active[number] = nil
            return self.forget(number, object.name.id)
        }
        self.active[number] = nil
        self.order.touch(number)
        if !self.idle.contains(number) {
            self.idle.schedule(number, at: head.pointee.lastUse + self.idleTimeout)
        }
    }

    /// Takes an object's bytes out of memory.
    mutating func drop(_ number: UInt32) {
        guard self.records.has(number) else { return }
        let object = self.active[number]!  // What is dropped was activated.
        let head = self.records.head(number).pointee
        for index in 0..<Int(head.valueCount) { self.dirtyBytes -= self.records.entry(number, at: index).dirtyBytes }
        self.records.remove(number)
        self.order.remove(number)
        self.idle.cancel(number)
        self.unreserve(object.reservedBytes, of: head.account)
        self.active[number]!.reservedBytes = 0
        self.endLife(beside: number, head.id, of: head.account)
    }

    /// Gives memory back, and forgets an account of which nothing is left in memory.
    mutating func unreserve(_ bytes: Int, of account: AccountID) {
        self.ledger.release(bytes, for: account)
        self.forgetUnused(account)
    }

    /// Forgets what an account has stored if nothing of it is in memory.
    mutating func forgetUnused(_ account: AccountID) {
        if self.ledger.usedBytes(of: account) == 0, account != self.accountInNeed { self.quota.forget(account) }
    }

    /// Whether an object rests in memory.
    func isAtRest(_ number: UInt32) -> Bool { self.records.has(number) && self.active[number] == nil }

    /// A unit may be written again.
    mutating func resumeHeld(of unit: UnitID) {
        // Few units are ever held, so all that is active is looked at.
        for number in self.active.keys.sorted() {
            let name = self.active[number]!.name  // It is one of the keys.
            if UnitID(name.account, name.id) == unit { self.commits.resumed(number) }
        }
    }

    // MARK: Loading

    /// Reserves memory for a record that is about to be read.
    mutating func admit(_ number: UInt32, _ header: RecordHeader) -> Bool {
        let bytes = RecordHead.footprint(valueCount: header.valueCount, byteCount: header.byteCount)
        // Who asked first may be anybody.
        self.active[number]!.name = ObjectName(  // It is loading.
            header.id, header.kind, name: header.name, account: header.account)
        do {
            try self.reserve(bytes, for: header.account, objectBytes: 0)
        } catch {
            return false
        }
        self.active[number]!.reservedBytes = bytes
        return true
    }

    /// The read failed, or found nothing that may be there: those who waited are told why.
    mutating func loadFailed(_ number: UInt32) -> [Parked] {
        let object = self.active[number]!  // It is loading.
        self.active[number]!.reservedBytes = 0
        self.unreserve(object.reservedBytes, of: object.name.account)
        let waiters = self.active[number]!.residency.loadFailed()
        self.rest(number)
        return waiters
    }

    /// Lays an object down in memory that the store does not have: there is nothing in it yet.
    mutating func loadedNothing(_ number: UInt32, _ name: ObjectName, now: Instant, time: WallTime)
        throws(EngineError) -> [Parked]
    {
        self.active[number]!.name = name  // It is loading.
        let bytes = RecordHead.footprint(valueCount: 0, byteCount: 0)
        try self.reserve(bytes, for: name.account, objectBytes: 0)
        let head = RecordHead(
            id: name.id, kind: name.kind, name: self.number(ofName: name.name), account: name.account, created: time,
            expiry: self.limits.expiry(of: name, usedAt: time), now: now)
        guard self.records.insert(number, head, capacity: 1) else {
            self.unreserve(bytes, of: name.account)
            throw .noAddresses
        }
        self.active[number]!.reservedBytes = bytes
        self.active[number]!.versions.reloaded(.zero)
        self.becameResident(number, bytes, now: now)
        return self.active[number]!.residency.loaded()
    }

    /// Lays a record down in memory.
    mutating func loaded(_ number: UInt32, _ header: RecordHeader, _ record: OpenedRecord, now: Instant)
        throws(EngineError) -> [Parked]
    {
        var head = RecordHead(
            id: header.id, kind: header.kind, name: self.number(ofName: header.name), account: header.account,
            created: header.created, expiry: header.expiry, now: now)
        head.revision = header.revision
        head.storedByteCount = header.byteCount
        guard self.records.insert(number, head, capacity: record.values.count) else { throw .noAddresses }
        for value in record.values {
            guard self.records.append(value, of: record, to: number) else {
                self.records.remove(number)
                throw .noAddresses
            }
        }
        let object = self.records.head(number).pointee
        precondition(
            object.byteCount == header.byteCount && Int(object.valueCount) == header.valueCount,
            "a record is as large as its header says")
        self.active[number]!.versions.reloaded(header.revision)
        self.becameResident(number, self.active[number]!.reservedBytes, now: now)
        return self.active[number]!.residency.loaded()
    }

    mutating func becameResident(_ number: UInt32, _ bytes: Int, now: Instant) {
        self.order.insert(number, bytes: bytes)
        self.idle.schedule(number, at: now + self.idleTimeout)
    }

    // MARK: Room

    /// Reserves memory, evicting what rests if need be. When that fails, the caller sees that an account is forgotten that
    /// has nothing in memory any more.
    mutating func reserve(_ bytes: Int, for account: AccountID, objectBytes: Int) throws(EngineError) {
        self.accountInNeed = account
        defer { self.accountInNeed = nil }
        while true {
            do {
                return try self.ledger.reserve(bytes, for: account, objectBytes: objectBytes)
            } catch {
                guard self.makeRoom(for: account, after: error) else { throw EngineError(error) }
            }
        }
    }

    /// Evicts what stands in the way, if it may be evicted.
    private mutating func makeRoom(for account: AccountID, after refusal: LedgerRefusal) -> Bool {
        switch refusal.level {
        case .object: return false
        case .account: return self.evictColdest(refusal) { $0.account == account }
        case .anonymous: return self.evictColdest(refusal) { $0.account.isAnonymous }
        case .process:
            guard self.evictNext() else { return false }
            self.roomEvictionCount += 1
            return true
        }
    }

    /// How many objects were evicted for room since the last time.
    mutating func takeRoomEvictions() -> Int {
        defer { self.roomEvictionCount = 0 }
        return self.roomEvictionCount
    }

    /// Whether objects with live things beside them have left since the last time.
    mutating func takeDepartures() -> Bool {
        defer { self.hasDepartures = false }
        return self.hasDepartures
    }

    /// An object leaves memory with live things beside it.
    mutating func noteDeparture(_ id: StateObjectID) {
        self.departures.add(id)
        self.hasDepartures = true
    }

    /// Evicts the object whose turn it is.
    mutating func evictNext() -> Bool {
        while true {
            // Taken out, so that it may ask while it is at work.
            var order = EvictionOrder(self.order.kind)
            swap(&order, &self.order)
            let search = order.nextVictim { number in self.isAtRest(number) }
            swap(&order, &self.order)
            switch search {
            case .victim(let number):
                self.evict(number)
                return true
            case .unfinished: continue
            case .nothing: return false
            }
        }
    }

    /// Evicts the coldest of the objects that share a limit: what is needed and an eighth of the limit, so that not every
    /// load has to look at all objects.
    private mutating func evictColdest(_ refusal: LedgerRefusal, where isWanted: (RecordHead) -> Bool) -> Bool {
        var candidates: [(lastUse: Instant, number: UInt32)] = []
        for number in 0..<self.nextNumber where self.isAtRest(number) {
            let head = self.records.head(number).pointee
            if isWanted(head) { candidates.append((head.lastUse, number)) }
        }
        candidates.sort { ($0.lastUse, $0.number) < ($1.lastUse, $1.number) }
        let wanted = refusal.needed.bytes + refusal.limit.bytes / 8
        let before = self.ledger.usedBytes
        for candidate in candidates where before - self.ledger.usedBytes < wanted {
            self.evict(candidate.number)
            self.roomEvictionCount += 1
        }
        return self.ledger.usedBytes < before
    }

    /// Evicts an object at rest.
    mutating func evict(_ number: UInt32) {
        self.activate(number)
        self.active[number]!.residency.evicted()
        self.drop(number)
        self.rest(number)
    }
}
