import TorporCore
import Synchronization

/// What the engine has at one moment.
package struct EngineFigures: Sendable, Equatable {
    /// What the ledger has reserved: of all, of anonymous callers, and of the account that has most.
    package var reservedBytes: Int
    package var anonymousReservedBytes: Int
    package var largestAccountBytes: Int
    /// What values and heads of objects take in pages, with their rounding.
    package var liveBytes: Int
    /// Bytes of pages in use.
    package var committedPageBytes: Int
    /// Bytes of values that the store lacks.
    package var dirtyBytes: Int
    /// Objects in memory, and between memory and store.
    package var knownObjects: Int
    /// Those of them that are in use, dirty, or on their way.
    package var activeObjects: Int
    /// Accounts of which it is known what they have stored.
    package var knownAccounts: Int
    /// What is stored or reserved, of all.
    package var storedBytes: Int
    package var storedObjects: Int
}

extension StateEngine {
    /// Takes a short lock.
    /// - Complexity: O(accounts in memory).
    package var figures: EngineFigures {
        self.state.withLock { state in
            EngineFigures(
                reservedBytes: state.ledger.usedBytes, anonymousReservedBytes: state.ledger.anonymousBytes,
                largestAccountBytes: state.ledger.largestAccountBytes, liveBytes: state.records.liveBytes,
                committedPageBytes: state.records.committedBytes, dirtyBytes: state.dirtyBytes,
                knownObjects: state.numbers.count, activeObjects: state.active.count,
                knownAccounts: state.quota.accountCount, storedBytes: state.quota.usedBytes,
                storedObjects: state.quota.objectCount)
        }
    }
}
