public import Crypto

/// The keys that seal session ids. The first seals; all of them open.
///
/// Rotation: put a new key first and keep the old ones for as long as the state of a session is kept that nobody uses,
/// so that what they sealed is still honoured.
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

        /// The key of one thing that is sealed, named by its own random id.
        func derived(for id: UInt128) -> SymmetricKey {
            HKDF<SHA256>.expand(pseudoRandomKey: self.root, info: id.bigEndianBytes, outputByteCount: 32)
        }

        fileprivate func tag(_ purpose: StaticString, _ message: [UInt8]) -> UInt64 {
            var code = HMAC<SHA256>(key: self.root)
            code.update(data: Array(purpose.description.utf8) + [0])
            code.update(data: message)
            return UInt64(bigEndianBytes: code.finalize().prefix(8))
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

    /// 64 bits that only a holder of the newest key can make of `message`.
    func tag(_ purpose: StaticString, _ message: [UInt8]) -> UInt64 { self.newest.tag(purpose, message) }

    /// Whether one of the keys made `tag`.
    func isTag(_ tag: UInt64, _ purpose: StaticString, _ message: [UInt8]) -> Bool {
        self.keys.contains { $0.tag(purpose, message) == tag }
    }

    var newest: Key { self.keys[0] }

    func key(named name: UInt32) -> Key? { self.keys.first { $0.name == name } }
}

extension FixedWidthInteger {
    var bigEndianBytes: [UInt8] { withUnsafeBytes(of: self.bigEndian) { Array($0) } }

    init(bigEndianBytes bytes: some Sequence<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }
}
