import Testing
import TorporCore
import TorporTestSupport

/// Memory is reserved within every limit, to the byte.
@Suite struct LedgerTests {
    private static let alice = AccountID.principal(1)
    private static let bob = AccountID.principal(2)
    private static let guest = AccountID.anonymous(1)

    private static func limits(
        resident: Int = 1_000, soft: Int = 750, object: Int = 100, account: Int = 250, anonymous: Int = 500
    ) -> MemoryLimits {
        MemoryLimits(
            residentMax: ByteCount(resident), residentSoftMax: ByteCount(soft), objectMax: ByteCount(object),
            accountMax: ByteCount(account), anonymousMax: ByteCount(anonymous), dirtyMax: ByteCount(object))
    }

    private static func refusal(_ level: LedgerRefusal.Level, _ limit: Int, used: Int, needed: Int) -> LedgerRefusal {
        LedgerRefusal(level: level, limit: ByteCount(limit), used: ByteCount(used), needed: ByteCount(needed))
    }

    @Test func limitsHaveTheirDefaults() {
        let limits = MemoryLimits()
        #expect(limits.residentMax == .mebibytes(256) && limits.residentSoftMax == .mebibytes(192))
        #expect(limits.objectMax == .mebibytes(8) && limits.dirtyMax == .mebibytes(32))
        #expect(limits.accountMax == .mebibytes(64) && limits.anonymousMax == .mebibytes(128))
    }

