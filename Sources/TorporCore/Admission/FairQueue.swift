/// Decides which call runs and which waits: so many run at once, of all callers and of each, and callers take turns.
/// Holds no clock and no call.
///
/// **Fair**: callers that wait stand in a ring, and each turn starts one call of one caller. So whoever has one call
/// waiting waits for no more than one start of each other caller, however many calls those have brought. Calls of one
/// caller start in the order in which they came. Who is at its own limit leaves the ring until one of its calls
/// finishes.
///
/// **Bounded**: ``FairQueueLimits`` say how many wait and for how long. Nothing is kept of a caller of which nothing
/// runs or waits; where callers have no limit of their own, nothing is kept of those of which something runs, either.
///
/// Every method is O(1), amortised, for each call that it starts or gives back. A call that starts at once allocates
/// nothing where callers have no limit of their own, and touches one dictionary where they have.
package struct FairQueue<Caller: Hashable, Item> {
    /// Names a waiting call. Never used again.
    package struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// A call that waited, or waits.
    package struct Waiting {
        package let caller: Caller
        package let item: Item
        /// When it came.
        package let since: Instant
    }

    /// What becomes of a call that arrives.
    package enum Entry {
        /// It runs. Later ``finished(_:)``.
        case start
        /// It waits. It comes back from ``finished(_:)``, ``expire(now:)``, ``cancel(_:)`` or ``removeAll()``.
        case queued(Ticket)
        case refused(Refusal)
    }

    /// Why a call neither runs nor waits.
    package enum Refusal: Hashable, Sendable {
        /// As many wait as may, of all callers.
        case queueFull
        /// As many wait as may, of this caller.
        case callerQueueFull
    }

    private struct CallerState: Sendable {
        /// Calls that run. Counted only where callers have a limit of their own.
        var running = 0
        /// Calls that wait.
        var waiting = 0
        /// The tickets of those, oldest first, among others that wait no more.
        var tickets = WaitingLine<UInt64>()
        /// Its turn, when it stands in the ring.
        var turn: UInt64?
    }

    fileprivate struct Turn {
        let number: UInt64
        let caller: Caller
    }

    package let limits: FairQueueLimits
    /// Calls that run.
    @usableFromInline var running = 0
    /// Calls that wait.
    @usableFromInline var waitingCount = 0
    private var nextNumber: UInt64 = 0
    private var waiting: [UInt64: Waiting] = [:]
    /// The tickets of all that wait, oldest first, among others. The first is one that waits.
    private var ages = WaitingLine<UInt64>()
    private var callers: [Caller: CallerState] = [:]
    /// The callers that may start something as soon as there is room, among turns that were given up.
    private var ring = WaitingLine<Turn>()
    private var ringCount = 0

    package init(limits: FairQueueLimits = FairQueueLimits()) { self.limits = limits }

    /// Calls that run.
    package var runningTotal: Int { self.running }
    /// Calls that wait.
    package var waitingTotal: Int { self.waitingCount }
    /// Whether whoever comes next runs at once, and nobody is counted.
    package var hasRoom: Bool { self.running < self.limits.runningMax && self.limits.callerRunningMax == nil }
    /// Callers that something is kept of.
    package var callerCount: Int { self.callers.count }
    /// Places taken in tables, for checks that they shrink.
    var tableCount: Int { self.waiting.count + self.callers.count + self.ages.count + self.ring.count }

    /// When ``expire(now:)`` has something to give back; `nil` when nothing waits.
    package var nextExpiry: Instant? {
        guard let oldest = self.ages.first, let waiting = self.waiting[oldest] else { return nil }
        return waiting.since + self.limits.waitMax
    }

    // MARK: Calls

    /// A call arrives.
    /// - Parameters:
    ///   - item: Kept if the call has to wait.
    ///   - now: Not before that of an earlier call of this method.
    @inlinable package mutating func enter(_ item: Item, from caller: Caller, now: Instant) -> Entry {
        if self.running < self.limits.runningMax, self.limits.callerRunningMax == nil {
            self.running += 1
            return .start
        }
        return self.enterCounted(item, from: caller, now: now)
    }

    /// A call that ran has ended.
    /// - Returns: The call that starts in its place.
    /// - Precondition: It ran.
    @inlinable package mutating func finished(_ caller: Caller) -> Waiting? {
        precondition(self.running > 0, "a call ends once")
        self.running -= 1
        if self.waitingCount == 0, self.limits.callerRunningMax == nil { return nil }
        return self.finishedCounted(caller)
    }

    /// A waiting call is not wanted any more.
    /// - Returns: `nil` when it does not wait any more.
    package mutating func cancel(_ ticket: Ticket) -> Waiting? {
        guard let waiting = self.forget(ticket.number) else { return nil }
        self.tidy()
        return waiting
    }

    /// Gives back, oldest first, the calls that have waited for ``FairQueueLimits/waitMax`` or longer.
    package mutating func expire(now: Instant) -> [Waiting] {
        var expired: [Waiting] = []
        while let due = self.nextExpiry, due <= now, let oldest = self.ages.popFirst() {
            if let waiting = self.forget(oldest) { expired.append(waiting) }
        }
        if !expired.isEmpty { self.tidy() }
        return expired
    }

    /// Gives back all calls that wait, oldest first.
    package mutating func removeAll() -> [Waiting] {
        var removed: [Waiting] = []
        while let oldest = self.ages.popFirst() {
            if let waiting = self.forget(oldest) { removed.append(waiting) }
        }
        self.tidy()
        return removed
    }

    // MARK: Counting

    /// What ``enter(_:from:now:)`` does when it has to count or to wait.
    ///
    /// While something in all may run, whoever waits is at its own limit; so who is not at its limit overtakes nobody.
    package mutating func enterCounted(_ item: Item, from caller: Caller, now: Instant) -> Entry {
        if self.running < self.limits.runningMax, self.startCounted(caller) {
            self.running += 1
            return .start
        }
        let waitingOfCaller = self.callers[caller]?.waiting ?? 0
        guard waitingOfCaller < self.limits.callerWaitingMax else { return .refused(.callerQueueFull) }
        guard self.waitingCount < self.limits.waitingMax else { return .refused(.queueFull) }
        let number = self.newNumber()
        self.waiting[number] = Waiting(caller: caller, item: item, since: now)
        self.waitingCount += 1
        self.ages.append(number)
        self.callers[caller, default: CallerState()].waiting += 1
        self.callers[caller]?.tickets.append(number)
        self.takeTurn(caller)
        return .queued(Ticket(number: number))
    }

    /// Counts a call of a caller that is below its limit.
    private mutating func startCounted(_ caller: Caller) -> Bool {
        guard let callerMax = self.limits.callerRunningMax else { return true }
        return Self.start(&self.callers[caller, default: CallerState()], callerMax: callerMax)
    }

    private static func start(_ state: inout CallerState, callerMax: Int) -> Bool {
        guard state.running < callerMax else { return false }
        state.running += 1
        return true
    }

    /// What ``finished(_:)`` does when it has to count or something waits.
    package mutating func finishedCounted(_ caller: Caller) -> Waiting? {
        if self.limits.callerRunningMax != nil {
            guard let running = self.callers[caller]?.running, running > 0 else {
                preconditionFailure("a call ends once")
            }
            self.callers[caller]?.running = running - 1
            self.takeTurn(caller)
            self.forgetIfUnused(caller)
        }
        let next = self.startNext()
        self.tidy()
        return next
    }

    // MARK: Turns

    private mutating func startNext() -> Waiting? {
        while let turn = self.ring.popFirst() {
            guard self.callers[turn.caller]?.turn == turn.number else { continue }
            self.callers[turn.caller]?.turn = nil
            self.ringCount -= 1
            while let number = self.callers[turn.caller]?.tickets.popFirst() {
                guard let next = self.waiting.removeValue(forKey: number) else { continue }
                self.waitingCount -= 1
                self.callers[turn.caller]?.waiting -= 1
                self.running += 1
                _ = self.startCounted(turn.caller)
                self.takeTurn(turn.caller)
                self.forgetIfUnused(turn.caller)
                self.skipAges()
                return next
            }
            preconditionFailure("who stands in the ring has something waiting")
        }
        return nil
    }

    /// Puts a caller at the end of the ring if it has something waiting, is below its limit, and is not there yet.
    private mutating func takeTurn(_ caller: Caller) {
        guard let state = self.callers[caller], state.waiting > 0, state.turn == nil else { return }
        if let callerMax = self.limits.callerRunningMax, state.running >= callerMax { return }
        let number = self.newNumber()
        self.callers[caller]?.turn = number
        self.ring.append(Turn(number: number, caller: caller))
        self.ringCount += 1
    }

    // MARK: Tables

    private mutating func newNumber() -> UInt64 {
        self.nextNumber += 1
        return self.nextNumber
    }

    /// Takes a waiting call out, and its caller out of the ring if it was its last.
    private mutating func forget(_ number: UInt64) -> Waiting? {
        guard let waiting = self.waiting.removeValue(forKey: number) else { return nil }
        self.waitingCount -= 1
        let caller = waiting.caller
        self.callers[caller]?.waiting -= 1
        if self.callers[caller]?.waiting == 0, self.callers[caller]?.turn != nil {
            self.callers[caller]?.turn = nil
            self.ringCount -= 1
        }
        self.sweepTickets(of: caller)
        self.forgetIfUnused(caller)
        self.skipAges()
        return waiting
    }

    private mutating func forgetIfUnused(_ caller: Caller) {
        guard let state = self.callers[caller], state.waiting == 0, state.running == 0 else { return }
        self.callers[caller] = nil
    }

    /// Keeps the oldest of all at the front.
    private mutating func skipAges() {
        while let oldest = self.ages.first, self.waiting[oldest] == nil { _ = self.ages.popFirst() }
    }

    private mutating func sweepTickets(of caller: Caller) {
        guard let meaningful = self.callers[caller]?.waiting else { return }
        let waiting = self.waiting
        self.callers[caller]?.tickets.tidy(meaningful: meaningful) { waiting[$0] != nil }
    }

    private mutating func tidy() {
        self.tidyLines()
        self.waiting.shrinkIfSparse()
        self.callers.shrinkIfSparse()
    }

    private mutating func tidyLines() {
        let (waiting, callers) = (self.waiting, self.callers)
        self.ages.tidy(meaningful: self.waitingCount) { waiting[$0] != nil }
        self.ring.tidy(meaningful: self.ringCount) { callers[$0.caller]?.turn == $0.number }
    }
}

extension FairQueue: Sendable where Caller: Sendable, Item: Sendable {}
extension FairQueue.Waiting: Sendable where Caller: Sendable, Item: Sendable {}
extension FairQueue.Turn: Sendable where Caller: Sendable {}
extension FairQueue.Entry: Sendable {}
