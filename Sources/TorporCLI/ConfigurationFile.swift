import Glibc

/// The file `torpor.yaml`.
enum ConfigurationFile {
    private static let nameDefault = "torpor.yaml"
    /// The largest file that is read. In bytes.
    private static let bytesMax = 1 << 20

    /// Reads the file of that name, or the default one if it is there.
    static func read(named name: String?) throws(ConfigurationError) -> (name: String, text: String)? {
        let path = name ?? self.nameDefault
        if name == nil, access(path, F_OK) != 0 { return nil }
        return (path, try self.text(at: path))
    }

    /// The text of a file of settings.
    static func text(at path: String) throws(ConfigurationError) -> String {
        guard let file = fopen(path, "re") else {
            throw ConfigurationError(description: "\(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: self.bytesMax + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else { throw ConfigurationError(description: "\(path) cannot be read") }
        guard count <= self.bytesMax else {
            throw ConfigurationError(description: "\(path) is larger than \(self.bytesMax) bytes")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw ConfigurationError(description: "\(path) is no UTF-8 text")
        }
        return text
    }
}
