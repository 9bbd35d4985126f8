import TorporCore

/// What the engine keeps of an object that is in use, dirty, or between memory and store. One that rests in memory has
/// none of this, only its record.
struct ActiveObject {
    /// What the object is called and whose it is: as its record says, once that is known; before, as who asked says.
    var name: ObjectName
    var residency: ResidencyStateMachine<Parked>
    var versions: VersionStateMachine<Parked>
    var turn = TurnStateMachine<Parked>()
    /// Keys of stored values that were removed since the last batch.
    var removedKeys: Set<[UInt8]> = []
    /// What the ledger holds for it.
    var reservedBytes = 0
    /// What the changes that are not durable add to what its account has stored.
    var pending = AccountDelta()
    /// The next commit deletes it.
    var deletion: Deletion?
    /// Its new expiry, to be stored with the next commit.
    var newExpiry: WallTime?

    init(_ name: ObjectName, stored: Revision, isResident: Bool) {
        self.name = name
        self.versions = VersionStateMachine(stored: stored)
        self.residency = ResidencyStateMachine(isResident: isResident)
    }

    /// Whether it may rest: nobody uses it, nobody waits, and the store has everything.
    var mayRest: Bool {
        self.residency.isResident && self.residency.users == 0 && !self.versions.isDirty
            && !self.versions.isCommitting && self.turn.isIdle
    }
}

/// How changes that are not durable change what an account has stored.
struct AccountDelta: Equatable {
    /// 1 when the object is new.
    var objects = 0
    /// What was reserved.
    var grown = 0
    /// What is given back when it is durable.
    var shrunk = 0

    static func + (left: AccountDelta, right: AccountDelta) -> AccountDelta {
        AccountDelta(
            objects: left.objects + right.objects, grown: left.grown + right.grown, shrunk: left.shrunk + right.shrunk)
    }
}

/// Why and how an object is deleted.
struct Deletion {
    /// What the store is to remember of a session.
    var tombstone: WallTime?
}
