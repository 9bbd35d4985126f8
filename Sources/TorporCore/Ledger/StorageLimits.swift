/// How much state may be stored, resident or asleep.
///
/// The last eighth of ``totalMax``, and of ``anonymousMax``, is for accounts that have less than what is left of it. So one
/// account alone takes at most seven eighths, and where many have filled what they share, one that keeps little still finds
/// room.
public struct StorageLimits: Hashable, Sendable {
    /// What all stored state takes at most. In bytes. Default 10 GiB.
    public let totalMax: ByteCount
    /// What the stored state of one account takes at most: of one principal, or the anonymous callers of one address.
    /// In bytes. Default a quarter of ``totalMax``.
    public let accountMax: ByteCount
    /// How many objects one account has at most. Default 10,000.
    public let accountObjectsMax: Int
    /// What the stored state of all anonymous callers takes at most. In bytes. Default half of ``totalMax``.
    public let anonymousMax: ByteCount
    /// How many values one object has at most. Default 10,000.
    public let objectValuesMax: Int

    /// - Precondition: `accountMax`, `anonymousMax` ≤ `totalMax`, and none is zero.
    public init(
        totalMax: ByteCount = .gibibytes(10), accountMax: ByteCount? = nil, accountObjectsMax: Int = 10_000,
        anonymousMax: ByteCount? = nil, objectValuesMax: Int = 10_000
    ) {
        self.totalMax = totalMax
        self.accountMax = accountMax ?? ByteCount(totalMax.bytes / 4)
        self.accountObjectsMax = accountObjectsMax
        self.anonymousMax = anonymousMax ?? ByteCount(totalMax.bytes / 2)
        self.objectValuesMax = objectValuesMax
        precondition(self.accountMax.bytes > 0 && self.anonymousMax.bytes > 0, "an account may store something")
        precondition(self.accountMax <= totalMax, "an account stores no more than all")
        precondition(self.anonymousMax <= totalMax, "anonymous callers store no more than all")
        precondition(accountObjectsMax > 0, "an account may have an object")
        precondition(objectValuesMax > 0, "an object may have a value")
    }
}
