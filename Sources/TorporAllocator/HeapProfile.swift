import CMalloc
import Glibc
import Synchronization

/// Takes heap profiles of the process: which code asked for the memory that is in use. One at a time.
///
/// From ``start(sampleBytes:)`` on, one allocation in every so many bytes is remembered with its call stack until it is
/// freed; ``dump()`` writes those that are still there. What was allocated before is not in it: so what a second profile has
/// more than a first one is what the time between has left behind.
///
/// The format is jemalloc's `heap_v2`, which `jeprof` and `pprof` read together with the program.
package enum HeapProfile {
    /// The largest profile, in bytes. One of a large program has some MiB.
    package static let sizeMax = 32 << 20
    /// How far apart samples may lie, in bytes. Below, each sampled block costs more than itself; above, hardly any is.
    package static let sampleRange = (16 << 10)...(64 << 20)
    /// How far apart samples are by default, in bytes.
    package static let sampleDefault = 512 << 10

    /// Why there is no profile.
    package struct Failure: Error, Sendable, Equatable {
        package enum Code: Sendable {
            /// This process cannot take any. It never will.
            case unsupported
            /// Nobody has started one.
            case notStarted
            /// One is being taken already.
            case alreadyStarted
            /// It could not be written, or is larger than ``HeapProfile/sizeMax``.
            case failed
        }

        package let code: Code
        /// What to do about it.
        package let message: String
    }

    /// Whether samples are taken, and how far apart, in bytes; `nil` while none are.
    package static var sampleBytes: Int? { self.running.withLock { $0 } }

    /// Why no profile can be taken in this process; `nil` when it can.
    package static var unsupportedReason: String? {
        guard let jemalloc = Jemalloc.current else {
            return
                "Heap profiles need jemalloc, and this process has \(Allocator.name). Use a torpor that is linked "
                + "with it, or start torpor with LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=prof:true,prof_active:false."
        }
        guard jemalloc.flag("config.prof") == true else {
            return "This jemalloc was built without heap profiles. Debian's has them."
        }
        guard jemalloc.flag("opt.prof") == true else {
            return "Heap profiles are turned off. Start torpor with MALLOC_CONF=prof:true."
        }
        return nil
    }

    /// Begins to sample; what was sampled before is forgotten.
    ///
    /// - Parameter sampleBytes: Rounded down to a power of two.
    /// - Precondition: `sampleBytes` lies in ``sampleRange``.
    package static func start(sampleBytes: Int = sampleDefault) throws(Failure) {
        precondition(self.sampleRange.contains(sampleBytes), "samples are neither too dense nor too far apart")
        let jemalloc = try self.jemalloc()
        let logarithm = Int.bitWidth - 1 - sampleBytes.leadingZeroBitCount
        try self.running.withLock { running throws(Failure) in
            guard running == nil else {
                throw Failure(
                    code: .alreadyStarted,
                    message: "A heap profile is being taken already. POST /debug/heap/stop ends it.")
            }
            guard jemalloc.set("prof.reset", logarithm), jemalloc.set("prof.active", true) else {
                throw Failure(code: .failed, message: "jemalloc does not take the request.")
            }
            running = 1 << logarithm
        }
    }

    /// What has been allocated since the start and is still in use.
    ///
    /// Takes some milliseconds, in which allocations of sampled blocks wait: off the event loops, please.
    package static func dump() throws(Failure) -> [UInt8] {
        let jemalloc = try self.jemalloc()
        return try self.running.withLock { running throws(Failure) in
            guard running != nil else {
                throw Failure(code: .notStarted, message: "No heap profile is being taken; start one first.")
            }
            // A file in memory: the file system may be read-only.
            let descriptor = torpor_memory_file("heap-profile")
            guard descriptor >= 0 else {
                throw Failure(code: .failed, message: "No file for it: \(String(cString: strerror(errno))).")
            }
            defer { close(descriptor) }
            guard jemalloc.set("prof.dump", path: "/proc/self/fd/\(descriptor)") else {
                throw Failure(code: .failed, message: "jemalloc could not write it.")
            }
            return try self.contents(of: descriptor)
        }
    }

    /// Ends sampling, and forgets the samples. Without one under way nothing happens.
    package static func stop() throws(Failure) {
        let jemalloc = try self.jemalloc()
        self.running.withLock { running in
            guard running != nil else { return }
            _ = jemalloc.set("prof.active", false)
            _ = jemalloc.perform("prof.reset")
            running = nil
        }
    }

    /// How far apart samples are while they are taken. Held while one is written.
    private static let running = Mutex<Int?>(nil)

    private static func jemalloc() throws(Failure) -> Jemalloc {
        if let reason = self.unsupportedReason { throw Failure(code: .unsupported, message: reason) }
        guard let jemalloc = Jemalloc.current else { preconditionFailure("what is supported is there") }
        return jemalloc
    }

    private static func contents(of descriptor: CInt) throws(Failure) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0, status.st_size <= self.sizeMax else {
            throw Failure(
                code: .failed,
                message: "The profile has more than \(self.sizeMax >> 20) MiB; start one with samples further apart.")
        }
        let size = Int(status.st_size)
        var position = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while position < size {
                let part = pread(descriptor, buffer.baseAddress?.advanced(by: position), size - position, position)
                if part < 0, errno == EINTR { continue }
                guard part > 0 else { break }
                position += part
            }
            count = position
        }
        guard position == size else { throw Failure(code: .failed, message: "The profile could not be read back.") }
        return bytes
    }
}
