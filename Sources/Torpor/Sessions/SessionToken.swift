import Crypto

/// What `initialize` agreed, and with whom: all there is of a legacy session until it keeps state.
///
/// It travels sealed in `Mcp-Session-Id`, so that the server stores nothing (2025-11-25, transports, session
/// management).
package struct SessionToken: Sendable, Equatable {
    /// 128 random bits.
    package let id: UInt128
    package let created: WallTime
    package let revision: ProtocolRevision
    package let capabilities: ClientCapabilities
    /// Names the principal it belongs to, without telling; zero for anonymous callers.
    package let owner: OwnerDigest
    /// The store in which the session's state would lie; a token from another deployment is foreign.
    package let store: UInt128
    /// From when on it is not honoured. Not part of what is sealed: the lifetime is the server's.
    package let expiry: WallTime

    package init(
        id: UInt128, created: WallTime, revision: ProtocolRevision, capabilities: ClientCapabilities,
        owner: OwnerDigest, store: UInt128, expiry: WallTime
    ) {
        self.id = id
        self.created = created
        self.revision = revision
        self.capabilities = capabilities
        self.owner = owner
        self.store = store
        self.expiry = expiry
    }

    /// The name by which a tombstone knows the session.
    package var tombstoneName: UInt64 { Self.tombstoneName(of: self.id) }

    static func tombstoneName(of id: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: id) }
}

/// 128 bits of a digest over a principal.
package struct OwnerDigest: Sendable, Equatable {
    package let bits: UInt128

    package init(bits: UInt128) { self.bits = bits }

    package init(_ principal: Principal?) {
        guard let principal else {
            self.bits = 0
            return
        }
        var hash = SHA256()
        hash.update(data: Array("torpor principal".utf8))
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        for part in [principal.issuer, principal.subject] {
            hash.update(data: UInt64(part.utf8.count).bigEndianBytes)
            hash.update(data: Array(part.utf8))
        }
        self.bits = UInt128(bigEndianBytes: hash.finalize().prefix(16))
    }
}

// MARK: - Sealing

extension SessionToken {
    /// version 1, key name 4, id 16; then sealed: created 8, revision 1, capabilities 2, owner 16, store 16; then the
    /// tag, 16.
    private static let clearCount = 21
    private static let sealedCount = 43
    private static let tagCount = 16
    private static let version: UInt8 = 1

    /// The characters of every sealed token: URL-safe base64, so all within 0x21–0x7E.
    package static let textCount = ((clearCount + sealedCount + tagCount) * 4 + 2) / 3

    /// Seals the token under the newest key.
    ///
    /// The key is derived from the sealing key and the token's own random id, so each key seals one message and the
    /// nonce may be fixed.
    package func sealed(by keys: SealingKeys) -> String {
        let key = keys.newest
        let clear = [Self.version] + key.name.bigEndianBytes + self.id.bigEndianBytes
        let secret =
            UInt64(bitPattern: self.created.milliseconds).bigEndianBytes + [UInt8(self.revision.index)]
            + self.capabilities.rawValue.bigEndianBytes + self.owner.bits.bigEndianBytes + self.store.bigEndianBytes
        do {
            let box = try AES.GCM.seal(
                secret, using: key.derived(for: self.id), nonce: Self.nonce, authenticating: clear)
            return Base64.encodeURLSafe(clear + box.ciphertext + box.tag)
        } catch {
            preconditionFailure("AES-GCM seals \(secret.count) bytes under a 256-bit key: \(error)")
        }
    }

    /// Opens what a client sent; `nil` when it is not ours, was tampered with, or its key has been retired.
    /// - Parameter lifetime: How long a session is honoured from its creation on.
    package static func open(_ text: [UInt8], with keys: SealingKeys, lifetime: Duration) -> SessionToken? {
        guard text.count == self.textCount, let bytes = Base64.decodeURLSafe(text),
            bytes.count == self.clearCount + self.sealedCount + self.tagCount, bytes[0] == self.version,
            let key = keys.key(named: UInt32(bigEndianBytes: bytes[1..<5]))
        else { return nil }
        let id = UInt128(bigEndianBytes: bytes[5..<21])
        let clear = bytes[..<self.clearCount]
        let ciphertext = bytes[self.clearCount..<self.clearCount + self.sealedCount]
        // A wrong tag is the expected outcome for forgeries, hence `try?`.
        guard
            let box = try? AES.GCM.SealedBox(
                nonce: self.nonce, ciphertext: ciphertext, tag: bytes.suffix(self.tagCount)),
            let opened = try? AES.GCM.open(box, using: key.derived(for: id), authenticating: clear)
        else { return nil }
        let secret = Array(opened)
        guard let revision = ProtocolRevision.allCases.first(where: { $0.index == Int(secret[8]) }) else { return nil }
        let created = WallTime(milliseconds: Int64(bitPattern: UInt64(bigEndianBytes: secret[0..<8])))
        return SessionToken(
            id: id, created: created, revision: revision,
            capabilities: ClientCapabilities(rawValue: UInt16(bigEndianBytes: secret[9..<11])),
            owner: OwnerDigest(bits: UInt128(bigEndianBytes: secret[11..<27])),
            store: UInt128(bigEndianBytes: secret[27..<43]), expiry: created + lifetime)
    }

    // Twelve zero bytes; a nonce of that size is always accepted.
    private static let nonce = try! AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12))
}
