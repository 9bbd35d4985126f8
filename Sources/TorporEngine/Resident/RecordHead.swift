import TorporCore

/// The flat form of a resident object's header, as it lies in the arena in front of the entries of its values.
struct RecordHead: BitwiseCopyable {
    private var idBits: (UInt64, UInt64)
    private var accountBits: (UInt64, UInt64)
    /// The revision that the store has; zero while it has none.
    var revision: Revision
    var created: WallTime
    /// From when on it may be deleted, as the store has it.
    var expiry: WallTime
    /// When a call last used it.
    var lastUse: Instant
    /// What keys and values take, in memory and in the store.
    var byteCount: Int
    var storedByteCount: Int
    var valueCount: UInt32
    private var sweepSeconds: UInt32
    /// How many entries there is room for.
    var entryCapacity: UInt32
    /// The number of its name.
    var name: UInt16
    var kind: ObjectKind
    private var isAnonymous: Bool

    init(
        id: StateObjectID, kind: ObjectKind, name: UInt16, account: AccountID, created: WallTime, expiry: WallTime,
        now: Instant
    ) {
        self.idBits = (UInt64(truncatingIfNeeded: id.bits >> 64), UInt64(truncatingIfNeeded: id.bits))
        self.accountBits = (UInt64(truncatingIfNeeded: account.bits >> 64), UInt64(truncatingIfNeeded: account.bits))
        self.isAnonymous = account.isAnonymous
        self.revision = .zero
        self.created = created
        self.expiry = expiry
        self.lastUse = now
        self.byteCount = 0
        self.storedByteCount = 0
        self.valueCount = 0
        self.sweepSeconds = .max
        self.entryCapacity = 0
        self.name = name
        self.kind = kind
    }

    static let size = MemoryLayout<RecordHead>.stride

    var id: StateObjectID { StateObjectID(bits: UInt128(self.idBits.0) << 64 | UInt128(self.idBits.1)) }

    var account: AccountID {
        let bits = UInt128(self.accountBits.0) << 64 | UInt128(self.accountBits.1)
        return self.isAnonymous ? .anonymous(bits) : .principal(bits)
    }

    /// From when on the object is to be looked through for values whose time is over; rounded up to seconds.
    var sweepTime: WallTime {
        get { self.sweepSeconds == .max ? .distantFuture : WallTime(milliseconds: Int64(self.sweepSeconds) * 1_000) }
        set { self.sweepSeconds = UInt32(clamping: (newValue + .milliseconds(999)).milliseconds / 1_000) }
    }

    var unit: UnitID { UnitID(self.account, self.id) }

    /// What an object of so many values and bytes takes of its account and of the memory for state: more than keys and
    /// values, since each has to be found again.
    static func footprint(valueCount: Int, byteCount: Int) -> Int {
        self.objectOverhead + valueCount * self.valueOverhead + byteCount
    }

    /// The head, its slot, and the tables that find it.
    private static let objectOverhead = size + 128
    /// An entry, the head of its slot, and what it is rounded up by.
    private static let valueOverhead = ValueEntry.size + 24
}

/// Where a value of a resident object lies.
struct ValueEntry: BitwiseCopyable {
    var place: Place
    /// Of the value's slot: its key, then the value.
    var byteCount: UInt32
    var keyLength: UInt16
    private var flags: UInt16

    static let size = MemoryLayout<ValueEntry>.stride
    private static let dirtyFlag: UInt16 = 1
    private static let expiresFlag: UInt16 = 2

    init(place: Place, byteCount: Int, keyLength: Int, isDirty: Bool, expires: Bool) {
        self.place = place
        self.byteCount = UInt32(byteCount)
        self.keyLength = UInt16(keyLength)
        self.flags = (isDirty ? Self.dirtyFlag : 0) | (expires ? Self.expiresFlag : 0)
    }

    /// Whether the store lacks it.
    var isDirty: Bool {
        get { self.flags & Self.dirtyFlag != 0 }
        set { self.flags = newValue ? self.flags | Self.dirtyFlag : self.flags & ~Self.dirtyFlag }
    }

    /// What it adds to what the store lacks.
    var dirtyBytes: Int { self.isDirty ? Int(self.byteCount) : 0 }

    /// Whether its slot begins with the time from which on it is no longer there.
    var expires: Bool { self.flags & Self.expiresFlag != 0 }

    /// Of that time.
    var expiryBytes: Int { self.expires ? 8 : 0 }
}
