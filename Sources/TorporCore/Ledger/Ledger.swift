/// Counts the bytes of resident state: of each account, of all anonymous ones, of the process. Exact, and never above
/// its limits.
///
/// Bytes are reserved before they are used. Who holds how much within an account, the caller knows: it passes what an
/// object has when that grows. An account exists from its first byte to its last. Holds no lock: the owner has one.
package struct Ledger: Sendable {
    package let limits: MemoryLimits
    private var accounts: [AccountID: Int] = [:]

    /// Bytes reserved by all accounts.
    package private(set) var usedBytes = 0
    /// Bytes reserved by all anonymous accounts.
    package private(set) var anonymousBytes = 0

    package init(limits: MemoryLimits) { self.limits = limits }

    /// Accounts with at least one byte.
    package var accountCount: Int { self.accounts.count }
    /// Bytes above the soft limit: how much should be evicted.
    package var excessBytes: Int { max(0, self.usedBytes - self.limits.residentSoftMax.bytes) }

    /// Bytes reserved by an account.
    package func usedBytes(of account: AccountID) -> Int { self.accounts[account] ?? 0 }

    /// The bytes of the account that has reserved most.
    /// - Complexity: O(accounts).
    package var largestAccountBytes: Int { self.accounts.values.max() ?? 0 }

    /// Reserves bytes for an object that has `objectBytes` now, or nothing.
    ///
    /// - Throws: The narrowest limit that has no room: the object's, its account's, the anonymous callers', the process's.
    /// - Complexity: O(1).
    package mutating func reserve(
        _ count: Int, for account: AccountID, objectBytes: Int
    ) throws(LedgerRefusal) {
        precondition(count >= 0 && objectBytes >= 0, "a reservation is not negative")
        let used = self.usedBytes(of: account)
        try LedgerRefusal.check(.object, self.limits.objectMax, used: objectBytes, needed: count)
        try LedgerRefusal.check(.account, self.limits.accountMax, used: used, needed: count)
        if account.isAnonymous {
            try LedgerRefusal.check(.anonymous, self.limits.anonymousMax, used: self.anonymousBytes, needed: count)
        }
        try LedgerRefusal.check(.process, self.limits.residentMax, used: self.usedBytes, needed: count)
        guard count > 0 else { return }
        self.accounts[account] = used + count
        self.usedBytes += count
        if account.isAnonymous { self.anonymousBytes += count }
    }

    /// Gives back bytes that were reserved for `account`.
    /// - Complexity: O(1), averaged over many.
    package mutating func release(_ count: Int, for account: AccountID) {
        precondition(count >= 0, "a reservation is not negative")
        let used = self.usedBytes(of: account)
        precondition(count <= used, "an account gives back no more than it has reserved")
        self.accounts[account] = used == count ? nil : used - count
        self.accounts.shrinkIfSparse()
        self.usedBytes -= count
        if account.isAnonymous { self.anonymousBytes -= count }
    }

    /// The accounts with the most bytes, the most first.
    /// - Parameter accountsMax: At most so many accounts are looked at, in no order.
    /// - Complexity: O(`accountsMax`).
    package func largestAccounts(_ limit: Int, lookingAt accountsMax: Int) -> [(account: AccountID, bytes: Int)] {
        var largest: [(account: AccountID, bytes: Int)] = []
        for (account, bytes) in self.accounts.prefix(accountsMax) {
            if largest.count == limit, bytes <= largest[limit - 1].bytes { continue }
            if largest.count == limit { largest.removeLast() }
            largest.insert((account, bytes), at: largest.firstIndex { $0.bytes < bytes } ?? largest.count)
        }
        return largest
    }

    // MARK: At the end

    /// Whether all that was reserved was given back.
    package var isBalanced: Bool { self.usedBytes == 0 && self.accounts.isEmpty }

    /// The accounts that have not given back everything, and how many bytes each has, the most first.
    package var remainders: [(account: AccountID, bytes: Int)] {
        self.accounts.map { ($0.key, $0.value) }.sorted { $0.1 > $1.1 }
    }
}

/// Why bytes of memory were not reserved.
package struct LedgerRefusal: Error, Hashable {
    /// Whose limit it is, the narrowest first.
    package enum Level: Hashable, Sendable, CaseIterable {
        case object, account, anonymous, process
    }

    package let level: Level
    package let limit: ByteCount
    /// What was reserved already, of the limit.
    package let used: ByteCount
    /// How much more was asked for.
    package let needed: ByteCount

    package init(level: Level, limit: ByteCount, used: ByteCount, needed: ByteCount) {
        self.level = level
        self.limit = limit
        self.used = used
        self.needed = needed
    }

    fileprivate static func check(_ level: Level, _ limit: ByteCount, used: Int, needed: Int) throws(LedgerRefusal) {
        if used <= limit.bytes, needed <= limit.bytes - used { return }
        throw LedgerRefusal(level: level, limit: limit, used: ByteCount(used), needed: ByteCount(needed))
    }

    /// Whether the same may succeed later with nothing given up by the caller: others' state can be evicted.
    package var isTemporary: Bool { self.level == .anonymous || self.level == .process }
}

extension LedgerRefusal: CustomStringConvertible {
    /// A sentence or two that tell a person or a model what is full and what to do.
    package var description: String {
        let whose: String
        let advice: String
        switch self.level {
        case .object:
            whose = "One state object"
            advice = "Delete some of its values, or keep shorter ones."
        case .account:
            whose = "The state of this caller"
            advice = "Delete what is no longer needed, or try again when less of it is in use."
        case .anonymous:
            whose = "The state of all callers without a name"
            advice = "Try again later, or authenticate."
        case .process:
            whose = "All state on this server"
            advice = "Try again later."
        }
        return """
            \(whose) may take \(self.limit.roundedText) of memory; \(self.used.roundedText) \
            \(self.used == ByteCount(1) ? "is" : "are") in use and \(self.needed.roundedText) more \
            \(self.needed == ByteCount(1) ? "is" : "are") needed. \(advice)
            """
    }
}
