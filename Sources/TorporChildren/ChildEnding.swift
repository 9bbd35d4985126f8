import Glibc
package import TorporCore

/// How a child ended. By then all of its family is gone.
package enum ChildEnding: Sendable, Equatable {
    /// It ended by itself with this status, 0 to 255.
    case exited(status: Int32)
    /// A signal ended it: one that it was sent, or that its own fault caused.
    case killed(signal: Int32)
    /// Its family took more memory than it may, and was ended for it.
    case overMemory(used: ByteCount, cap: ByteCount)
    /// Its family had more processes than it may, and was ended for it.
    case overProcesses(count: Int, max: Int)
    /// The process that started it ended, and its children with it. Nobody is at fault in the child.
    case wardenLost
}

extension ChildEnding: CustomStringConvertible {
    /// What happened, for people: `was ended by signal 9 (Killed)`, to follow the child's name.
    package var description: String {
        switch self {
        case .exited(let status): "exited with status \(status)"
        case .killed(let signal): "was ended by signal \(signal) (\(String(cString: strsignal(signal))))"
        case .overMemory(let used, let cap):
            used > cap
                ? "took \(used.roundedText) of memory, more than its \(cap.roundedText), and was ended"
                : "needed more than its \(cap.roundedText) of memory, and was ended"
        case .overProcesses(let count, let max):
            "had \(count) processes, more than its \(max), and was ended"
        case .wardenLost: "was ended, because the process that watched over it was lost"
        }
    }
}

extension ChildEnding {
    /// - Parameter status: As `waitpid` tells it.
    init(waitStatus status: Int32) {
        // The macros of <sys/wait.h>.
        let signal = status & 0x7f
        self = signal == 0 ? .exited(status: (status >> 8) & 0xff) : .killed(signal: signal)
    }
}