    @Test func anObjectFillsItsLimitAndNotAByteMore() throws {
        var ledger = Ledger(limits: Self.limits())
        try ledger.reserve(60, for: Self.alice, objectBytes: 0)
        try ledger.reserve(40, for: Self.alice, objectBytes: 60)
        #expect(throws: Self.refusal(.object, 100, used: 100, needed: 1)) {
            try ledger.reserve(1, for: Self.alice, objectBytes: 100)
        }
        #expect(throws: Self.refusal(.object, 100, used: 99, needed: 2)) {
            try ledger.reserve(2, for: Self.alice, objectBytes: 99)
        }
        #expect(ledger.usedBytes == 100 && ledger.usedBytes(of: Self.alice) == 100)
    }

    @Test func anAccountFillsItsLimitAndNotAByteMore() throws {
        var ledger = Ledger(limits: Self.limits())
        try ledger.reserve(100, for: Self.alice, objectBytes: 0)
        try ledger.reserve(100, for: Self.alice, objectBytes: 0)
        #expect(throws: Self.refusal(.account, 250, used: 200, needed: 51)) {
            try ledger.reserve(51, for: Self.alice, objectBytes: 0)
        }
        try ledger.reserve(50, for: Self.alice, objectBytes: 0)
        #expect(throws: Self.refusal(.account, 250, used: 250, needed: 1)) {
            try ledger.reserve(1, for: Self.alice, objectBytes: 0)
        }
        // Another account has room.
        try ledger.reserve(100, for: Self.bob, objectBytes: 0)
        // The same digest of another kind is another account.
        try ledger.reserve(100, for: Self.guest, objectBytes: 0)
        #expect(ledger.accountCount == 3)
    }

    @Test func anonymousCallersFillTheirLimitAndLeaveTheRest() throws {
        var ledger = Ledger(limits: Self.limits())
        for address in 0..<5 as Range<UInt128> {
            try ledger.reserve(100, for: .anonymous(address), objectBytes: 0)
        }
        #expect(throws: Self.refusal(.anonymous, 500, used: 500, needed: 1)) {
            try ledger.reserve(1, for: .anonymous(9), objectBytes: 0)
        }
        try ledger.reserve(100, for: Self.alice, objectBytes: 0)
        #expect(ledger.anonymousBytes == 500 && ledger.usedBytes == 600)
        ledger.release(1, for: .anonymous(3))
        try ledger.reserve(1, for: .anonymous(9), objectBytes: 0)
    }

    @Test func theProcessFillsItsLimitAndNotAByteMore() throws {
        var ledger = Ledger(limits: Self.limits())
        for name in 0..<9 as Range<UInt128> { try ledger.reserve(100, for: .principal(name), objectBytes: 0) }
        try ledger.reserve(99, for: .principal(9), objectBytes: 0)
        #expect(throws: Self.refusal(.process, 1_000, used: 999, needed: 2)) {
            try ledger.reserve(2, for: .principal(10), objectBytes: 0)
        }
        try ledger.reserve(1, for: .principal(10), objectBytes: 0)
        #expect(throws: Self.refusal(.process, 1_000, used: 1_000, needed: 1)) {
            try ledger.reserve(1, for: .principal(10), objectBytes: 0)
        }
        #expect(ledger.usedBytes == 1_000)
    }

    @Test func theNarrowestLimitIsNamed() throws {
        var ledger = Ledger(limits: Self.limits(resident: 100, soft: 100, account: 100, anonymous: 100))
        try ledger.reserve(100, for: Self.guest, objectBytes: 0)
        func level(_ account: AccountID, objectBytes: Int) -> LedgerRefusal.Level? {
            do {
                try ledger.reserve(1, for: account, objectBytes: objectBytes)
                return nil
            } catch { return error.level }
        }
        #expect(level(Self.guest, objectBytes: 100) == .object)
        #expect(level(Self.guest, objectBytes: 99) == .account)
        #expect(level(.anonymous(2), objectBytes: 0) == .anonymous)
        #expect(level(Self.alice, objectBytes: 0) == .process)
    }

    @Test func nothingCanBeReservedWhereNothingIsNeeded() throws {
        var ledger = Ledger(limits: Self.limits())
        try ledger.reserve(0, for: Self.alice, objectBytes: 100)
        #expect(ledger.accountCount == 0)
        ledger.release(0, for: Self.alice)
        #expect(ledger.isBalanced)
    }

    @Test func theExcessIsWhatLiesAboveTheSoftLimit() throws {
        var ledger = Ledger(limits: Self.limits(soft: 150))
        try ledger.reserve(100, for: Self.alice, objectBytes: 0)
        try ledger.reserve(50, for: Self.alice, objectBytes: 0)
        #expect(ledger.excessBytes == 0)
        try ledger.reserve(1, for: Self.alice, objectBytes: 0)
        #expect(ledger.excessBytes == 1)
    }

    @Test func whatIsLeftAtTheEndIsNamed() throws {
        var ledger = Ledger(limits: Self.limits())
        try ledger.reserve(10, for: Self.alice, objectBytes: 0)
        try ledger.reserve(20, for: Self.guest, objectBytes: 0)
        try ledger.reserve(30, for: Self.bob, objectBytes: 0)
        ledger.release(30, for: Self.bob)
        #expect(!ledger.isBalanced && ledger.accountCount == 2)
        #expect(ledger.remainders.map(\.account) == [Self.guest, Self.alice])
        #expect(ledger.remainders.map(\.bytes) == [20, 10])
        ledger.release(10, for: Self.alice)
        ledger.release(20, for: Self.guest)
        #expect(ledger.isBalanced && ledger.remainders.isEmpty && ledger.anonymousBytes == 0)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func theLedgerDoesWhatTheModelDoes(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let limits = Self.limits(resident: 2_000, soft: 1_500)
        var ledger = Ledger(limits: limits)
        var objects: [Int: (account: AccountID, bytes: Int)] = [:]
        func sum(where isCounted: (AccountID) -> Bool) -> Int {
            objects.values.reduce(0) { $0 + (isCounted($1.account) ? $1.bytes : 0) }
        }
        var refusals: Set<LedgerRefusal.Level> = []
        for _ in 0..<5_000 {
            let name = Int.random(in: 0..<40, using: &random)
            let account: AccountID = name % 2 == 0 ? .anonymous(UInt128(name % 7)) : .principal(UInt128(name % 9))
            let object = objects[name] ?? (account, 0)
            if Int.random(in: 0..<5, using: &random) < 3 {
                let count = Int.random(in: 0...80, using: &random)
                let fits: [LedgerRefusal.Level: Bool] = [
                    .object: object.bytes + count <= 100,
                    .account: sum { $0 == account } + count <= 250,
                    .anonymous: !account.isAnonymous || sum(where: \.isAnonymous) + count <= 500,
                    .process: sum { _ in true } + count <= 2_000,
                ]
                do {
                    try ledger.reserve(count, for: account, objectBytes: object.bytes)
                    #expect(!fits.values.contains(false))
                    objects[name] = (account, object.bytes + count)
                } catch {
                    #expect(error.level == LedgerRefusal.Level.allCases.first { fits[$0] == false })
                    refusals.insert(error.level)
                }
            } else {
                let count = Int.random(in: 0...object.bytes, using: &random)
                ledger.release(count, for: account)
                objects[name] = (account, object.bytes - count)
            }
            #expect(ledger.usedBytes == sum { _ in true } && ledger.anonymousBytes == sum(where: \.isAnonymous))
            #expect(ledger.usedBytes(of: account) == sum { $0 == account })
            #expect(ledger.excessBytes == max(0, ledger.usedBytes - 1_500))
        }
        #expect(refusals.isSuperset(of: [.object, .account, .anonymous]))
        for (account, bytes) in objects.values { ledger.release(bytes, for: account) }
        #expect(ledger.isBalanced)
    }

    // MARK: Words

    @Test func aRefusalSaysWhatIsFullAndWhatToDo() {
        func text(_ level: LedgerRefusal.Level) -> String {
            "\(LedgerRefusal(level: level, limit: .mebibytes(64), used: ByteCount(67_004_006), needed: .kibibytes(256)))"
        }
        #expect(
            text(.account) == """
                The state of this caller may take 64 MiB of memory; 63.8 MiB are in use and 256 KiB more are needed. \
                Delete what is no longer needed, or try again when less of it is in use.
                """)
        #expect(text(.object).hasPrefix("One state object may take 64 MiB of memory; "))
        #expect(text(.anonymous).hasSuffix("Try again later, or authenticate."))
        #expect(text(.process).hasPrefix("All state on this server may take 64 MiB of memory; "))
        #expect(
            "\(Self.refusal(.object, 2, used: 1, needed: 1))".contains("1 byte is in use and 1 byte more is needed"))
    }

    @Test func onlyWhatOthersHoldIsTemporary() {
        let temporary = LedgerRefusal.Level.allCases.filter { Self.refusal($0, 1, used: 1, needed: 1).isTemporary }
        #expect(temporary == [.anonymous, .process])
    }

    @Test func countsAreRoundedDownToOneDigit() {
        #expect(ByteCount(0).roundedText == "0 bytes" && ByteCount(1).roundedText == "1 byte")
        #expect(ByteCount(1_023).roundedText == "1023 bytes" && ByteCount(1_024).roundedText == "1 KiB")
        #expect(ByteCount(1_024 + 102).roundedText == "1 KiB" && ByteCount(1_024 + 103).roundedText == "1.1 KiB")
        #expect(ByteCount((1 << 20) - 1).roundedText == "1023.9 KiB" && ByteCount.mebibytes(1).roundedText == "1 MiB")
        #expect(ByteCount.gibibytes(10).roundedText == "10 GiB" && ByteCount(.max).roundedText == "8388607.9 TiB")
    }

    // MARK: Impossible calls

    @Test func noMoreIsReleasedThanWasReserved() async {
        await #expect(processExitsWith: .failure) {
            var ledger = Ledger(limits: MemoryLimits())
            try ledger.reserve(10, for: .principal(1), objectBytes: 0)
            ledger.release(11, for: .principal(1))
        }
        await #expect(processExitsWith: .failure) {
            var ledger = Ledger(limits: MemoryLimits())
            try ledger.reserve(10, for: .principal(1), objectBytes: 0)
            ledger.release(1, for: .principal(2))
        }
        await #expect(processExitsWith: .failure) {
            var ledger = Ledger(limits: MemoryLimits())
            ledger.release(-1, for: .principal(2))
        }
        await #expect(processExitsWith: .failure) {
            var ledger = Ledger(limits: MemoryLimits())
            try ledger.reserve(-1, for: .principal(2), objectBytes: 0)
        }
    }

    @Test func limitsThatContradictEachOtherAreImpossible() async {
        await #expect(processExitsWith: .failure) {
            _ = MemoryLimits(residentMax: .mebibytes(8), objectMax: .mebibytes(2), accountMax: .mebibytes(9))
        }
        await #expect(processExitsWith: .failure) {
            _ = MemoryLimits(residentMax: .mebibytes(8), objectMax: .mebibytes(2), anonymousMax: .mebibytes(9))
        }
        await #expect(processExitsWith: .failure) {
            _ = MemoryLimits(residentMax: .mebibytes(64), residentSoftMax: .mebibytes(65))
        }
        // By default an account has a quarter of 16 MiB, less than an object.
        await #expect(processExitsWith: .failure) { _ = MemoryLimits(residentMax: .mebibytes(16)) }
        await #expect(processExitsWith: .failure) { _ = MemoryLimits(anonymousMax: .mebibytes(7)) }
        await #expect(processExitsWith: .failure) { _ = MemoryLimits(dirtyMax: .mebibytes(7)) }
        await #expect(processExitsWith: .failure) { _ = MemoryLimits(objectMax: ByteCount(0)) }
    }

    @Test func limitsMayBeEqual() {
        let limits = MemoryLimits(
            residentMax: .mebibytes(8), residentSoftMax: .mebibytes(8), accountMax: .mebibytes(8),
            anonymousMax: .mebibytes(8), dirtyMax: .mebibytes(8))
        #expect(limits.objectMax == limits.residentMax)
    }
}
