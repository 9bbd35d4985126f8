/// Why a store did not do what it was asked for.
package struct StoreError: Error, Sendable {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case unavailable, outcomeUnknown, corruptRecord, newerFormat, closed
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// Nothing was sent or changed, so trying again is safe: the store is locked, or not reached.
        package static let unavailable = Code(.unavailable)
        /// It was sent, and no answer came.
        package static let outcomeUnknown = Code(.outcomeUnknown)
        /// What is stored is damaged. Trying again does not help.
        package static let corruptRecord = Code(.corruptRecord)
        /// A newer version of the program wrote it. It is left alone.
        package static let newerFormat = Code(.newerFormat)
        /// The store has been closed.
        package static let closed = Code(.closed)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What happened, for operators; without keys, values or names of callers.
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

extension StoreError: CustomStringConvertible {
    package var description: String { self.reason }
}
