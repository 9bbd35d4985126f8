/// Why a value was not encoded, or why bytes are no encoding of a value.
///
/// What concerns the meaning of sound bytes, a missing field or one of another type, is a `DecodingError` instead.
package struct StateEncodingError: Error, Equatable, Sendable {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String { case newerFormat, malformed, tooDeep, tooLarge }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// A newer version of the program wrote the bytes. They are to be left alone.
        package static let newerFormat = Code(.newerFormat)
        /// The bytes follow no format known here. Trying again does not help.
        package static let malformed = Code(.malformed)
        /// More than ``StateFormat/depthMax`` containers are open at once.
        package static let tooDeep = Code(.tooDeep)
        /// The encoding takes more bytes than it may.
        package static let tooLarge = Code(.tooLarge)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What is wrong; holds nothing of the value.
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    static func malformed(_ reason: String) -> StateEncodingError { StateEncodingError(.malformed, reason) }

    static let tooDeep = StateEncodingError(
        .tooDeep, "more than \(StateFormat.depthMax) containers are nested in each other")
}

extension StateEncodingError: CustomStringConvertible {
    package var description: String { self.reason }
}
