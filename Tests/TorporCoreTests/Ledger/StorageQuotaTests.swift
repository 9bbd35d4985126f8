import Testing
import TorporCore
import TorporTestSupport

/// What may be stored.
@Suite struct StorageQuotaTests {
    private static let alice = AccountID.principal(1)
    private static let bob = AccountID.principal(2)
    private static let guest = AccountID.anonymous(1)

    private static func quota() -> StorageQuota {
        StorageQuota(
            limits: StorageLimits(
                totalMax: ByteCount(1_000), accountMax: ByteCount(400), accountObjectsMax: 3,
                anonymousMax: ByteCount(500), objectValuesMax: 10))
    }

    private static func reserve(
        _ quota: inout StorageQuota, _ account: AccountID, _ bytes: Int, objects: Int = 0, values: Int = 0,
        added: Int = 0
    ) -> StorageRefusal? {
        _ = quota.learn(account, objects: 0, bytes: 0, forgottenCount: quota.forgottenCount)
        do {
            try quota.reserve(objects: objects, bytes: bytes, for: account, values: (before: values, added: added))
            return nil
        } catch { return error }
    }

    private static func refusal(
        _ level: StorageRefusal.Level, _ limit: Int, used: Int, needed: Int
    ) -> StorageRefusal { StorageRefusal(level: level, limit: limit, used: used, needed: needed) }

    @Test func limitsHaveTheirDefaults() {
        let limits = StorageLimits()
        #expect(limits.totalMax == .gibibytes(10) && limits.accountMax == .mebibytes(2_560))
        #expect(limits.anonymousMax == .gibibytes(5))
        #expect(limits.accountObjectsMax == 10_000 && limits.objectValuesMax == 10_000)
    }

    // MARK: Limits

