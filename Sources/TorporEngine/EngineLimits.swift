package import TorporCore
import TorporStore

/// What the engine may take, and how long it keeps what it has.
package struct EngineLimits: Sendable {
    /// Memory of resident state.
    package var memory: MemoryLimits
    /// What is stored.
    package var storage: StorageLimits
    /// Bytes of a key. Default 512.
    package var keyMax: Int
    /// Calls that wait to update one object. Default 1,000; one more is refused.
    package var updatesMax: Int
    /// Unused for so long, an object leaves memory. Default 30 min.
    package var idleTimeout: Duration
    /// Unused for so long, an object is deleted. Default 7 d.
    package var retention: Duration
    /// For so long after it was made, a session is honoured that has no object. Default 24 h; retention is no shorter.
    package var sessionLifetime: Duration
    /// When changes are made durable. Default: before anything that reveals them leaves a call.
    package var durability: CommitStateMachine.Pace
    /// Bytes of keys and values in one commit. Default 8 MiB; a larger object is committed alone.
    package var batchMax: ByteCount
    /// Objects in one commit. Default 1,000.
    package var batchObjectsMax: Int
    /// How long a commit is tried again when the store cannot be reached. Default 10 s.
    package var unavailableMax: Duration
    /// Which objects leave memory first when room is needed. Default ``EvictionPolicyKind/weighted``.
    package var evictionPolicy: EvictionPolicyKind

    /// - Precondition: Limits are positive.
    package init(
        memory: MemoryLimits = MemoryLimits(), storage: StorageLimits = StorageLimits(),
        keyMax: Int = 512, updatesMax: Int = 1_000, idleTimeout: Duration = .seconds(1_800),
        retention: Duration = .seconds(604_800), sessionLifetime: Duration = .seconds(86_400),
        durability: CommitStateMachine.Pace = .acknowledged,
        batchMax: ByteCount = .mebibytes(8), batchObjectsMax: Int = 1_000, unavailableMax: Duration = .seconds(10),
        evictionPolicy: EvictionPolicyKind = .weighted
    ) {
        precondition(
            keyMax > 0 && keyMax <= 512 && updatesMax > 0 && batchMax.bytes > 0 && batchObjectsMax > 0,
            "limits are positive")
        precondition(retention >= sessionLifetime, "a session's object is kept for at least the session's lifetime")
        precondition(idleTimeout > .zero && retention > .zero && unavailableMax > .zero, "times are positive")
        self.memory = memory
        self.storage = storage
        self.keyMax = keyMax
        self.updatesMax = updatesMax
        self.idleTimeout = idleTimeout
        self.retention = retention
        self.sessionLifetime = sessionLifetime
        self.durability = durability
        self.batchMax = batchMax
        self.batchObjectsMax = batchObjectsMax
        self.unavailableMax = unavailableMax
        self.evictionPolicy = evictionPolicy
    }

    /// From when on an object may be deleted that is used at `time`: at least its retention later, and at most a
    /// sixteenth more, so that not every use has to be stored.
    func expiry(of name: ObjectName, usedAt time: WallTime) -> WallTime {
        let retention = name.retention ?? self.retention
        let step = max(1_000, Int64(retention.wholeMilliseconds) / 16)
        let (due, overflows) = (time + retention).milliseconds.addingReportingOverflow(step - 1)
        return overflows ? .distantFuture : WallTime(milliseconds: due / step * step)
    }

    /// Until when a session is to be remembered whose object is deleted: then its token is too old. `nil` for what is no
    /// session.
    func tombstone(of header: RecordHeader) -> WallTime? {
        // The token is older than the object.
        header.kind == .session ? header.created + self.sessionLifetime : nil
    }
}
