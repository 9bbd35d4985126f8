import TorporCore

/// A promise that was broken.
package struct Violation: Error, Sendable {
    package enum Promise: String, Sendable, CaseIterable {
        /// P3: what was acknowledged is durable, and what was refused never takes effect.
        case acknowledgedMeansDurable
        /// P3: what an answer reveals is durable when it leaves.
        case nothingLeavesBeforeItIsDurable
        /// P4: an object that was evicted or met a restart is what it was.
        case sleepIsInvisible
        /// A change takes effect as a whole or not at all, in memory and in the store.
        case changesAreAtomic
        /// The changes of an object have one order, the same for every call and for the store.
        case changesHaveOneOrder
        /// P6: eviction and expiry leave alone what is in use.
        case nothingInFlightIsCut
        /// P7: nobody but the offender notices.
        case oneOffenderOneVictim
        /// P8: reserved and real bytes stay within their limits.
        case theCapHolds
        /// P1: what is stored stays within the quotas.
        case theQuotasHold
        /// At a clean end all is committed, and every account reads zero.
        case theEndIsClean
        /// An object is reached by its owner alone.
        case onlyOnesOwnObjects
        /// What has ended is not served again.
        case whatIsGoneStaysGone
        /// Every call gets an answer.
        case noCallGetsSilence
        /// The engine does no work without end.
        case workEnds
    }

    package let promise: Promise
    package let text: String
    /// How many jobs had run.
    package let job: Int
    /// Simulated time since the start.
    package let after: Duration
}

extension Violation: CustomStringConvertible {
    package var description: String { "\(self.promise.rawValue): \(self.text) (job \(self.job), after \(self.after))" }
}
