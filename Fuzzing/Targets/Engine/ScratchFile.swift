import Glibc
import Synchronization

/// A private file without a name, for what is read by path.
final class ScratchFile: Sendable {
    private let descriptor: Int32
    /// Held while a test writes and reads it.
    private let isInUse = Mutex(())

    init() {
        var path = Array("/tmp/torpor-fuzzing-XXXXXX".utf8CString)
        self.descriptor = mkstemp(&path)  // Mode 0600.
        precondition(self.descriptor >= 0 && unlink(path) == 0, "a file can be made in /tmp")
    }

    deinit { close(self.descriptor) }

    /// Fills the file with `bytes` for as long as `body` runs, and hands its path over.
    func with<Result: Sendable>(
        _ bytes: [UInt8], _ body: (String) throws(PropertyViolation) -> Result
    ) throws(PropertyViolation) -> Result {
        try self.isInUse.withLock { (_) throws(PropertyViolation) -> Result in
            precondition(ftruncate(self.descriptor, 0) == 0, "a file of its own can be emptied")
            let count = bytes.withUnsafeBytes { pwrite(self.descriptor, $0.baseAddress, $0.count, 0) }
            precondition(count == bytes.count, "a small file is written at once")
            return try body("/proc/self/fd/\(self.descriptor)")
        }
    }
}
