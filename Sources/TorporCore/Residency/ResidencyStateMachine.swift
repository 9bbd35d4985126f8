/// The life of one state object in memory: asleep, loading, resident, closed, evicting or deleting; and who uses it or
/// waits for it.
///
/// A call that uses an object keeps it in memory until the call has been answered. Callers that arrive while it is
/// loaded share the load; those that arrive while it is evicted call that off; those that arrive while it is deleted, or
/// while nobody knows what became of its commit, wait for the end of that. Nobody is refused because of it.
package struct ResidencyStateMachine<Waiter> {
    private enum Residency {
        /// Only in the store. Kept in mind while calls remember what was dropped. Next: `loading`.
        case asleep
        /// Its record is being read. Next: `resident`, or `asleep` when that fails or finds nothing.
        case loading
        /// In memory. Next: `evicting`, `closed`, `deleting`, or `asleep`.
        case resident
        /// In memory, its live resources being closed; who arrives keeps it. Next: `asleep`, or `resident`.
        case evicting(isWanted: Bool)
        /// Nobody knows what became of its commit. Next: `resident` or `asleep`.
        case closed
        /// Its deletion is on its way to the store. Next: `asleep`; when it is refused, `resident` again or `asleep`.
        case deleting(wasResident: Bool)
    }

    private var residency: Residency
    private var waiters: [Waiter] = []
    /// The calls that have it in use.
    package private(set) var users: Int = 0

    package init(isResident: Bool = false) { self.residency = isResident ? .resident : .asleep }

    /// Those who wait for it to be read, settled or deleted.
    package var waiterCount: Int { self.waiters.count }

    package var isResident: Bool {
        if case .resident = self.residency { true } else { false }
    }
    package var isAsleep: Bool {
        if case .asleep = self.residency { true } else { false }
    }
    package var isLoading: Bool {
        if case .loading = self.residency { true } else { false }
    }
    package var isClosed: Bool {
        if case .closed = self.residency { true } else { false }
    }
    package var isDeleting: Bool {
        if case .deleting = self.residency { true } else { false }
    }
    package var isEvicting: Bool {
        if case .evicting = self.residency { true } else { false }
    }
    /// Whether nothing has to be kept in mind of it.
    package var isForgettable: Bool { self.isAsleep && self.users == 0 && self.waiters.isEmpty }

    // MARK: Callers

    package enum RequestAction: Sendable, Equatable {
        /// It is in memory and counts as used.
        case use
        /// Read it; then ``loaded()``, ``missing()`` or ``loadFailed()``.
        case load
        /// Wait; the waiter will be among those that an event returns.
        case wait
    }

    /// A call wants the object.
    /// - Parameter waiter: Kept if the call has to wait.
    package mutating func requested(by waiter: Waiter) -> RequestAction {
        switch self.residency {
        case .resident:
            self.users += 1
            return .use
        case .asleep:
            self.residency = .loading
            self.waiters.append(waiter)
            return .load
        case .evicting:
            self.residency = .evicting(isWanted: true)
            self.waiters.append(waiter)
            return .wait
        case .loading, .closed, .deleting:
            self.waiters.append(waiter)
            return .wait
        }
    }

    /// A call that has it in memory keeps it for another.
    package mutating func used() {
        precondition(self.isResident, "only what is in memory is used")
        self.users += 1
    }

    /// A call that used it has been answered.
    package mutating func released() {
        precondition(self.users > 0, "a call lets go once")
        self.users -= 1
    }

    // MARK: Loading

    /// The record is in memory. All who waited count as users.
    package mutating func loaded() -> [Waiter] {
        guard case .loading = self.residency else { preconditionFailure("only what is read has been loaded") }
        return self.wake(as: .resident, usingIt: true)
    }

    /// There is no record, or it could not be read. All who waited are told, and ask again or give up.
    package mutating func loadFailed() -> [Waiter] {
        guard case .loading = self.residency else { preconditionFailure("only what is read fails to load") }
        return self.wake(as: .asleep, usingIt: false)
    }

    // MARK: Eviction

    /// It leaves memory at once: nothing of it has to be closed first.
    package mutating func evicted() {
        precondition(self.isResident && self.users == 0, "only what nobody uses is evicted")
        self.residency = .asleep
    }

    /// Its live resources are being closed.
    package mutating func evictionStarted() {
        precondition(self.isResident && self.users == 0, "only what nobody uses is evicted")
        self.residency = .evicting(isWanted: false)
    }

    /// Its live resources are closed.
    /// - Returns: Whether it leaves memory now; `false` when somebody wants it, who then counts as a user.
    package mutating func evictionEnded() -> (leaves: Bool, waiters: [Waiter]) {
        guard case .evicting(let isWanted) = self.residency else { preconditionFailure("an eviction ends once") }
        guard isWanted else {
            self.residency = .asleep
            return (true, [])
        }
        return (false, self.wake(as: .resident, usingIt: true))
    }

    // MARK: Commits

    /// Its changes were dropped: what is in memory is not what is stored.
    /// - Returns: Those who waited for the outcome; they ask again.
    package mutating func dropped() -> [Waiter] {
        switch self.residency {
        case .resident, .closed, .deleting: return self.wake(as: .asleep, usingIt: false)
        case .asleep, .loading, .evicting: preconditionFailure("only what is in memory is dropped")
        }
    }

    /// Nobody knows what became of its commit.
    package mutating func outcomeUnknown() {
        precondition(self.isResident || self.isDeleting, "only what is in memory has a commit under way")
        self.residency = .closed
    }

    /// The unknown commit turned out to have taken effect.
    package mutating func settled() -> [Waiter] {
        guard case .closed = self.residency else { preconditionFailure("only what is unknown is settled") }
        return self.wake(as: .resident, usingIt: true)
    }

    /// The unknown commit turned out to have taken effect, and the object is to be deleted next: who waits goes on waiting.
    package mutating func settledBeforeDeletion() {
        guard case .closed = self.residency else { preconditionFailure("only what is unknown is settled") }
        self.residency = .deleting(wasResident: true)
    }

    /// Nobody knows yet, and those who waited have waited long enough.
    package mutating func waitedLongEnough() -> [Waiter] {
        precondition(self.isClosed, "only an unknown outcome makes callers wait so long")
        defer { self.waiters = [] }
        return self.waiters
    }

    /// Nothing is committed any more. Those who waited for a commit are told so; who waits for a load hears of that.
    package mutating func abandoned() -> [Waiter] {
        guard self.isClosed || self.isDeleting else { return [] }
        defer { self.waiters = [] }
        return self.waiters
    }

    // MARK: Deletion

    /// It is to be deleted; nobody gets it any more.
    /// - Returns: `false` when it is not the time: it is being read, evicted, settled or deleted.
    package mutating func deletionStarted() -> Bool {
        switch self.residency {
        case .resident: self.residency = .deleting(wasResident: true)
        case .asleep: self.residency = .deleting(wasResident: false)
        case .loading, .evicting, .closed, .deleting: return false
        }
        return true
    }

    /// It is deleted. Those who waited ask again, and find nothing.
    package mutating func deleted() -> [Waiter] {
        precondition(self.isDeleting || self.isClosed, "a deletion ends after it was started")
        return self.wake(as: .asleep, usingIt: false)
    }

    private mutating func wake(as residency: Residency, usingIt: Bool) -> [Waiter] {
        self.residency = residency
        defer { self.waiters = [] }
        if usingIt { self.users += self.waiters.count }
        return self.waiters
    }
}
