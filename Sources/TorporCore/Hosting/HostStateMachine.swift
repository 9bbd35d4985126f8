/// Decides which key of one hosted server has a child, and which call uses it. Holds no clock, process or folder: the
/// caller passes `now`, does what the actions say, and reports what came of it.
///
/// **Life of a key**: asleep → waking (its folder is restored, its child starts) → awake → stopping (its child ends, its
/// folder is saved) → asleep. Calls of a key that wakes join that start. Calls of a key that stops wait until it has
/// stopped, and wake it again. A key never has two children.
///
/// **Room**: there are no more than ``HostLimits/childrenMax`` children, and ``HostLimits/accountChildrenMax`` of one
/// account. When there is no room, the child that was idle for longest is stopped; one that has calls never is, and one
/// that had calls just now stays for as long as its start took, lest there be a start for each call. Accounts that wait
/// for room take turns, and so do accounts that wait for one busy child. What every call is promised is an end, not a
/// child: after ``HostLimits/queueTimeout`` it is refused.
///
/// **Failures**: a key whose start failed, or whose child ended too soon, is left alone for a while that doubles. When
/// starts of several keys fail and none succeeds, nobody waits for a start any more, and one at a time is tried.
///
/// What every event returns has to be done, in that order. Each `start` is answered by ``started(_:now:)`` or
/// ``startFailed(_:now:jitter:)`` and each `stop` by ``stopped(_:isSaved:now:jitter:)``, once; a start that was stopped
/// meanwhile is answered by the latter alone. Each call that got a child ends by ``callEnded(_:now:)``, unless a `fail`
/// has ended it. `now` is never before that of an earlier event.
///
/// Using an awake child and ending a call are O(1), amortised, while nobody waits for room. All else is
/// O(children + waiting accounts) at most, next to which a process is started or stopped.
package struct HostStateMachine: Sendable {
    // Concrete, since generic code is not specialised for other modules: a call costs a tenth of what it would.
    package typealias Key = HostKey
    package typealias Account = AccountID

    /// What is to be done, and reported.
    package enum Action: Hashable, Sendable {
        /// The call that waited has this child.
        case use(HostCallID, ChildNumber)
        /// The call that waited is not made.
        case refuse(HostCallID, HostRefusal)
        /// The call that was made has no child any more.
        case fail(HostCallID, HostFailure)
        /// Restore the key's folder and start a child for it; or, if it `isSpare`, give it the one that was started
        /// ahead under this number.
        case start(ChildNumber, Key, isSpare: Bool)
        /// Start a child for nobody yet.
        case startSpare(ChildNumber)
        /// End the child, and whatever was begun to start it, and save its key's folder.
        case stop(ChildNumber, HostStopReason)
    }

    struct Child: Sendable {
        enum Phase: Hashable, Sendable {
            /// Being started, or a spare being given to its key. Next: `idle` or `busy`, `spare`, `stopping`, or gone.
            case waking
            /// Up, for nobody yet. Next: `waking`, `stopping`.
            case spare
            /// Up, without calls. Next: `busy`, `stopping`.
            case idle
            /// Up, with calls that run or are held. Next: `idle`, `stopping`.
            case busy
            /// Being ended, its folder being saved. Next: gone.
            case stopping(HostStopReason)
        }

        var phase: Phase
        /// Tells this stay in its phase from others, in the lines that it stands in.
        var stamp: UInt64
        /// When it came into its phase.
        var since: Instant
        /// Whose it is; `nil` for one that was started ahead.
        var owner: (key: Key, account: Account)?
        /// When it was up.
        var awakeSince: Instant
        /// How long it took to start; `nil` before it is up.
        var startDuration: Duration?
        var running = 0
        var held = 0
        /// Why it stops as soon as it has no calls.
        var lastReason: HostStopReason?
    }

    struct KeyState: Sendable {
        enum Phase: Hashable, Sendable {
            /// No child, and nobody wants one. Kept in mind because of its failures only. Next: any but `stopping`.
            case asleep
            /// Calls wait until its gate opens. Next: `queued`, `asleep`.
            case backingOff
            /// Calls wait for a start: for room, or their account's turn. Next: `child`, `asleep`.
            case queued(FairLine<Account, Key>.Ticket)
            /// It has a child, in whichever phase. Next: `asleep`, `backingOff`, `queued`.
            case child(ChildNumber)
        }

        var phase = Phase.asleep
        /// Who made the first of the calls that wait: whose turn it takes, and who has the child counted.
        var account: Account
        /// The calls that wait for it.
        var calls = FairLine<Account, HostCallID>()
        var gate = StartGate()
    }

    struct WaitingCall: Sendable {
        let key: Key
        let account: Account
        let since: Instant
        let ticket: FairLine<Account, HostCallID>.Ticket
    }

    struct PlacedCall: Sendable {
        let child: ChildNumber
        let account: Account
        /// Since when it is held, and which time it is; `nil` while it runs.
        var hold: (stamp: UInt64, since: Instant)?
    }

    struct AccountState: Sendable {
        /// Its children, those that stop included.
        var children = 0
        var stopping = 0
        var waiting = 0
        var held = 0

        var isUnused: Bool { self.children == 0 && self.waiting == 0 && self.held == 0 }
    }

    /// A stay in a phase, or a hold, that something happens to after a while; without meaning once it has ended.
    struct Stay<Subject: Sendable>: Sendable {
        let subject: Subject
        let stamp: UInt64
    }

    package let limits: HostLimits
    /// What the idle timeout is multiplied by.
    var idleFactor = 1.0
    /// While memory is short no child is started: who needs one is told to come back after so long. Else `nil`.
    var startsRetryAfter: Duration?
    /// No calls are taken any more.
    package internal(set) var isDraining = false
    var figuresNow = HostFigures()

    /// The last stamp.
    var lastStamp: UInt64 = 0
    /// The number of the last child.
    var lastChild: UInt64 = 0
    var children: [ChildNumber: Child] = [:]
    var keys: [Key: KeyState] = [:]
    var accounts: [Account: AccountState] = [:]
    var waiting: [HostCallID: WaitingCall] = [:]
    var placed: [HostCallID: PlacedCall] = [:]

    /// The keys that wait for room.
    var roomLine = FairLine<Account, Key>()
    /// The calls that wait, oldest first.
    var waitingAges = WaitingLine<HostCallID>()
    /// The calls that are held, oldest first.
    var heldAges = WaitingLine<Stay<HostCallID>>()
    /// The children that wake, oldest first.
    var wakingAges = WaitingLine<Stay<ChildNumber>>()
    /// The children that are idle, coldest first.
    var idleAges = WaitingLine<Stay<ChildNumber>>()
    /// The children that were started ahead and are up, oldest first.
    var spares: [ChildNumber] = []
    /// Those that are on their way up.
    var sparesWaking = 0
    /// How many of them there should be.
    var sparesWanted: Int
    /// An idle child may be stopped then for those that wait for room; `nil` while that would help nobody.
    var nextRoom: Instant?
    /// No gate opens, and none is forgotten, before that.
    var nextGate: Instant?

    /// Closes when starts of many keys fail.
    var serverGate = StartGate()
    /// Closes when a spare fails.
    var spareGate = StartGate()
    /// Starts in a row that failed, whoever they were for.
    var failuresInRow = 0
    var lastFailure: Instant?

    package init(limits: HostLimits = HostLimits()) {
        self.limits = limits
        self.sparesWanted = limits.sparesMax
    }

    /// What there is now, and what there has been.
    package var figures: HostFigures {
        var figures = self.figuresNow
        figures.waiting = self.waiting.count
        return figures
    }

    /// Whether nothing is left after ``drain(now:)``.
    package var isDrained: Bool { self.isDraining && self.children.isEmpty && self.placed.isEmpty }

    /// Whether starts fail now: three in a row did and none has succeeded since; and that is no fault of one key while
    /// another is awake. Ends some time after the last of them, so that a process which was sent no more clients because
    /// of it gets another chance.
    package func isFailing(now: Instant) -> Bool {
        guard self.failuresInRow >= 3, let last = self.lastFailure else { return false }
        let isRecent = now.since(last) < self.limits.backoffMax * 2
        let hasAwake = self.figuresNow.busy + self.figuresNow.idle > 0
        return isRecent && (self.serverGate.failures >= 3 || !hasAwake)
    }

    /// Whether starts are made: all, none, or one at a time.
    package func breaker(now: Instant) -> CircuitBreaker.Standing {
        if !self.serverGate.isTripped { .closed } else { self.serverGate.isClosed(now: now) ? .open : .halfOpen }
    }

    /// The child of a key, in whichever phase.
    package func child(of key: Key) -> ChildNumber? {
        if case .child(let child)? = self.keys[key]?.phase { child } else { nil }
    }

    /// Places taken in tables, for checks that they shrink.
    var tableCount: Int {
        self.children.count + self.keys.count + self.accounts.count + self.waiting.count + self.placed.count
            + self.roomLine.tableCount
    }

    // MARK: Bookkeeping

    mutating func newStamp() -> UInt64 {
        self.lastStamp += 1
        return self.lastStamp
    }

    /// Changes an account's counts, and forgets it when they are all zero.
    mutating func count(_ account: Account, _ change: (inout AccountState) -> Void) {
        var state = self.accounts[account] ?? AccountState()
        change(&state)
        self.accounts[account] = state.isUnused ? nil : state
    }

    /// Brings a child into another phase.
    mutating func enter(_ phase: Child.Phase, _ child: ChildNumber, now: Instant) {
        guard let index = self.children.index(forKey: child) else { preconditionFailure("a child is known") }
        let former = self.children.values[index].phase
        let stamp = self.newStamp()
        self.children.values[index].phase = phase
        self.children.values[index].stamp = stamp
        self.children.values[index].since = now
        self.figuresNow.count(former, by: -1)
        self.figuresNow.count(phase, by: 1)
        switch phase {
        case .waking: self.wakingAges.append(Stay(subject: child, stamp: stamp))
        case .idle: self.idleAges.append(Stay(subject: child, stamp: stamp))
        case .spare, .busy, .stopping: break
        }
        self.tidyAges(former)
    }

    /// Sweeps out of the lines the stays that have ended.
    private mutating func tidyAges(_ former: Child.Phase) {
        let children = self.children
        switch former {
        case .waking:
            self.wakingAges.tidy(meaningful: self.figuresNow.waking) { children[$0.subject]?.stamp == $0.stamp }
        case .idle:
            self.idleAges.tidy(meaningful: self.figuresNow.idle) { children[$0.subject]?.stamp == $0.stamp }
        case .spare, .busy, .stopping: break
        }
    }

    /// Forgets a child, whose process and folder are no more.
    mutating func remove(_ child: ChildNumber) -> Child {
        guard let removed = self.children.removeValue(forKey: child) else { preconditionFailure("a child is known") }
        self.figuresNow.count(removed.phase, by: -1)
        if let owner = removed.owner {
            self.count(owner.account) { account in
                account.children -= 1
                if case .stopping = removed.phase { account.stopping -= 1 }
            }
        }
        self.tidyAges(removed.phase)
        return removed
    }

    /// Has a child ended.
    mutating func stop(_ child: ChildNumber, _ reason: HostStopReason, now: Instant) -> Action {
        if let account = self.children[child]?.owner?.account { self.count(account) { $0.stopping += 1 } }
        self.enter(.stopping(reason), child, now: now)
        self.figuresNow.stops[reason, default: 0] += 1
        return .stop(child, reason)
    }

    /// Gives a call back that was to wait, or waits.
    mutating func refusal(_ reason: HostRefusal.Reason, retryAfter: Duration?) -> HostRefusal {
        self.figuresNow.refusals[reason, default: 0] += 1
        return HostRefusal(reason: reason, retryAfter: retryAfter)
    }
}

extension HostFigures {
    fileprivate mutating func count(_ phase: HostStateMachine.Child.Phase, by change: Int) {
        switch phase {
        case .waking: self.waking += change
        case .spare: self.spare += change
        case .idle: self.idle += change
        case .busy: self.busy += change
        case .stopping: self.stopping += change
        }
    }
}
