import TorporCore
import TorporTestSupport

/// A process that is governed, in so far as its memory matters: calls that hold memory and leave garbage, state that is
/// loaded, used, changed, committed and evicted, and possibly a leak. Deterministic by its seed.
///
/// One step is one pass of the governor, a second. Bytes are counted in KiB.
struct GovernedProcess {
    /// What is asked of the process over time.
    enum Load: String, CaseIterable {
        /// The same all the time, with noise.
        case steady
        /// Up and down slowly, as over a day.
        case diurnal
        /// Short peaks at random.
        case bursts
        /// Twice as much from one moment on.
        case spike
        /// Nothing runs, and the cache is full.
        case idleCache
        /// As steady, with much state in use, and the store commits hardly anything for a while.
        case slowStore
        /// As steady, and something is never given back.
        case leak
        /// As a leak, with bursts, and much garbage for trimming to find.
        case leakInBursts
        /// As steady with less of it, beside hosted servers: clients come and go, and each has a child that takes a
        /// hundred times what its state does.
        case children
        /// The same, and for a while nearly all clients call at once.
        case busyChildren
        /// A few children, and room for more.
        case fewChildren
    }

    /// What the kernel grants.
    static let groupMax = 262_144
    /// Nine tenths of that.
    static let memoryMax = 235_929
    static let stateMax = 104_857
    /// Children there may be at once.
    static let childrenMax = 32
    /// The load ends after so many steps.
    static let loadSteps = 400

    let load: Load
    private let isGoverned: Bool
    private(set) var governor: GovernorStateMachine
    private var random: SeededGenerator
    private var step = 0

    // What the seed says of the process.
    /// What runs when nothing else does.
    private let base: Int
    /// What calls hold on average at the usual demand.
    private let usualCalls: Int
    /// The part of what calls hold that becomes garbage each step, and of garbage that the allocator gives back by
    /// itself.
    private let garbageShare: Double
    private let decay: Double
    private let leakPerStep: Int
    private let period: Double
    /// State that is used in one step at the usual demand, and how much may wait for the store.
    private let usualState: Int
    private let dirtyMax: Int
    /// Outcomes come a step late.
    private let isSlowToReport: Bool
    /// What a child takes, and how many clients want one in a step.
    private let childSize: Int
    private let clients: Int

    // What is in memory.
    private(set) var stateIdle: Int
    private(set) var stateUsed = 0
    private(set) var stateDirty = 0
    private(set) var garbage = 0
    private(set) var calls = 0
    private(set) var leaked = 0
    private(set) var children = GovernedChildren()

    private var admission = GovernorAdmission.everything
    private var idleFactor = 1.0
    private var burstSteps = 0
    private var unreported: [(rung: GovernorRung, bytes: Int)] = []

    // What happened.
    private(set) var rungs: [GovernorRung] = []
    private(set) var mostUsed = 0
    private(set) var asked: [GovernorAction] = []

    /// - Parameter isGoverned: Whether anything is done about what the governor decides.
    init(load: Load, seed: UInt64, isGoverned: Bool = true) {
        var random = SeededGenerator(seed: seed)
        self.load = load
        self.isGoverned = isGoverned
        self.governor = GovernorStateMachine(now: Instant(nanoseconds: 0))
        self.base = Int.random(in: 10_000...25_000, using: &random)
        self.usualCalls = Int.random(in: 35_000...65_000, using: &random)
        self.garbageShare = Double.random(in: 0.02...0.1, using: &random) * (load == .leakInBursts ? 3 : 1)
        self.decay = Double.random(in: 0.3...0.6, using: &random)
        self.leakPerStep = load == .leak || load == .leakInBursts ? Int.random(in: 700...2_400, using: &random) : 0
        self.period = Double.random(in: 60...200, using: &random)
        self.usualState = load == .slowStore ? 60_000 : 20_000
        self.dirtyMax = load == .slowStore ? 80_000 : 16_384
        self.isSlowToReport = Bool.random(using: &random)
        self.childSize = Int.random(in: 3_000...6_000, using: &random)
        self.clients = 3
        self.stateIdle = load == .idleCache ? Self.stateMax : 0
        self.random = random
    }

    var used: Int {
        self.base + self.stateIdle + self.stateUsed + self.stateDirty + self.garbage + self.calls + self.leaked
            + self.children.used
    }
    private var hosts: Bool { [.children, .busyChildren, .fewChildren].contains(self.load) }
    var isDraining: Bool { self.rungs.last == .drain }
    var changes: Int { self.governor.report.changes.total }
    var highest: GovernorRung { self.rungs.max() ?? .calm }
    var cancelled: Int { self.asked.count { $0 == .cancelLargest } }
    var isUnderLoad: Bool { self.step < Self.loadSteps }

    mutating func run(steps: Int) {
        for _ in 0..<steps where !self.isDraining { self.advance() }
    }

    // MARK: A step

