/// Counts what is stored: bytes and objects of each account, bytes of all anonymous ones and of all.
///
/// What a change adds is reserved before the change is made, and counts as stored from then on; what it takes away counts
/// until that is durable. So whatever becomes of a commit, limits are never exceeded. What only shrinks is never refused,
/// also when a limit was lowered below what is stored.
///
/// The last eighth of what accounts share is for those that have less than what is left of it: however many take what they
/// can get, one that keeps little finds room.
///
/// Totals are known from the start. What an account has is learned when it is first needed, and forgotten when nothing of
/// it is in memory.
package struct StorageQuota: Sendable {
    private struct Use: Sendable {
        var bytes: Int
        var objects: Int
    }

    package let limits: StorageLimits
    private var accounts: [AccountID: Use] = [:]

    /// Bytes of all accounts, stored or reserved.
    package private(set) var usedBytes: Int
    /// Bytes of all anonymous accounts, stored or reserved.
    package private(set) var anonymousBytes: Int
    /// Objects of all accounts, stored or reserved.
    package private(set) var objectCount: Int

    /// - Parameters:
    ///   - objects: What the store has in all.
    ///   - bytes: What they take.
    ///   - anonymousBytes: What those of anonymous accounts take.
    package init(limits: StorageLimits, objects: Int = 0, bytes: Int = 0, anonymousBytes: Int = 0) {
        self.limits = limits
        self.objectCount = objects
        self.usedBytes = bytes
        self.anonymousBytes = anonymousBytes
    }

    /// Accounts that something is known of.
    package var accountCount: Int { self.accounts.count }

    /// Bytes of an account, stored or reserved; zero when nothing is known of it.
    package func usedBytes(of account: AccountID) -> Int { self.accounts[account]?.bytes ?? 0 }
    /// Objects of an account, stored or reserved; zero when nothing is known of it.
    package func objectCount(of account: AccountID) -> Int { self.accounts[account]?.objects ?? 0 }

    // MARK: Accounts

    package func knows(_ account: AccountID) -> Bool { self.accounts[account] != nil }

    /// Counts how often something was forgotten. What was read from the store before then may be out of date.
    package private(set) var forgottenCount = 0

    /// Learns what the store has of an account. Does nothing when that is known: what is in memory is newer.
    /// - Parameter forgottenCount: As it was before the store was asked.
    /// - Returns: `false` when something was forgotten since: ask again.
    package mutating func learn(
        _ account: AccountID, objects: Int, bytes: Int, forgottenCount: Int
    ) -> Bool {
        precondition(bytes >= 0 && objects >= 0, "what is stored is not negative")
        if self.knows(account) { return true }
        guard self.forgottenCount == forgottenCount else { return false }
        self.accounts[account] = Use(bytes: bytes, objects: objects)
        return true
    }

    /// Nothing of the account is in memory any more: what the store says of it is all there is.
    package mutating func forget(_ account: AccountID) {
        guard self.accounts.removeValue(forKey: account) != nil else { return }
        self.accounts.shrinkIfSparse()
        self.forgottenCount += 1
    }

    // MARK: Changes

    /// Reserves what a change adds, or nothing.
    ///
    /// - Parameters:
    ///   - values: How many values the object has before the change, and how many it has more afterwards.
    /// - Throws: The narrowest limit that has no room for the account: the object's values, the account's objects, the
    ///   account's bytes, the anonymous callers', all.
    /// - Precondition: The account is known; nothing that is added is negative.
    /// - Complexity: O(1).
    package mutating func reserve(
        objects: Int, bytes: Int, for account: AccountID, values: (before: Int, added: Int) = (0, 0)
    ) throws(StorageRefusal) {
        precondition(objects >= 0 && bytes >= 0, "a reservation is not negative")
        guard let use = self.accounts[account] else { preconditionFailure("an account is known before it grows") }
        try StorageRefusal.check(.objectValues, self.limits.objectValuesMax, values.before, values.added)
        try StorageRefusal.check(.accountObjects, self.limits.accountObjectsMax, use.objects, objects)
        try StorageRefusal.check(.accountBytes, self.limits.accountMax.bytes, use.bytes, bytes)
        if account.isAnonymous {
            try StorageRefusal.check(
                .anonymousBytes, self.limits.anonymousMax.bytes, self.anonymousBytes, bytes, having: use.bytes)
        }
        try StorageRefusal.check(.totalBytes, self.limits.totalMax.bytes, self.usedBytes, bytes, having: use.bytes)
        self.add(bytes, objects, to: account)
    }

    /// Gives back what was reserved and will not be stored, or what is durably no longer stored.
    /// - Precondition: The account is known, and has as much.
    package mutating func release(objects: Int, bytes: Int, of account: AccountID) {
        precondition(objects >= 0 && bytes >= 0, "what is given back is not negative")
        self.add(-bytes, -objects, to: account)
    }

    private mutating func add(_ bytes: Int, _ objects: Int, to account: AccountID) {
        guard var use = self.accounts[account] else { preconditionFailure("an account is known while it changes") }
        use.bytes += bytes
        use.objects += objects
        precondition(use.bytes >= 0 && use.objects >= 0, "an account gives up no more than it has stored")
        self.accounts[account] = use
        self.usedBytes += bytes
        self.objectCount += objects
        if account.isAnonymous { self.anonymousBytes += bytes }
    }
}

