package import TorporCore

/// The children of hosted servers, as far as the governor has to do with them.
package protocol GovernedChildren: AnyObject, Sendable {
    /// What all of them take, with all that they started. Costs microseconds.
    var memoryUsed: ByteCount { get }

    /// How many are up that nobody uses, spares included.
    var idleCount: Int { get }

    /// What those take that are being ended. Costs some ten microseconds for each.
    var memoryLeaving: ByteCount { get }

    /// Children end sooner when nobody uses them: what their idle timeouts are multiplied by, 1 for the usual. Holds for
    /// servers that are added later, too.
    func shortenIdle(to factor: Double)

    /// Begins to end children that nobody uses, spares first, then those that have been idle for longest, whichever server
    /// they are of. Stops when they take so many bytes together, or there are so many. None that has calls is ended.
    /// - Returns: How many, and what they take.
    func endIdle(bytes: Int, atMost countMax: Int) -> (count: Int, bytes: Int)

    /// Whether children are started from now on; `nil`: they are. Else whoever needs one may try again after so long.
    func refuseStarts(retryAfter: Duration?)
}