    private mutating func advance() {
        self.serve(demand: self.isUnderLoad ? self.demand() : 0)
        self.step += 1
        self.mostUsed = max(self.mostUsed, self.used)
        guard self.isGoverned else { return }
        self.reportOutcomes()
        let readings = PressureReadings(
            stateBusy: .kibibytes(self.stateUsed + self.stateDirty), stateIdle: .kibibytes(self.stateIdle),
            stateMax: .kibibytes(Self.stateMax), memoryUsed: .kibibytes(self.used),
            memoryMax: .kibibytes(Self.memoryMax), stall: self.used > Self.groupMax * 95 / 100 ? 0.3 : 0,
            children: self.children.readings)
        let decision = self.governor.read(readings, now: Instant(nanoseconds: Int64(self.step) * 1_000_000_000))
        self.admission = decision.admission
        self.rungs.append(decision.rung)
        self.asked += decision.actions
        for action in decision.actions { self.carryOut(action) }
        if !self.isSlowToReport { self.reportOutcomes() }
    }

    private mutating func reportOutcomes() {
        for outcome in self.unreported { self.governor.freed(outcome.bytes, by: outcome.rung) }
        self.unreported = []
    }

    /// What is asked for, as a multiple of the usual.
    private mutating func demand() -> Double {
        let noise = Double.random(in: 0.95...1.05, using: &self.random)
        switch self.load {
        case .idleCache: return 0
        case .steady, .slowStore, .leak: return noise
        case .children, .busyChildren: return noise * 0.5
        case .fewChildren: return noise * 0.1
        case .diurnal:
            // A triangle between a tenth and twice the usual.
            let phase = (Double(self.step) / self.period).truncatingRemainder(dividingBy: 1)
            return noise * (0.1 + 1.9 * (phase < 0.5 ? 2 * phase : 2 - 2 * phase))
        case .bursts, .leakInBursts:
            if self.burstSteps > 0 {
                self.burstSteps -= 1
                return noise * (self.load == .bursts ? 1.6 : 1.2)
            }
            if Int.random(in: 0..<25, using: &self.random) == 0 {
                self.burstSteps = Int.random(in: 2...12, using: &self.random)
            }
            return noise * (self.load == .bursts ? 0.7 : 0.9)
        case .spike: return noise * (self.step < Self.loadSteps / 2 ? 1 : 2)
        }
    }

    private mutating func serve(demand: Double) {
        // Half of all calls need state that is not in memory.
        let admitted = self.admission.admitsLoads ? demand : demand * 0.5
        self.calls = Int(Double(self.usualCalls) * admitted)
        self.garbage += Int(Double(self.calls) * self.garbageShare)
        self.garbage -= Int(Double(self.garbage) * self.decay)
        self.leaked += demand > 0 ? self.leakPerStep : 0

        // What was used rests again, and other state is used; the cap evicts what rests.
        self.stateIdle += self.stateUsed
        let wanted = Int(Double(self.usualState) * admitted)
        let loaded = self.admission.admitsLoads ? wanted / 8 : 0
        let made = self.admission.admitsNewState ? wanted / 40 : 0
        let reused = min(self.stateIdle, wanted - loaded - made)
        self.stateIdle -= reused
        self.stateUsed = reused + loaded + made

        // Some of it is changed, as much as may wait for the store.
        let isStoreSlow = self.load == .slowStore && (100..<250).contains(self.step)
        let changed = min(self.stateUsed / 4, self.dirtyMax - self.stateDirty)
        self.stateUsed -= changed
        self.stateDirty += changed
        let committed = min(self.stateDirty, isStoreSlow ? 100 : 12_000)
        self.stateDirty -= committed
        self.stateIdle += committed

        // Idle timeouts, and the cap.
        self.stateIdle -= Int(Double(self.stateIdle) * 0.005 / self.idleFactor)
        let resident = self.stateIdle + self.stateUsed + self.stateDirty
        if resident > Self.stateMax { self.stateIdle -= min(self.stateIdle, resident - Self.stateMax) }
        if self.hosts { self.serveChildren(isUnderLoad: demand > 0) }
    }

    /// Clients call for a step or more, each by a child of its own, which stays for the idle timeout of 100 steps.
    private mutating func serveChildren(isUnderLoad: Bool) {
        let isRush = self.load == .busyChildren && (150..<200).contains(self.step)
        let clients = !isUnderLoad ? 0 : isRush ? Self.childrenMax - 4 : self.clients
        self.children.pass(idleTimeout: Int(100 * self.idleFactor))
        for _ in 0..<clients {
            let client = Int.random(in: 0..<(self.load == .fewChildren ? 4 : 60), using: &self.random)
            let steps = Int.random(in: 1...3, using: &self.random)
            self.children.call(
                client, steps: steps, size: self.childSize,
                admitsStarts: !self.isGoverned || self.admission.admitsChildren,
                countMax: Self.childrenMax)
        }
    }

    private mutating func carryOut(_ action: GovernorAction) {
        switch action {
        case .shortenIdle(let factor): self.idleFactor = factor
        case .evict(let bytes):
            let evicted = min(self.stateIdle, bytes >> 10)
            self.stateIdle -= evicted
            self.unreported.append((.evictColdest, evicted << 10))
        case .endChildren(let bytes, let countMax):
            let ended = self.children.end(sizeOf: bytes >> 10, countMax: countMax)
            self.governor.endedChildren(ended.count, freeing: ended.size << 10)
        case .trim:
            let trimmed = self.garbage * 9 / 10
            self.garbage -= trimmed
            self.unreported.append((.trim, trimmed << 10))
        case .cancelLargest:
            let cancelled = self.calls / 10
            self.calls -= cancelled
            self.unreported.append((.cancelLargest, cancelled << 10))
        case .drain: break
        }
    }
}
