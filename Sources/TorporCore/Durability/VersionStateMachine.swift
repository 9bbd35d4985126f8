/// A revision of an object as a call has seen it.
package struct SeenRevision: Sendable, Equatable {
    /// Which of the object's lives in memory it belongs to: one ends whenever changes are dropped.
    package var life: UInt32
    package var revision: Revision

    package init(life: UInt32, revision: Revision) {
        self.life = life
        self.revision = revision
    }
}

/// The output gate of one state object: knows which of its revisions are durable, and who waits for which.
///
/// Revisions rise by one with each change. One commit at a time is on its way; it carries everything up to the revision
/// that was current when it was taken. Its outcome lets those pass who waited for no more than that, or drops all that
/// is not durable and fails those who had seen any of it. Waiters are the caller's; this only says which.
package struct VersionStateMachine<Waiter> {
    private enum Commit {
        /// Nothing is on its way. Next: `sent`.
        case none
        /// The store has been given everything up to this revision. Next: `none`, or `unknown`.
        case sent(Revision)
        /// Nobody knows whether it took effect. Next: `none`.
        case unknown(Revision)
    }
    private struct Drop {
        let life: UInt32
        let durable: Revision
    }

    /// The newest revision in memory.
    package private(set) var current: Revision
    /// The newest revision that is in the store.
    package private(set) var durable: Revision
    /// What the store calls it: lower than `durable` after changes were dropped, for their revisions are not used again.
    package private(set) var stored: Revision
    private var commit = Commit.none
    private var life: UInt32 = 0
    /// The lives that ended while somebody may still remember them.
    private var drops: [Drop] = []
    private var waiters: [(revision: Revision, waiter: Waiter)] = []

    /// An object as the store has it.
    package init(stored revision: Revision) {
        self.current = revision
        self.durable = revision
        self.stored = revision
    }

    /// Those who wait for a revision to become durable.
    package var waiterCount: Int { self.waiters.count }

    /// Whether the store lacks a change.
    package var isDirty: Bool { self.current > self.durable }

    package var isCommitting: Bool {
        switch self.commit {
        case .none: false
        case .sent, .unknown: true
        }
    }

    package var isUnknown: Bool {
        if case .unknown = self.commit { true } else { false }
    }

    /// What a call sees that reads the object now.
    package var seen: SeenRevision { SeenRevision(life: self.life, revision: self.current) }

    // MARK: Changes and commits

    /// The object has been changed.
    /// - Returns: What a call has seen that made or reads the change.
    package mutating func changed() -> SeenRevision {
        self.current = self.current.next
        return self.seen
    }

    /// Everything up to the current revision is on its way to the store.
    /// - Returns: The revision that the commit replaces, and the one that it makes.
    package mutating func commitStarted() -> (base: Revision, revision: Revision) {
        guard case .none = self.commit else { preconditionFailure("one commit of an object is on its way at a time") }
        precondition(self.isDirty, "only changes are committed")
        self.commit = .sent(self.current)
        return (self.stored, self.current)
    }

    /// The commit took effect.
    /// - Returns: Those who may pass, in the order in which they came.
    package mutating func committed() -> [Waiter] {
        switch self.commit {
        case .sent(let revision), .unknown(let revision): self.durable = revision
        case .none: preconditionFailure("a commit ends after it was started")
        }
        self.commit = .none
        self.stored = self.durable
        let durable = self.durable
        guard self.waiters.contains(where: { $0.revision <= durable }) else { return [] }
        let passing = self.waiters.filter { $0.revision <= durable }
        self.waiters.removeAll { $0.revision <= durable }
        return passing.map(\.waiter)
    }

    /// The commit took no effect, or nobody waits for it any longer: all that is not durable is dropped.
    /// - Parameter mayBeRemembered: Whether calls are under way that have seen the object.
    /// - Returns: Those who waited, and have to be told that what they saw is lost.
    package mutating func dropped(mayBeRemembered: Bool) -> [Waiter] {
        if mayBeRemembered { self.drops.append(Drop(life: self.life, durable: self.durable)) }
        self.life += 1
        self.commit = .none
        let lost = self.waiters.map(\.waiter)
        self.waiters = []
        return lost
    }

    /// Nobody knows whether the commit took effect.
    package mutating func outcomeUnknown() {
        guard case .sent(let revision) = self.commit else { preconditionFailure("only what was sent can be unknown") }
        self.commit = .unknown(revision)
    }

    /// The outcome will not be known soon. Those who waited are told so; what they saw may yet become durable.
    package mutating func waitedLongEnough() -> [Waiter] {
        precondition(self.isUnknown, "only an unknown outcome makes calls wait so long")
        defer { self.waiters = [] }
        return self.waiters.map(\.waiter)
    }

    /// Nothing is committed any more. Those who waited are told so.
    package mutating func abandoned() -> [Waiter] {
        defer { self.waiters = [] }
        return self.waiters.map(\.waiter)
    }

    /// The object was read again after its changes were dropped. Revisions go on above those that were dropped.
    package mutating func reloaded(_ stored: Revision) {
        guard case .none = self.commit else {
            preconditionFailure("an object is not read while a commit is on its way")
        }
        self.stored = stored
        self.current = max(self.current, stored)
        self.durable = self.current
    }

    /// Nobody is left who could remember what was dropped.
    package mutating func forgotten() { self.drops = [] }

    // MARK: The gate

    package enum Standing: Sendable, Equatable {
        /// The store has it.
        case durable
        /// It waits for a commit.
        case pending
        /// It was dropped.
        case lost
    }

    /// How a revision stands that a call has seen.
    package func standing(of seen: SeenRevision) -> Standing {
        if seen.life == self.life { return seen.revision <= self.durable ? .durable : .pending }
        guard let drop = self.drops.first(where: { $0.life == seen.life }) else {
            preconditionFailure("a life is remembered while a call has seen it")
        }
        return seen.revision <= drop.durable ? .durable : .lost
    }

    /// Somebody waits until a pending revision is durable or lost.
    package mutating func wait(_ waiter: Waiter, for seen: SeenRevision) {
        precondition(self.standing(of: seen) == .pending, "only what is pending is waited for")
        self.waiters.append((seen.revision, waiter))
    }
}
