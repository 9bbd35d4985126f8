import Glibc

/// The pages of the program's own code in memory.
enum CodePages {
    /// Gives back the pages of code, most of which only the start needed. What is needed again is mapped again from the
    /// page cache, at its first use; nothing is read from the disk unless memory was short.
    static func giveBack() {
        guard let maps = Self.read("/proc/self/maps"), let program = Self.programPath else { return }
        for line in maps.split(separator: "\n") where line.hasSuffix(program) {
            let fields = line.split(separator: " ", maxSplits: 2)
            // Code alone: it is never written, so every page of it is in the file as it is in memory.
            guard fields.count == 3, fields[1] == "r-xp" else { continue }
            let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, let start = UnsafeMutableRawPointer(bitPattern: ends[0]) else { continue }
            // Advice: if the kernel does not take it, nothing is lost.
            _ = madvise(start, Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
    }

    private static var programPath: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return nil }
        return " " + String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes += chunk[..<count]
        }
    }
}
