/// Why a server was not measured.
package struct SoakError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Int32, Sendable {
        /// What was given on the command line cannot be used.
        case usage = 2
        /// The server cannot be reached, has died, or its process is not to be found.
        case unmeasurable = 3
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
