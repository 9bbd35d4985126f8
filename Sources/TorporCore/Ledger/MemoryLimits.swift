/// How much memory resident state may take.
public struct MemoryLimits: Hashable, Sendable {
    /// What all resident state takes at most. In bytes. Default 256 MiB.
    public let residentMax: ByteCount
    /// Above this, state that is clean and not in use is evicted, so that there is room when it is needed. In bytes.
    /// Default three quarters of ``residentMax``.
    public let residentSoftMax: ByteCount
    /// What one state object takes at most. In bytes. Default 8 MiB.
    public let objectMax: ByteCount
    /// What the resident state of one account takes at most: of one principal, or the anonymous callers of one address.
    /// In bytes. Default a quarter of ``residentMax``.
    public let accountMax: ByteCount
    /// What the resident state of all anonymous callers takes at most. In bytes. Default half of ``residentMax``.
    public let anonymousMax: ByteCount
    /// Above this, whoever changes state waits until some of it is committed. In bytes. Default 32 MiB.
    public let dirtyMax: ByteCount

    /// - Precondition: `objectMax` ≤ `accountMax`, `anonymousMax` ≤ `residentMax`; `residentSoftMax` ≤ `residentMax`;
    ///   `objectMax` ≤ `dirtyMax`; and none is zero.
    public init(
        residentMax: ByteCount = .mebibytes(256), residentSoftMax: ByteCount? = nil,
        objectMax: ByteCount = .mebibytes(8), accountMax: ByteCount? = nil, anonymousMax: ByteCount? = nil,
        dirtyMax: ByteCount = .mebibytes(32)
    ) {
        self.residentMax = residentMax
        self.residentSoftMax = residentSoftMax ?? ByteCount(residentMax.bytes - residentMax.bytes / 4)
        self.objectMax = objectMax
        self.accountMax = accountMax ?? ByteCount(residentMax.bytes / 4)
        self.anonymousMax = anonymousMax ?? ByteCount(residentMax.bytes / 2)
        self.dirtyMax = dirtyMax
        precondition(objectMax.bytes > 0, "an object may take at least one byte")
        precondition(objectMax <= self.accountMax, "an account has room for one object")
        precondition(objectMax <= self.anonymousMax, "anonymous callers have room for one object")
        precondition(self.accountMax <= residentMax, "an account takes no more than all")
        precondition(self.anonymousMax <= residentMax, "anonymous callers take no more than all")
        precondition(self.residentSoftMax.bytes > 0, "some state may stay resident")
        precondition(self.residentSoftMax <= residentMax, "the soft limit does not lie above the hard one")
        precondition(objectMax <= dirtyMax, "the largest object may become dirty")
    }
}
