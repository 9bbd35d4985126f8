public import Crypto

/// The keys that seal session ids. The first seals; all of them open.
///
/// Rotation: put a new key first and keep the old ones for at least one session lifetime, so that what they sealed is
/// still honoured.
public struct SealingKeys: Sendable {
    struct Key: Sendable {
        /// Names the key inside what it sealed: four bytes of its digest.
        let name: UInt32
        /// From which each token's own key is derived (HKDF, RFC 5869).
        let root: SymmetricKey

        init(_ secret: SymmetricKey) {
            let digest = secret.withUnsafeBytes { SHA256.hash(data: Array("torpor key name".utf8) + $0) }
            self.name = digest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            let root = HKDF<SHA256>.extract(inputKeyMaterial: secret, salt: Array("torpor session id".utf8))
            self.root = SymmetricKey(data: root)
        }
    }

    let keys: [Key]

    /// - Parameter secrets: 256-bit keys, the newest first; at most 100.
    /// - Precondition: There is at least one.
    public init(_ secrets: [SymmetricKey]) {
        precondition(!secrets.isEmpty, "sealing needs a key")
        self.keys = secrets.prefix(100).map(Key.init)
    }

    /// One random key, for a process whose sessions end with it.
    public static func perProcess() -> SealingKeys { SealingKeys([SymmetricKey(size: .bits256)]) }

    var newest: Key { self.keys[0] }

    func key(named name: UInt32) -> Key? { self.keys.first { $0.name == name } }
}
