import TorporCore

/// What one call has seen and done.
// Unchecked: used only on the thread that runs the simulation.
final class CallRecord: @unchecked Sendable {
    struct Sight {
        let watched: Witness.Watched
        let log: [Operation.ID]
        let deletions: Int
    }
    struct Change {
        let watched: Witness.Watched
        let operation: Operation.ID
        let deletions: Int
    }

    let step: Int
    let account: AccountID
    var number = 0
    var start = Instant(nanoseconds: 0)
    var wallTime = WallTime(milliseconds: 0)
    let jumpCount: Int
    var sights: [Sight] = []
    var changes: [Change] = []
    /// How many changes it has made in all, and whether anything was seen after the last.
    var changeCount = 0
    var hasReadSince = false
    /// What it has in use.
    var inUse: [Witness.Watched] = []

    init(step: Int, account: AccountID, jumpCount: Int) {
        self.step = step
        self.account = account
        self.jumpCount = jumpCount
    }

    func uses(_ watched: Witness.Watched) {
        guard !self.inUse.contains(where: { $0 === watched }) else { return }
        self.inUse.append(watched)
        watched.users += 1
    }

    func saw(_ log: [Operation.ID], of watched: Witness.Watched) {
        self.sights.append(Sight(watched: watched, log: log, deletions: watched.deletions))
        self.hasReadSince = true
    }

    func made(_ operation: Operation.ID, in watched: Witness.Watched) {
        self.changes.append(Change(watched: watched, operation: operation, deletions: watched.deletions))
        self.changeCount += 1
        self.hasReadSince = false
    }
}
