import Glibc

/// Why a child was not started. Nothing of it is left.
package struct ChildError: Error, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case programNotFound, programNotExecutable, directoryMissing, invalidCommand, sandboxMissing
            case limitRefused, exhausted, wardenLost, closed, failed
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// There is no such program. Starting again cannot help.
        package static let programNotFound = Code(.programNotFound)
        /// The file is no program that this machine runs, or may not be run. Starting again cannot help.
        package static let programNotExecutable = Code(.programNotExecutable)
        /// The directory to run in is missing or cannot be entered.
        package static let directoryMissing = Code(.directoryMissing)
        /// The command cannot be passed to a program: it is empty, too long, or holds a NUL. Starting again cannot
        /// help.
        package static let invalidCommand = Code(.invalidCommand)
        /// A sandbox is asked for, and the program that makes it is not installed.
        package static let sandboxMissing = Code(.sandboxMissing)
        /// The kernel refused a limit or a control group, so the child was not let run without.
        package static let limitRefused = Code(.limitRefused)
        /// The system has no process, memory or descriptor left, or the warden has as many children as it can. Later
        /// it may go.
        package static let exhausted = Code(.exhausted)
        /// The warden ended, or no new one could be started. The next start tries again.
        package static let wardenLost = Code(.wardenLost)
        /// The warden was closed.
        package static let closed = Code(.closed)
        /// Anything else that the system refuses.
        package static let failed = Code(.failed)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What is wrong and, where somebody can do something about it, what.
    package let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    static let closed = ChildError(.closed, "no more children are started: Torpor is shutting down")

    static func wardenLost(_ reason: String) -> ChildError {
        ChildError(.wardenLost, "the process that starts children \(reason)")
    }
}

/// The text of an error of errno: `No such file or directory`.
func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }
