import Glibc

/// Where the files of the kernel are found: `/proc` and `/sys` below a folder, which is another one in tests.
package struct SystemRoot: Hashable, Sendable {
    /// The largest file that is read, in bytes. The kernel's own are far smaller.
    package static let fileMax = 1 << 20

    /// This machine's.
    package static let machine = SystemRoot("")

    let folder: String

    /// - Parameter folder: In front of every path; empty for the machine's own root.
    package init(_ folder: String) { self.folder = folder }

    /// The text of a file such as `/proc/meminfo`; `nil` when there is none, it cannot be read, or it is too large.
    ///
    /// Files of the kernel are short and read without waiting, so this may run anywhere but on an event loop.
    package func text(_ path: String) -> String? {
        let descriptor = open(self.folder + path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count <= Self.fileMax {
            let start = bytes.count
            let chunk = 16 << 10
            var count = 0
            bytes.append(contentsOf: repeatElement(0, count: chunk))
            repeat {
                count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + start, chunk) }  // Not empty.
            } while count < 0 && errno == EINTR
            guard count >= 0 else { return nil }
            bytes.removeLast(chunk - count)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        }
        return nil
    }

    /// The lines of a file, without empty ones.
    package func lines(_ path: String) -> [Substring]? {
        self.text(path)?.split(separator: "\n")
    }

    /// What is in a folder, in no order; `nil` when it cannot be listed.
    package func names(in path: String) -> [String]? {
        guard let listing = opendir(self.folder + path) else { return nil }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Where a symbolic link such as `/proc/self/exe` points; `nil` when it is none.
    package func target(of path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink(self.folder + path, start, buffer.count)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }
}
