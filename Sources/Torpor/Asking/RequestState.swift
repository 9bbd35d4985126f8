import Crypto

/// What a run of a handler leaves with the client when it asks something, to be brought back with the answers
/// (2026-07-28, multi round-trip requests).
///
/// Sealed, so that a client can neither read nor alter it, and bound to its principal, to the request, and in time. The
/// server keeps nothing.
package struct RequestState: Equatable, Sendable {
    /// Names all runs that belong together.
    let run: UInt128
    let expiry: WallTime
    let owner: OwnerDigest
    /// Of the method and the parameters that matter.
    let request: UInt128
    /// Counts the rounds of a run that has done something that must not happen twice: then it is redeemed once. Zero for
    /// any other, which may be redeemed any number of times.
    let round: UInt32
    /// By key: what earlier rounds brought.
    let answers: JSONObject

    package init(
        run: UInt128, expiry: WallTime, owner: OwnerDigest, request: UInt128, round: UInt32 = 0, answers: JSONObject
    ) {
        self.run = run
        self.round = round
        self.expiry = expiry
        self.owner = owner
        self.request = request
        self.answers = answers
    }

    /// The longest text that is sealed or opened.
    static let textBytesMax = 64 << 10
    private static let version: UInt8 = 3
    private static let clearCount = 21
    private static let fixedCount = 60
    private static let purpose = Array("torpor request state".utf8)
    // Twelve zero bytes, a size that is always accepted; each key seals one message.
    private static let nonce = try! AES.GCM.Nonce(data: [UInt8](repeating: 0, count: 12))

    /// Seals the state under the newest key.
    /// - Parameter salt: 128 random bits, never used before.
    /// - Returns: `nil` when it would be longer than ``textBytesMax``.
    package func sealed(by keys: SealingKeys, salt: UInt128) -> String? {
        let clear = [Self.version] + keys.newest.name.bigEndianBytes + salt.bigEndianBytes
        let secret =
            UInt64(bitPattern: self.expiry.milliseconds).bigEndianBytes + self.owner.bits.bigEndianBytes
            + self.request.bigEndianBytes + self.run.bigEndianBytes + self.round.bigEndianBytes
            + Array(JSONValue.object(self.answers).text.utf8)
        guard (clear.count + secret.count + 16) * 4 / 3 < Self.textBytesMax else { return nil }
        do {
            let box = try AES.GCM.seal(
                secret, using: keys.newest.derived(for: salt), nonce: Self.nonce, authenticating: Self.purpose + clear)
            return Base64.encodeURLSafe(clear + Array(box.ciphertext) + Array(box.tag))
        } catch {
            preconditionFailure("AES-GCM seals \(secret.count) bytes under a 256-bit key: \(error)")
        }
    }

    /// Opens what a client brought back; `nil` when it is not ours or was altered.
    package static func open(_ text: String, with keys: SealingKeys) -> RequestState? {
        guard text.utf8.count <= Self.textBytesMax, let bytes = Base64.decodeURLSafe(Array(text.utf8)),
            bytes.count >= Self.clearCount + Self.fixedCount + 16, bytes[0] == Self.version,
            let key = keys.key(named: UInt32(bigEndianBytes: bytes[1..<5]))
        else { return nil }
        let salt = UInt128(bigEndianBytes: bytes[5..<21])
        // A wrong tag is the expected outcome for forgeries, hence `try?`.
        guard
            let box = try? AES.GCM.SealedBox(
                nonce: Self.nonce, ciphertext: bytes[Self.clearCount..<bytes.count - 16], tag: bytes.suffix(16)),
            let opened = try? AES.GCM.open(
                box, using: key.derived(for: salt), authenticating: Self.purpose + bytes[..<Self.clearCount])
        else { return nil }
        let secret = Array(opened)
        guard case .object(let answers)? = try? JSONValue(parsing: Array(secret[Self.fixedCount...])) else {
            return nil
        }
        return RequestState(
            run: UInt128(bigEndianBytes: secret[40..<56]),
            expiry: WallTime(milliseconds: Int64(bitPattern: UInt64(bigEndianBytes: secret[0..<8]))),
            owner: OwnerDigest(bits: UInt128(bigEndianBytes: secret[8..<24])),
            request: UInt128(bigEndianBytes: secret[24..<40]), round: UInt32(bigEndianBytes: secret[56..<60]),
            answers: answers)
    }

    /// A digest of what a retry must repeat: the method, the name or URI, and the arguments, however they are spelled.
    static func digest(of operation: Operation) -> UInt128 {
        let bytes = operation.bytes
        let params = operation.params
        var hash = SHA256()
        for part in [
            Array(operation.method.name.description.utf8), Array((params.name.string(in: bytes.span) ?? "").utf8),
            Array((params.uri.string(in: bytes.span) ?? "").utf8),
            params.arguments.isPresent
                ? JSONValue(in: bytes.span, params.arguments.sourceRange).canonicalBytes : Call.noArguments,
        ] {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            hash.update(data: UInt64(part.count).bigEndianBytes)
            hash.update(data: part)
        }
        return UInt128(bigEndianBytes: hash.finalize().prefix(16))
    }
}

extension JSONValue {
    /// The value as JSON text with the members of every object in the order of their names: equal values have equal
    /// bytes, but for the spelling of numbers.
    var canonicalBytes: [UInt8] {
        var writer = JSONWriter()
        self.writeCanonically(to: &writer)
        return writer.bytes
    }

    private func writeCanonically(to writer: inout JSONWriter) {
        switch self {
        case .object(let object):
            writer.beginObject()
            for member in object.members.sorted(by: { $0.name < $1.name }) {
                writer.key(member.name)
                member.value.writeCanonically(to: &writer)
            }
            writer.endObject()
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.writeCanonically(to: &writer) }
            writer.endArray()
        default: writer.value(self)
        }
    }
}