/// Why nothing was reserved in a ``StorageQuota``.
package struct StorageRefusal: Error, Hashable {
    /// Whose limit it is and what it counts, the narrowest first.
    package enum Level: Hashable, Sendable, CaseIterable {
        case objectValues, accountObjects, accountBytes, anonymousBytes, totalBytes
    }

    package let level: Level
    /// Values, objects or bytes, as the level says.
    package let limit: Int
    /// What was stored or reserved already, of the limit.
    package let used: Int
    /// How much more was asked for.
    package let needed: Int

    package init(level: Level, limit: Int, used: Int, needed: Int) {
        self.level = level
        self.limit = limit
        self.used = used
        self.needed = needed
    }

    /// - Parameter share: What the account has already, of what it shares with others.
    fileprivate static func check(
        _ level: Level, _ limit: Int, _ used: Int, _ needed: Int, having share: Int? = nil
    ) throws(StorageRefusal) {
        if needed <= 0 { return }
        let keptForOthers = share.map { min($0 + needed, limit / 8) } ?? 0
        if used <= limit, needed <= limit - used, keptForOthers <= limit - used - needed { return }
        throw StorageRefusal(level: level, limit: limit, used: used, needed: needed)
    }

    /// Whether there is room, but for those who have less.
    private var isKeptForOthers: Bool { self.used <= self.limit && self.needed <= self.limit - self.used }

    /// Whether the same may succeed later with nothing given up by the caller: others may delete what they stored.
    package var isTemporary: Bool { self.level == .anonymousBytes || self.level == .totalBytes }
}

extension StorageRefusal: CustomStringConvertible {
    /// A sentence or two that tell a person or a model what is full and what to do.
    package var description: String {
        switch self.level {
        case .objectValues:
            "One state object may have \(self.limit) values; it has \(self.used) and \(self.needed) more "
                + "\(self.needed == 1 ? "is" : "are") needed. Delete some of them."
        case .accountObjects:
            "This caller may keep \(self.limit) state objects and has \(self.used). Delete some of them."
        case .accountBytes:
            self.sentence("The state that this caller keeps", "Delete what is no longer needed.")
        case .anonymousBytes:
            self.sentence("The state that all callers without a name keep", "Try again later, or authenticate.")
        case .totalBytes:
            self.sentence("All state kept by this server", "Try again later, or ask its operator for more room.")
        }
    }

    private func sentence(_ whose: String, _ advice: String) -> String {
        let (used, needed) = (ByteCount(self.used), ByteCount(self.needed))
        return """
            \(whose) may take \(ByteCount(self.limit).roundedText); \(used.roundedText) \
            \(used == ByteCount(1) ? "is" : "are") taken and \(needed.roundedText) more \
            \(needed == ByteCount(1) ? "is" : "are") needed.\
            \(self.isKeptForOthers ? " What is left is for callers who keep less: delete some of yours." : "") \
            \(advice)
            """
    }
}
