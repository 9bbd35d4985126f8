import TorporCore

/// Decides when to look at a family's memory, and when it is too much. Holds no clock and reads nothing.
struct FamilyWatch: Sendable {
    /// How often a family is looked at while calls run in it, or while it holds more than half of its cap.
    static let busyInterval = Duration.milliseconds(200)
    /// How often otherwise.
    static let idleInterval = Duration.seconds(2)
    /// How much more the cheap figure has to be than when the family was last weighed, for weighing it again at once.
    static let growthShare = 16

    enum Action: Equatable {
        case nothing
        /// Shared pages may have been counted twice: ask for the exact figure, which is dear, and report it.
        case weigh
        /// End the family, which uses so much.
        case end(used: ByteCount)
    }

    let cap: ByteCount
    /// The most that was seen.
    private(set) var peak = ByteCount(0)
    private(set) var nextLook: Instant
    private var lastWeighing: (resident: ByteCount, at: Instant)?

    init(cap: ByteCount, now: Instant) {
        self.cap = cap
        self.nextLook = now + Self.busyInterval
    }

    /// Pages in memory, shared ones counted in each process: at least what the family uses.
    mutating func looked(resident: ByteCount, isBusy: Bool, now: Instant) -> Action {
        let isFull = resident.bytes > self.cap.bytes / 2
        self.nextLook = now + (isBusy || isFull ? Self.busyInterval : Self.idleInterval)
        guard resident > self.cap else {
            self.peak = max(self.peak, resident)
            self.lastWeighing = nil
            return .nothing
        }
        // What was found to be mostly shared is not weighed again as long as it hardly grows.
        if let last = self.lastWeighing, now.since(last.at) < Self.idleInterval,
            resident.bytes < last.resident.bytes + self.cap.bytes / Self.growthShare
        {
            return .nothing
        }
        self.lastWeighing = (resident, now)
        return .weigh
    }

    /// - Parameter exact: Shared pages divided among those that have them; `nil` when the kernel does not tell.
    mutating func weighed(_ exact: ByteCount?, resident: ByteCount) -> Action {
        let used = exact ?? resident
        self.peak = max(self.peak, used)
        return used > self.cap ? .end(used: used) : .nothing
    }

    /// Calls begin or end: a family that was idle is looked at soon.
    mutating func becameBusy(now: Instant) { self.nextLook = min(self.nextLook, now + Self.busyInterval) }
}
