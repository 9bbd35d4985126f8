import Crypto
// Normal forms are in the standard library, but not yet in its public API; Foundation's are these.
@_spi(_Unicode) import Swift

/// The keys under which a space keeps what has a title, a key or a name.
///
/// Names that are canonically equivalent are the same name, so a key is a name's normal form (NFC), and keys are in the
/// order of names. A normal form of more than 300 bytes is cut, and a digest of the whole takes the place of the rest.
enum EntryKey {
    /// In bytes; what a ``StateMap`` takes is 400.
    private static let wholeMax = 300
    private static let headMax = 256

    static func key(of name: String) -> String {
        let normal = self.normalForm(of: name)
        guard normal.utf8.count > self.wholeMax else { return normal }
        let digest = SHA256.hash(data: Array(normal.utf8)).prefix(16)
        // No name has a control character, so no whole key looks like this one.
        return self.head(of: normal) + "\u{0}"
            + digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// What the keys begin with of all names that begin with `prefix`; those of others may, too.
    static func prefix(of prefix: String) -> String { self.head(of: self.normalForm(of: prefix)) }

    private static func normalForm(of name: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in name._nfc { scalars.append(scalar) }
        return String(scalars)
    }

    /// As many scalars as fit.
    private static func head(of text: String) -> String {
        var scalars = String.UnicodeScalarView()
        var byteCount = 0
        for scalar in text.unicodeScalars {
            byteCount += UTF8.width(scalar)
            guard byteCount <= self.headMax else { break }
            scalars.append(scalar)
        }
        return String(scalars)
    }
}
