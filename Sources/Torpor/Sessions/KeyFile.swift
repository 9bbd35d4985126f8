import Crypto
import Glibc

/// A file of sealing keys: one key a line, the newest first, each with the moment of its making in seconds since 1970.
///
///     # torpor sealing keys: newest first; keep secret
///     1789000000 vwYH…43 characters of URL-safe base64…
public struct KeyFile: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    struct Entry { let created: Int64; let secret: [UInt8] }

    /// Reads the keys; makes the file, mode 0600, with one new key when there is none.
    /// - Throws: ``KeyFileError`` when it cannot be read or made, is open to other users, or has a faulty line.
    public func loadOrCreate() throws(KeyFileError) -> SealingKeys {
        var status = stat()
        if stat(self.path, &status) != 0 {
            guard errno == ENOENT else { throw self.error("cannot be looked at: \(String(cString: strerror(errno)))") }
            try self.write([Entry(created: Self.now, secret: Self.newSecret())], isNew: true)
        }
        return try self.load()
    }

    /// Reads the keys.
    public func load() throws(KeyFileError) -> SealingKeys {
        SealingKeys(try self.entries().map { SymmetricKey(data: $0.secret) })
    }

    /// Puts a new key first, and drops those that were replaced longer than `time` ago: what they sealed is not honoured
    /// from then on. The file is replaced in one step; running servers notice within seconds.
    /// - Parameter time: How long a session may last that is not used: the ``StateLimits/retention`` of its state, which
    ///   is at least the lifetime of a session without any.
    /// - Returns: How many keys the file has now, and how many were dropped.
    public func rotate(keepingFor time: Duration) throws(KeyFileError) -> (kept: Int, dropped: Int) {
        let entries = try self.entries()
        let horizon = Self.now - Int64(time.secondsRoundedUp)
        var kept = [Entry(created: Self.now, secret: Self.newSecret())]
        for (index, entry) in entries.enumerated() {
            // The moment a key stopped sealing is the making of the key before it in the file.
            let replaced = index == 0 ? Self.now : entries[index - 1].created
            if replaced > horizon { kept.append(entry) }
        }
        try self.write(kept, isNew: false)
        return (kept.count, entries.count + 1 - kept.count)
    }

    private func entries() throws(KeyFileError) -> [Entry] {
        let text: String
        do {
            text = try PrivateFile.read(self.path, sizeMax: .kibibytes(64))
        } catch {
            throw self.error(error.description)
        }
        var entries: [Entry] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: " ")
            guard parts.count == 2, let created = Int64(parts[0]),
                let secret = Base64.decodeURLSafe(Array(parts[1].utf8)),
                secret.count == 32
            else { throw self.error("line \(index + 1) is not \"SECONDS KEY\" with a key of 43 base64 characters") }
            entries.append(Entry(created: created, secret: secret))
        }
        guard !entries.isEmpty else { throw self.error("has no key; delete it to have a new one made") }
        return entries
    }

    private func write(_ entries: [Entry], isNew: Bool) throws(KeyFileError) {
        var text = "# torpor sealing keys: newest first; keep secret\n"
        for entry in entries { text += "\(entry.created) \(Base64.encodeURLSafe(entry.secret))\n" }
        do {
            try PrivateFile.write(text, to: self.path, mayReplace: !isNew)
        } catch {
            throw self.error(error.description)
        }
    }

    private func error(_ reason: String) -> KeyFileError {
        KeyFileError(description: "key file \(self.path) \(reason)")
    }

    private static var now: Int64 { Int64(time(nil)) }

    private static func newSecret() -> [UInt8] { SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) } }
}

/// Why a key file cannot be used, and what to do.
public struct KeyFileError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
