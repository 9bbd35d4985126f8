import TorporEngine

/// Why an operator's request concerning state was not carried out.
package struct StateOperationError: Error, Sendable, Equatable {
    package enum Code: String, Sendable {
        /// There is no such object.
        case unknown
        /// Something of another is in the way: an object of that id, or a session that has ended.
        case conflict
        /// The object is used now.
        case busy
        /// What was given cannot be used.
        case malformed
        /// It would exceed a limit.
        case overLimit
        /// What is stored cannot be read.
        case unreadable
        /// The store does not answer, there is no room, or the server stops. Trying again may help.
        case unavailable
    }

    package let code: Code
    /// What happened and what to do, in a sentence.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    static let unknown = StateOperationError(.unknown, "There is no such state object.")

    init(_ error: EngineError) {
        let code: Code =
            switch error.code {
            case .missing: .unknown
            case .overLimit: .overLimit
            case .corrupt, .newerFormat: .unreadable
            default: .unavailable
            }
        self.init(code, error.reason)
    }
}
