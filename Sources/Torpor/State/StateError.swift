import TorporEngine

/// Why state could not be read or changed.
///
/// Thrown by everything that reads or changes state. A handler that does not catch it ends its call: with a tool error for
/// what the model may mend, with a retryable error of the server for the rest.
public struct StateError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case missing, overLimit, noRoom, busy, unavailable, lost, unreadable, outcomeUnknown, stopping
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// There is no such object, or it is another's: for a handle, or a session that has ended.
        public static let missing = Code(.missing)
        /// A limit of the object, of its caller, or of the storage. Nothing was changed.
        public static let overLimit = Code(.overLimit)
        /// No room in memory now. Nothing was changed; try again.
        public static let noRoom = Code(.noRoom)
        /// Too many calls wait for the same object. Nothing was changed; try again.
        public static let busy = Code(.busy)
        /// The store does not answer. Nothing was changed; try again.
        public static let unavailable = Code(.unavailable)
        /// What the call saw or changed could not be stored, and is undone; try again.
        public static let lost = Code(.lost)
        /// What is stored does not decode, is damaged, or comes from a newer version. It stays as it is.
        public static let unreadable = Code(.unreadable)
        /// A step of ``Call/once(_:_:)`` was begun before, and nobody knows whether it was done.
        public static let outcomeUnknown = Code(.outcomeUnknown)
        /// The server stops; try again.
        public static let stopping = Code(.stopping)

        public var description: String { self.value.rawValue }
    }

    public let code: Code
    /// What happened and what to do, for a model or a person to read. Holds no keys and no values.
    public let message: String

    public var description: String { self.message }

    /// Whether the same call may succeed a little later.
    public var isRetryable: Bool { [.noRoom, .busy, .unavailable, .lost, .stopping].contains(self.code) }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: EngineError) {
        let code: Code =
            switch error.code {
            case .missing: .missing
            case .overLimit: .overLimit
            case .noRoom, .shortOfMemory: .noRoom
            case .busy: .busy
            case .unavailable: .unavailable
            case .lost: .lost
            case .stopping: .stopping
            default: .unreadable
            }
        self.init(code, error.reason)
    }
}
