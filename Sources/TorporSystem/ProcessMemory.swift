import Glibc

/// What the kernel says about this process: memory, descriptors, threads, processor time.
///
/// Each reading costs a system call or three and allocates nothing but its result. A reading that the kernel refuses,
/// for example without `/proc`, is `nil`. Private dirty memory is not here: the kernel walks every page to tell it.
package enum ProcessMemory {
    /// Bytes of pages in memory (RSS). The kernel sums it by processor, so it may lag behind by a few hundred KiB.
    package static var residentBytes: Int? {
        self.memory?.residentBytes
    }

    /// Bytes of address space, most of it usually never touched, and of pages in memory.
    package static var memory: (virtualBytes: Int, residentBytes: Int)? {
        guard let pages = self.withFile("/proc/self/statm", { self.pages(statm: $0) }) else { return nil }
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        return (pages.virtual * pageSize, pages.resident * pageSize)
    }

    /// Descriptors that are open.
    ///
    /// - Complexity: O(1) where the kernel tells the number as the folder's size (Linux 6.2); else O(descriptors).
    package static var openFileDescriptors: Int? {
        var status = stat()
        if stat("/proc/self/fd", &status) == 0, status.st_size > 0 {
            return Int(status.st_size)
        }
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var entries = 0
        while readdir(folder) != nil {
            entries += 1
        }
        return entries - 3  // ".", ".." and the descriptor of this very listing
    }

    /// Descriptors this process may have open, or `nil` when there is no limit.
    package static var fileDescriptorsMax: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(exactly: limit.rlim_cur)
    }

    /// Processor time that all threads have used, user and system together, in seconds.
    package static var processorSeconds: Double? {
        self.seconds(of: CLOCK_PROCESS_CPUTIME_ID)
    }

    package static var threads: Int? {
        self.withFile("/proc/self/stat") { self.fields(stat: $0) }?.threads
    }

    /// When the process started, in seconds since 1970. It moves when the wall clock is set, so read it once.
    package static var startSeconds: Double? {
        guard let ticks = self.withFile("/proc/self/stat", { self.fields(stat: $0) })?.startTicks,
            let sinceBoot = self.seconds(of: CLOCK_BOOTTIME), let now = self.seconds(of: CLOCK_REALTIME)
        else { return nil }
        return now - (sinceBoot - Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))))
    }

    /// Reads the first two fields of `/proc/self/statm`, in pages.
    static func pages(statm bytes: UnsafeRawBufferPointer) -> (virtual: Int, resident: Int)? {
        var rest = bytes[...]
        guard let virtual = self.field(&rest), let resident = self.field(&rest) else { return nil }
        return (virtual, resident)
    }

    /// Reads fields 20 and 22 of `/proc/self/stat`. The second field, the name, may hold blanks and parentheses.
    static func fields(stat bytes: UnsafeRawBufferPointer) -> (threads: Int, startTicks: Int)? {
        guard let nameEnd = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        var rest = bytes[(nameEnd + 1)...]
        self.skipFields(17, &rest)  // 3 to 19
        guard let threads = self.field(&rest) else { return nil }
        self.skipFields(1, &rest)
        guard let startTicks = self.field(&rest) else { return nil }
        return (threads, startTicks)
    }

    private static func skipFields(_ count: Int, _ rest: inout Slice<UnsafeRawBufferPointer>) {
        for _ in 0..<count {
            rest = rest.drop { self.isBlank($0) }.drop { !self.isBlank($0) }
        }
    }

    /// Takes the next field, a decimal number, or gives `nil` when it is none.
    private static func field(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Int? {
        rest = rest.drop { self.isBlank($0) }
        var number: Int?
        while let byte = rest.first, !self.isBlank(byte) {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (shifted, overflow) = (number ?? 0).multipliedReportingOverflow(by: 10)
            let (sum, carry) = shifted.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !overflow, !carry else { return nil }
            number = sum
            rest = rest.dropFirst()
        }
        return number
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n")
    }

    private static func seconds(of clock: clockid_t) -> Double? {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Reads a small file of `/proc`; the kernel gives one that fits the buffer in a single read.
    private static func withFile<Result>(_ path: String, _ body: (UnsafeRawBufferPointer) -> Result?) -> Result? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
            var count = read(descriptor, buffer.baseAddress, buffer.count)
            while count < 0, errno == EINTR {
                count = read(descriptor, buffer.baseAddress, buffer.count)
            }
            guard count > 0 else { return nil }
            return body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
