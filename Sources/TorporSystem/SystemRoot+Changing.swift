import Glibc

/// Changes to the kernel's own trees, such as control groups. None of them creates a file.
extension SystemRoot {
    /// Writes a file that is there, in one piece.
    /// - Returns: 0, or an error of errno.
    package func write(_ text: String, to path: String) -> Int32 {
        let descriptor = self.openFile(path, O_WRONLY)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var text = text
        let count = text.utf8.count
        let written = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, count) }
        return written == count ? 0 : written < 0 ? errno : EIO
    }

    /// Makes a folder. In a control group that makes a group.
    /// - Returns: 0, or an error of errno.
    package func makeFolder(_ path: String) -> Int32 { mkdir(self.folder + path, 0o755) == 0 ? 0 : errno }

    /// Removes an empty folder. A control group is empty when no process and no group is in it, whatever files it has.
    /// - Returns: 0, or an error of errno.
    package func removeFolder(_ path: String) -> Int32 { rmdir(self.folder + path) == 0 ? 0 : errno }

    /// Opens a file or a folder, closed on exec.
    /// - Returns: A descriptor, or -1 with the reason in errno.
    package func openFile(_ path: String, _ flags: Int32) -> Int32 { Glibc.open(self.folder + path, flags | O_CLOEXEC) }

    /// Whether this process may write the file.
    package func isWritable(_ path: String) -> Bool { access(self.folder + path, W_OK) == 0 }

    /// The whole path of a file, for those who ask the kernel themselves.
    package func absolute(_ path: String) -> String { self.folder + path }
}
