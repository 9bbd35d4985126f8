import Glibc
import Synchronization

/// Has the process say which scenario it was running when it stops by a failed precondition, or hangs within one job:
/// of neither can a test tell.
package enum LastWords {
    // Unchecked: written before a scenario runs, and read by the signal handler when the process is at its end.
    private nonisolated(unsafe) static var text: UnsafeMutableBufferPointer<UInt8> = .allocate(capacity: 4_096)
    private nonisolated(unsafe) static var count = 0
    private static let isInstalled = Mutex(false)

    /// Remembers the scenario that is run from now on. One at a time.
    /// - Parameter seconds: The process ends when the next is not set within so many; `nil` for no limit.
    package static func set(_ scenario: Scenario, endsWithin seconds: UInt32? = nil) {
        self.install()
        let bytes = Array("The process ended in \(scenario)\n".utf8.prefix(self.text.count))
        self.count = self.text.update(fromContentsOf: bytes)
        alarm(seconds ?? 0)
    }

    private static func install() {
        let isFirst = self.isInstalled.withLock { isInstalled in
            defer { isInstalled = true }
            return !isInstalled
        }
        guard isFirst else { return }
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGALRM] {
            signal(number) { number in
                // Only what may be done in a signal handler. Then the process ends as it would have.
                _ = write(2, LastWords.text.baseAddress, LastWords.count)
                signal(number, SIG_DFL)
                if number == SIGALRM { raise(number) }
            }
        }
    }
}
