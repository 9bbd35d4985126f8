import Testing
import TorporCore
@testable import TorporEngine
@testable import TorporSimulation
import TorporStore

/// Each limit that the witness looks at, at its edge and one byte beyond.
struct WitnessTests {
    private static let limits = EngineLimits(
        memory: MemoryLimits(
            residentMax: ByteCount(4_000), objectMax: ByteCount(1_000), accountMax: ByteCount(2_000),
            anonymousMax: ByteCount(3_000), dirtyMax: ByteCount(1_000)),
        storage: StorageLimits(
            totalMax: ByteCount(4_000), accountMax: ByteCount(2_000), accountObjectsMax: 5,
            anonymousMax: ByteCount(3_000)))

    /// All that may be in memory.
    private static let full = EngineFigures(
        reservedBytes: 4_000, anonymousReservedBytes: 3_000, largestAccountBytes: 2_000, liveBytes: 4_000,
        committedPageBytes: 8_000 + (1 << 20), dirtyBytes: 0, knownObjects: 1, activeObjects: 0, knownAccounts: 1,
        storedBytes: 0, storedObjects: 0)

    private let witness = Witness(clock: SimulatedClock(), limits: Self.limits, observe: nil)

    @Test func whatIsAtItsLimitIsNoViolation() {
        self.witness.check(Self.full, Self.limits.memory)
        self.witness.check(
            Self.stored(4_000, anonymous: 3_000), .principal(1), AccountUsage(objects: 5, bytes: 2_000))
        #expect(self.witness.violation == nil)
    }

    @Test(arguments: ["all", "anonymous", "account", "live", "pages"])
    func aByteMoreInMemoryIsNoticed(_ figure: String) {
        var figures = Self.full
        switch figure {
        case "all": figures.reservedBytes += 1
        case "anonymous": figures.anonymousReservedBytes += 1
        case "account": figures.largestAccountBytes += 1
        case "live": figures.liveBytes += 1
        default: figures.committedPageBytes += 1
        }
        self.witness.check(figures, Self.limits.memory)
        #expect(self.witness.violation?.promise == .theCapHolds)
    }

    @Test(arguments: [
        (Self.stored(4_001, anonymous: 0), AccountUsage()), (Self.stored(4_000, anonymous: 3_001), AccountUsage()),
        (Self.stored(0, anonymous: 0), AccountUsage(objects: 6, bytes: 0)),
        (Self.stored(0, anonymous: 0), AccountUsage(objects: 0, bytes: 2_001)),
    ])
    func aByteOrAnObjectMoreInTheStoreIsNoticed(_ stored: StoreUsage, _ account: AccountUsage) {
        self.witness.check(stored, .principal(1), account)
        #expect(self.witness.violation?.promise == .theQuotasHold)
    }

    @Test func theFirstViolationIsKept() {
        self.witness.fail(.workEnds, "first")
        self.witness.fail(.theCapHolds, "second")
        #expect(self.witness.violation?.promise == .workEnds)
    }

    private static func stored(_ bytes: Int, anonymous: Int) -> StoreUsage {
        StoreUsage(
            total: AccountUsage(objects: 1, bytes: bytes), anonymous: AccountUsage(objects: 1, bytes: anonymous),
            storedBytes: 0)
    }
}
