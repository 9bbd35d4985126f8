import CMalloc
import CThreads
import Glibc
import TorporSystem

/// The allocator of this process, from which all memory comes but that of resident state: jemalloc where the program was
/// linked with it, else glibc's.
///
/// Which of them it is, is found out at run time, so a program that was built without jemalloc, or runs under a tool with an
/// allocator of its own, says and does the right thing.
package enum Allocator {
    /// What the allocator has taken and given, in bytes. What it does not tell is `nil`.
    package struct Statistics: Sendable, Equatable {
        /// Blocks that are in use.
        package var allocated: Int
        /// Pages with at least one block in use.
        package var active: Int?
        /// Pages in memory: active ones, those kept to be used again, and the allocator's tables.
        package var resident: Int?
        /// Address space without pages, kept to be used again. It costs no memory.
        package var retained: Int?
        /// Everything that was taken from the system and not given back.
        package var mapped: Int?

        package init(
            allocated: Int, active: Int? = nil, resident: Int? = nil, retained: Int? = nil, mapped: Int? = nil
        ) {
            self.allocated = allocated
            self.active = active
            self.resident = resident
            self.retained = retained
            self.mapped = mapped
        }
    }

    /// Its name for logs and reports, with its version where it tells: `jemalloc 5.3.0`, `glibc 2.36`.
    package static var name: String {
        guard let jemalloc = Jemalloc.current else { return "glibc \(String(cString: gnu_get_libc_version()))" }
        // 5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c
        guard let version = jemalloc.string("version")?.prefix(while: { $0 != "-" }) else { return "jemalloc" }
        return "jemalloc \(version)"
    }

    /// Whether memory that was freed leaves the process by itself, a second or so later. With glibc it takes ``trim()``.
    package static var givesBackByItself: Bool { Jemalloc.current != nil }

    /// The bytes that the calling thread has taken from the heap, less what it has given back, so far; `nil` with glibc,
    /// which does not count them. What one thread takes and another gives back makes the one's number grow. Costs
    /// nanoseconds.
    package static var heapBytesOfThread: (@Sendable () -> Int)? {
        guard Jemalloc.current != nil else { return nil }
        return { torpor_thread_heap_bytes() }
    }

    /// Sets what is not set at build time. To be called once, before there are other threads.
    ///
    /// glibc is told to give every large block pages of its own, which go back to the system when it is freed. By default
    /// it does so only until a large block is freed for the first time; from then on it keeps blocks of that size, up to
    /// 32 MiB, for use again. Tables that have grown leave gaps then which nobody fills.
    package static func configure() {
        guard Jemalloc.current == nil else { return }
        // What M_MMAP_THRESHOLD is by default, and stays once it is set. If it is not taken, only memory is lost.
        _ = mallopt(M_MMAP_THRESHOLD, 128 << 10)
    }

    /// What the allocator has taken and given.
    ///
    /// - Complexity: Some microseconds; O(arenas), each of which is locked in turn. Not for event loops.
    package static func statistics() -> Statistics {
        if let statistics = Jemalloc.current?.statistics() { return statistics }
        let info = mallinfo2()
        return Statistics(allocated: info.uordblks + info.hblkhd, mapped: info.arena + info.hblkhd)
    }

    /// Gives the pages that nobody uses back to the system now.
    ///
    /// jemalloc, which does so by itself a second later, takes about 0.1 ms for each MiB of them. glibc looks through its
    /// whole heap, which takes about 100 ms per GiB even if nothing comes of it, and locks each arena meanwhile. So not on
    /// event loops, and not at every opportunity.
    /// - Returns: By how many bytes resident memory fell; other threads that took memory meanwhile count against it.
    @discardableResult
    package static func trim() -> Int {
        let before = ProcessMemory.residentBytes ?? 0
        if let jemalloc = Jemalloc.current { jemalloc.purge() } else { malloc_trim(0) }
        return max(0, before - (ProcessMemory.residentBytes ?? before))
    }
}
