package import TorporCore

/// Which state object a call means, and who says so.
package struct ObjectName: Hashable, Sendable {
    package var id: StateObjectID
    package var kind: ObjectKind
    /// For handles: the declared state.
    package var name: String
    /// The account of whoever calls. An object of another account is the same as none.
    package var account: AccountID
    /// What the object takes of memory at most; `nil` for ``MemoryLimits/objectMax``, which it cannot exceed.
    package var memoryMax: ByteCount?
    /// How long it is kept unused; `nil` for ``EngineLimits/retention``.
    package var retention: Duration?
    /// Whether a handle's object, too, appears at its first value: it is brought back by an operator.
    package var isRestored = false
    /// Whether a session that has ended is reached, too: by who deletes it and has to wait for another who does.
    var reachesEndedSessions = false

    package init(
        _ id: StateObjectID, _ kind: ObjectKind, name: String = "", account: AccountID, memoryMax: ByteCount? = nil,
        retention: Duration? = nil
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.account = account
        self.memoryMax = memoryMax
        self.retention = retention
    }

    /// Whether the object appears at its first value, rather than by being created.
    var appearsByUse: Bool { self.kind != .handle || self.isRestored }

    /// Whether it may reach an object of that account.
    ///
    /// An anonymous caller may come from another address than before; that it knows the name is all there is to check.
    func mayReach(_ account: AccountID) -> Bool {
        self.account == account || self.account.isAnonymous && account.isAnonymous
    }
}