    @Test func anObjectHasSoManyValuesAndNotOneMore() {
        var quota = Self.quota()
        #expect(Self.reserve(&quota, Self.alice, 1, values: 9, added: 1) == nil)
        #expect(
            Self.reserve(&quota, Self.alice, 1, values: 9, added: 2)
                == Self.refusal(.objectValues, 10, used: 9, needed: 2))
        // More than there may be, since the limit was lowered: it may still change and shrink.
        #expect(Self.reserve(&quota, Self.alice, 1, values: 12, added: 0) == nil)
        #expect(Self.reserve(&quota, Self.alice, 0, values: 12, added: -1) == nil)
        #expect(
            Self.reserve(&quota, Self.alice, 1, values: 12, added: 1)
                == Self.refusal(.objectValues, 10, used: 12, needed: 1))
    }

    @Test func anAccountHasSoManyObjectsAndNotOneMore() {
        var quota = Self.quota()
        for _ in 0..<3 { #expect(Self.reserve(&quota, Self.alice, 1, objects: 1) == nil) }
        #expect(
            Self.reserve(&quota, Self.alice, 1, objects: 1) == Self.refusal(.accountObjects, 3, used: 3, needed: 1))
        #expect(Self.reserve(&quota, Self.bob, 1, objects: 1) == nil)
        // Growing an object makes none.
        #expect(Self.reserve(&quota, Self.alice, 1) == nil)
        quota.release(objects: 1, bytes: 1, of: Self.alice)
        #expect(Self.reserve(&quota, Self.alice, 1, objects: 1) == nil)
    }

    @Test func anAccountFillsItsBytesAndNotOneMore() {
        var quota = Self.quota()
        #expect(Self.reserve(&quota, Self.alice, 399) == nil)
        #expect(Self.reserve(&quota, Self.alice, 2) == Self.refusal(.accountBytes, 400, used: 399, needed: 2))
        #expect(Self.reserve(&quota, Self.alice, 1) == nil)
        #expect(Self.reserve(&quota, Self.alice, 1) == Self.refusal(.accountBytes, 400, used: 400, needed: 1))
        #expect(Self.reserve(&quota, Self.alice, 0) == nil)
    }

    @Test func anonymousCallersFillTheirBytesAndLeaveTheRest() {
        var quota = Self.quota()
        #expect(Self.reserve(&quota, Self.guest, 400) == nil)
        #expect(Self.reserve(&quota, .anonymous(2), 101) == Self.refusal(.anonymousBytes, 500, used: 400, needed: 101))
        #expect(Self.reserve(&quota, .anonymous(2), 50) == nil)
        #expect(Self.reserve(&quota, Self.alice, 400) == nil)
        #expect(quota.anonymousBytes == 450 && quota.usedBytes == 850)
    }

    @Test func allTogetherFillTheirBytesAndNotOneMore() {
        var quota = Self.quota()
        for account in [Self.alice, Self.bob] { #expect(Self.reserve(&quota, account, 400) == nil) }
        #expect(Self.reserve(&quota, .principal(3), 201) == Self.refusal(.totalBytes, 1_000, used: 800, needed: 201))
        #expect(Self.reserve(&quota, .principal(3), 75) == nil)
        #expect(quota.usedBytes == 875)
    }

    @Test func theLastEighthIsForThoseWhoHaveLessThanIsLeftOfIt() {
        var quota = Self.quota()
        for (account, bytes) in [(Self.alice, 400), (Self.bob, 300), (.principal(3), 175)] {
            #expect(Self.reserve(&quota, account, bytes) == nil)
        }
        // Seven eighths are taken, 125 are left.
        #expect(Self.reserve(&quota, .principal(3), 1) == Self.refusal(.totalBytes, 1_000, used: 875, needed: 1))
        #expect(Self.reserve(&quota, .principal(4), 63) == Self.refusal(.totalBytes, 1_000, used: 875, needed: 63))
        #expect(Self.reserve(&quota, .principal(4), 62) == nil)
        #expect(Self.reserve(&quota, .principal(4), 1)?.level == .totalBytes)
        #expect(Self.reserve(&quota, .principal(5), 31) == nil)
        // What is freed is for all again.
        quota.release(objects: 0, bytes: 200, of: Self.alice)
        #expect(Self.reserve(&quota, .principal(4), 1) == nil)
    }

    @Test(arguments: [1, 10, 100])
    func howeverManyTakeWhatTheyCanGetOneThatKeepsLittleFindsRoom(greedy: Int) {
        var quota = StorageQuota(limits: StorageLimits(totalMax: ByteCount(1_000_000)))
        // Each byte goes to whoever is next, until nobody gets one.
        var isRefused: Set<Int> = []
        while isRefused.count < greedy {
            for number in 0..<greedy where Self.reserve(&quota, .anonymous(UInt128(number)), 100) != nil {
                isRefused.insert(number)
            }
        }
        let share = 500_000 / 8 / (greedy + 1)
        #expect(Self.reserve(&quota, .anonymous(1 << 100), share / 2) == nil)
    }

    @Test func whatIsRefusedChangesNothing() {
        var quota = Self.quota()
        #expect(Self.reserve(&quota, Self.guest, 401, objects: 1)?.level == .accountBytes)
        #expect(quota.usedBytes == 0 && quota.anonymousBytes == 0 && quota.objectCount == 0)
    }

    // MARK: Accounts

    @Test func whatTheStoreHasCountsEvenBeyondTheLimits() {
        var quota = StorageQuota(limits: Self.quota().limits, objects: 5, bytes: 2_000, anonymousBytes: 2_000)
        _ = quota.learn(Self.guest, objects: 5, bytes: 2_000, forgottenCount: 0)
        #expect(quota.usedBytes(of: Self.guest) == 2_000 && quota.objectCount(of: Self.guest) == 5)
        #expect(Self.reserve(&quota, Self.guest, 1)?.level == .accountBytes)
        #expect(Self.reserve(&quota, Self.alice, 1)?.level == .totalBytes)
        quota.release(objects: 3, bytes: 1_900, of: Self.guest)
        #expect(Self.reserve(&quota, Self.guest, 1, objects: 1) == nil)
    }

    @Test func whatIsInMemoryIsNewerThanWhatTheStoreSaid() {
        var quota = Self.quota()
        #expect(!quota.knows(Self.alice))
        #expect(Self.reserve(&quota, Self.alice, 10, objects: 1) == nil)
        let isKnown = quota.learn(Self.alice, objects: 0, bytes: 0, forgottenCount: 0)
        #expect(isKnown && quota.usedBytes(of: Self.alice) == 10)
    }

    @Test func whatWasReadBeforeSomethingWasForgottenIsReadAgain() {
        var quota = Self.quota()
        let before = quota.forgottenCount
        #expect(Self.reserve(&quota, Self.alice, 10, objects: 1) == nil)
        quota.forget(Self.alice)
        let isLearned = quota.learn(Self.alice, objects: 0, bytes: 0, forgottenCount: before)
        #expect(!isLearned && !quota.knows(Self.alice))
        let count = quota.forgottenCount
        let isLearnedNow = quota.learn(Self.alice, objects: 1, bytes: 10, forgottenCount: count)
        #expect(
            isLearnedNow && quota.usedBytes == 10 && quota.usedBytes(of: Self.alice) == 10 && quota.accountCount == 1)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func limitsHoldWhateverHappens(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var quota = Self.quota()
        var model: [AccountID: (bytes: Int, objects: Int)] = [:]
        var refusals: Set<StorageRefusal.Level> = []
        for _ in 0..<5_000 {
            let name = UInt128.random(in: 0..<3, using: &random)
            let account: AccountID = Bool.random(using: &random) ? .anonymous(name) : .principal(name)
            let has = model[account] ?? (0, 0)
            if Bool.random(using: &random) {
                let bytes = Int.random(in: 0...120, using: &random)
                let objects = Int.random(in: 0...1, using: &random)
                if let refusal = Self.reserve(&quota, account, bytes, objects: objects) {
                    refusals.insert(refusal.level)
                } else {
                    model[account] = (has.bytes + bytes, has.objects + objects)
                }
            } else if quota.knows(account) {
                let bytes = Int.random(in: 0...has.bytes, using: &random)
                let objects = Int.random(in: 0...has.objects, using: &random)
                quota.release(objects: objects, bytes: bytes, of: account)
                model[account] = (has.bytes - bytes, has.objects - objects)
            }
            #expect(quota.usedBytes == model.values.reduce(0) { $0 + $1.bytes } && quota.usedBytes <= 1_000)
            #expect(quota.anonymousBytes <= 500 && quota.usedBytes(of: account) <= 400)
            #expect(quota.objectCount(of: account) <= 3)
        }
        #expect(refusals.isSuperset(of: [.accountObjects, .accountBytes, .anonymousBytes]))
    }

    // MARK: Words

    @Test func aRefusalSaysWhatIsFullAndWhatToDo() {
        func text(_ level: StorageRefusal.Level, _ limit: Int, _ used: Int, _ needed: Int) -> String {
            "\(Self.refusal(level, limit, used: used, needed: needed))"
        }
        #expect(
            text(.objectValues, 10, 9, 2)
                == "One state object may have 10 values; it has 9 and 2 more are needed. Delete some of them.")
        #expect(
            text(.accountObjects, 3, 3, 1) == "This caller may keep 3 state objects and has 3. Delete some of them.")
        #expect(
            text(.accountBytes, 1 << 20, 1 << 19, 1 << 20) == """
                The state that this caller keeps may take 1 MiB; 512 KiB are taken and 1 MiB more are needed. \
                Delete what is no longer needed.
                """)
        #expect(text(.anonymousBytes, 100, 99, 2).hasSuffix("Try again later, or authenticate."))
        #expect(text(.totalBytes, 100, 99, 2).hasPrefix("All state kept by this server may take 100 bytes; 99 bytes"))
        #expect(
            text(.totalBytes, 100, 97, 2) == """
                All state kept by this server may take 100 bytes; 97 bytes are taken and 2 bytes more are needed. What \
                is left is for callers who keep less: delete some of yours. Try again later, or ask its operator for \
                more room.
                """)
        let temporary = StorageRefusal.Level.allCases.filter { Self.refusal($0, 1, used: 1, needed: 1).isTemporary }
        #expect(temporary == [.anonymousBytes, .totalBytes])
    }

    // MARK: Impossible calls

    @Test func anAccountIsKnownBeforeItGrows() async {
        await #expect(processExitsWith: .failure) {
            var quota = StorageQuota(limits: StorageLimits())
            try quota.reserve(objects: 1, bytes: 1, for: .principal(1))
        }
    }

    @Test func noMoreIsGivenUpThanIsStored() async {
        await #expect(processExitsWith: .failure) {
            var quota = StorageQuota(limits: StorageLimits(), objects: 1, bytes: 10)
            _ = quota.learn(.principal(1), objects: 1, bytes: 10, forgottenCount: 0)
            quota.release(objects: 0, bytes: 11, of: .principal(1))
        }
    }

    @Test func limitsThatContradictEachOtherAreImpossible() async {
        await #expect(processExitsWith: .failure) {
            _ = StorageLimits(totalMax: .mebibytes(1), accountMax: .mebibytes(2))
        }
        await #expect(processExitsWith: .failure) {
            _ = StorageLimits(totalMax: .mebibytes(1), anonymousMax: .mebibytes(2))
        }
        await #expect(processExitsWith: .failure) { _ = StorageLimits(totalMax: ByteCount(3)) }
        await #expect(processExitsWith: .failure) { _ = StorageLimits(accountObjectsMax: 0) }
        await #expect(processExitsWith: .failure) { _ = StorageLimits(objectValuesMax: 0) }
    }
}
