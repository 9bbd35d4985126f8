import Crypto
import Synchronization
import Torpor
package import TorporCore

/// Static bearer tokens from a file, one line each: a principal, a blank, its token.
///
///     # who      token
///     alice      3q2-7wV…at least 16 characters…
///     ci-runner  sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
///
/// A token may be given as the SHA-256 of itself, so that the file holds no secret. One principal may have several
/// tokens. The file is mode 0600, holds at most 10,000 tokens in 1 MiB, and is read again when it changes.
public final class TokenFile: Sendable {
    private struct Entry { let digest: [UInt8]; let principal: Principal }

    /// By the first eight bytes of the digest. A client cannot choose those, so how long a look-up takes tells it
    /// nothing.
    private typealias Entries = [UInt64: [Entry]]

    public static let issuer = "token-file"
    private static let tokenCountMax = 10_000
    private static let tokenLengthMin = 16

    public let path: String
    private let entries: Mutex<Entries>

    /// Reads the file.
    /// - Throws: ``TokenFileError`` that names the line at fault.
    public init(path: String) throws(TokenFileError) {
        self.path = path
        self.entries = Mutex(try Self.load(path))
    }

    /// Reads the file again. When it is faulty, the tokens read before stay in force.
    public func reload() throws(TokenFileError) {
        let entries = try Self.load(self.path)
        self.entries.withLock { $0 = entries }
    }

    /// The number of tokens in force.
    public var count: Int { self.entries.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    /// Whose token this is; `nil` when it is nobody's. Digests are compared in constant time.
    package func principal(of token: some Sequence<UInt8>) -> Principal? {
        let digest = Self.hash(token)
        let candidates = self.entries.withLock { $0[Self.name(digest)] } ?? []
        return candidates.first { Self.areEqual($0.digest, digest) }?.principal
    }

    private static func hash(_ token: some Sequence<UInt8>) -> [UInt8] { Array(SHA256.hash(data: Array(token))) }

    /// Compares two digests in a time that does not depend on where they differ.
    private static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0 && left.count == right.count
    }

    private static func name(_ digest: [UInt8]) -> UInt64 { digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }

    private static func load(_ path: String) throws(TokenFileError) -> Entries {
        let text: String
        do {
            text = try PrivateFile.read(path, sizeMax: .mebibytes(1))
        } catch {
            throw TokenFileError(description: "token file \(path) \(error)")
        }
        var entries: Entries = [:]
        var count = 0
        // Bytes, as to Unicode a blank with a joiner behind it is no blank.
        for (index, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let parts = line.split(whereSeparator: Self.isBlank).map { Substring($0) }
            if parts.isEmpty || parts[0].utf8.first == UInt8(ascii: "#") { continue }
            let fault = { (reason: String) in
                TokenFileError(description: "token file \(path), line \(index + 1): \(reason)")
            }
            guard parts.count == 2 else { throw fault("expected a principal, a blank and a token") }
            guard let digest = self.digest(parts[1]) else {
                throw fault(
                    "the token is shorter than \(self.tokenLengthMin) characters, or sha256: is not followed by 64 hexadecimal digits"
                )
            }
            count += 1
            guard count <= self.tokenCountMax else { throw fault("more than \(self.tokenCountMax) tokens") }
            let entry = Entry(digest: digest, principal: Principal(subject: String(parts[0]), issuer: self.issuer))
            guard entries[self.name(digest)]?.contains(where: { $0.digest == digest }) != true else {
                throw fault("the token is given twice")
            }
            entries[self.name(digest), default: []].append(entry)
        }
        guard count > 0 else { throw TokenFileError(description: "token file \(path) has no token; nobody could call") }
        return entries
    }

    /// A space, a tab, or the carriage return before a line feed.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    private static func digest(_ token: Substring) -> [UInt8]? {
        guard token.utf8.starts(with: "sha256:".utf8) else {
            return token.utf8.count >= self.tokenLengthMin ? self.hash(token.utf8) : nil
        }
        let hexadecimal = Substring(token.utf8.dropFirst("sha256:".utf8.count))
        // Checked digit by digit: the number parser below would also take a sign.
        guard hexadecimal.utf8.count == 64, hexadecimal.allSatisfy(\.isHexDigit) else { return nil }
        var bytes: [UInt8] = []
        var digits = hexadecimal[...]
        while !digits.isEmpty {
            guard let byte = UInt8(digits.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            digits = digits.dropFirst(2)
        }
        return bytes
    }
}

/// Why a token file cannot be used, and what to do.
public struct TokenFileError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
