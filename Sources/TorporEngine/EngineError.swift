import TorporCore
import TorporStore

/// Why a call could not read or change state. What it says is written for whoever called.
package struct EngineError: Error, Sendable, Equatable {
    package struct Code: Hashable, Sendable, CaseIterable, CustomStringConvertible {
        private enum Value: String, CaseIterable {
            case missing, overLimit, noRoom, shortOfMemory, busy, unavailable, lost, corrupt, newerFormat, stopping
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// There is no such object, or it is not the caller's.
        package static let missing = Code(.missing)
        /// The change would exceed a limit of the object, of its caller, or of the storage. Nothing was changed.
        package static let overLimit = Code(.overLimit)
        /// There is no room in memory now; there will be when others are done. Nothing was changed.
        package static let noRoom = Code(.noRoom)
        /// The process is short of memory, and takes no new state, or wakes none, for a while. Nothing was changed.
        package static let shortOfMemory = Code(.shortOfMemory)
        /// Too many calls wait for the same object. Nothing was changed.
        package static let busy = Code(.busy)
        /// The store cannot be reached, or does not answer. Nothing was changed.
        package static let unavailable = Code(.unavailable)
        /// What the call saw or changed could not be stored, and is gone.
        package static let lost = Code(.lost)
        /// What is stored cannot be read. It is left as it is.
        package static let corrupt = Code(.corrupt)
        /// A newer version of the program stored it. It is left as it is.
        package static let newerFormat = Code(.newerFormat)
        /// The process stops. Nothing was changed.
        package static let stopping = Code(.stopping)

        package static var allCases: [Code] { Value.allCases.map { Code($0) } }

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What happened and what to do, in sentences. Holds no keys and no values.
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// Whether the same call may succeed a little later.
    package var isRetryable: Bool {
        [.noRoom, .shortOfMemory, .busy, .unavailable, .lost, .stopping].contains(self.code)
    }
}

extension EngineError: CustomStringConvertible {
    package var description: String { self.reason }
}

extension EngineError {
    static let noRoom = EngineError(.noRoom, "There is no room in memory for this now. Try again in a moment.")
    static let newStateRefused = EngineError(
        .shortOfMemory, "The server is short of memory and begins no new state now. Try again in a few seconds.")
    static let loadsRefused = EngineError(
        .shortOfMemory,
        "The server is short of memory and wakes no state that is asleep now. Try again in a few seconds.")
    static let missing = EngineError(.missing, "There is no such object.")
    /// The arena has no place for it: its addresses are used up.
    static let noAddresses = noRoom
    static let diskLow = EngineError(
        .overLimit,
        "The server's disk has less than a tenth of its space left, so nothing new is stored. Nothing was changed. Deleting works."
    )
    static let changeLost = EngineError(
        .lost, "What this call saw or changed could not be stored, so it is undone. Try again.")
    static let silence = EngineError(.unavailable, "The store does not answer. Try again in a moment.")
    package static let stopping = EngineError(.stopping, "The server is stopping. Try again in a moment.")
}

extension EngineError {
    init(_ refusal: LedgerRefusal) {
        self.init(refusal.isTemporary ? .noRoom : .overLimit, "\(refusal) Nothing was changed.")
    }

    init(_ refusal: StorageRefusal) { self.init(.overLimit, "\(refusal) Nothing was changed.") }

    init(_ error: StoreError) {
        switch error.code {
        case .corruptRecord:
            self.init(.corrupt, "What is stored for this is damaged and cannot be read. An operator has to look at it.")
        case .newerFormat:
            self.init(.newerFormat, "What is stored for this was written by a newer version of this server.")
        case .closed: self = .stopping
        default: self.init(.unavailable, "The store cannot be reached. Try again in a moment.")
        }
    }

    init(_ refusal: CommitRefusal) {
        switch refusal.reason {
        case .full:
            self.init(.lost, "There is no room left in the store, so nothing of this was kept. Delete something.")
        case .unwritable: self.init(.lost, "The store cannot be written, so nothing of this was kept.")
        case .unacceptable: self.init(.lost, "The store does not take this, so nothing of it was kept.")
        case .revisionMismatch, .fenced: self = .changeLost
        }
    }
}
