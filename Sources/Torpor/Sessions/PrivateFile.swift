import Glibc

/// Small files that only their owner may read: keys and tokens.
package enum PrivateFile {
    /// Why a private file could not be read or written; a half sentence that follows its name.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Reads the whole file.
    /// - Parameter isSecret: Whether only its owner may read it. Default true.
    /// - Throws: when it is missing, no regular file, larger than `sizeMax`, no UTF-8, or secret and open to group or
    ///   others.
    package static func read(
        _ path: String, sizeMax: ByteCount, isSecret: Bool = true
    ) throws(Failure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(description: "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(description: "is no regular file")
        }
        guard !isSecret || status.st_mode & 0o077 == 0 else {
            throw Failure(description: "is open to other users; run: chmod 600 \(path)")
        }
        guard status.st_size <= sizeMax.bytes else { throw Failure(description: "is larger than \(sizeMax)") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes[count...].withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw Failure(description: "cannot be read: \(String(cString: strerror(errno)))") }
            if got == 0 { break }
            count += got
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw Failure(description: "is no UTF-8 text")
        }
        return text
    }

    /// Writes the file, mode 0600, so that a reader sees the old or the new text, never a part.
    /// - Parameter mayReplace: Whether there may be a file already.
    package static func write(_ text: String, to path: String, mayReplace: Bool) throws(Failure) {
        let temporary = "\(path).new-\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(description: "cannot be made: \(String(cString: strerror(errno)))") }
        defer { unlink(temporary) }
        var remaining = Array(text.utf8)[...]
        while !remaining.isEmpty {
            let written = remaining.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                close(descriptor)
                throw Failure(description: "cannot be written: \(String(cString: strerror(errno)))")
            }
            remaining = remaining.dropFirst(written)
        }
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        // `link` refuses to replace: of two processes that make the file at once, one wins and both read its file.
        let isPlaced = mayReplace ? rename(temporary, path) == 0 : link(temporary, path) == 0 || errno == EEXIST
        guard isSynced, isPlaced else {
            throw Failure(description: "cannot be put in place: \(String(cString: strerror(errno)))")
        }
    }
}
