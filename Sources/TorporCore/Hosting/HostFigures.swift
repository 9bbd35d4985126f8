/// What a hosted server's children and calls come to, for metrics and admin pages.
package struct HostFigures: Hashable, Sendable {
    // MARK: Now

    /// Children that are on their way up, spares included.
    package internal(set) var waking = 0
    /// Children that are up and have calls, running or held.
    package internal(set) var busy = 0
    /// Children that are up and have no calls.
    package internal(set) var idle = 0
    /// Children that are up and belong to nobody yet.
    package internal(set) var spare = 0
    /// Children that are on their way down.
    package internal(set) var stopping = 0
    /// Calls that a child runs.
    package internal(set) var running = 0
    /// Calls between two requests of their client.
    package internal(set) var held = 0
    /// Calls that wait for their child.
    package internal(set) var waiting = 0

    // MARK: Since the beginning

    /// Children started, spares included.
    package internal(set) var starts = 0
    /// Children of a key that had been started ahead.
    package internal(set) var sparesTaken = 0
    /// Starts that failed, or took too long.
    package internal(set) var startFailures = 0
    /// Children that ended without being asked to.
    package internal(set) var endings = 0
    /// Folders that could not be saved when their child stopped.
    package internal(set) var unsavedFolders = 0
    package internal(set) var stops: [HostStopReason: Int] = [:]
    package internal(set) var refusals: [HostRefusal.Reason: Int] = [:]
    package internal(set) var failures: [HostFailure: Int] = [:]

    /// All children there are.
    package var children: Int { self.waking + self.busy + self.idle + self.spare + self.stopping }
}
