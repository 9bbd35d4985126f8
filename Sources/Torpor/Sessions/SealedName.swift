/// A name that the server hands to a client and that comes back in another message: of a place in a stream, or of a
/// question.
///
/// It says which worker made it, and cannot be guessed, altered or used in another session: 64 of its bits can only be
/// made with the sealing key.
struct SealedName: Equatable, Sendable {
    enum Purpose {
        /// A place in a stream, for `Last-Event-ID`.
        case event
        /// A request of the server to the client.
        case question

        fileprivate var name: StaticString {
            switch self {
            case .event: "torpor event"
            case .question: "torpor question"
            }
        }
    }

    let worker: UInt32
    /// The stream, or the question.
    let number: UInt64
    /// The place in the stream; 0 for a question.
    var part: UInt32 = 0

    private static let clearCount = 16

    /// The name in 32 characters of URL-safe base64.
    func text(for purpose: Purpose, in session: UInt128, by keys: SealingKeys) -> String {
        let clear = self.worker.bigEndianBytes + self.number.bigEndianBytes + self.part.bigEndianBytes
        let tag = keys.tag(purpose.name, session.bigEndianBytes + clear)
        return Base64.encodeURLSafe(clear + tag.bigEndianBytes)
    }

    init(worker: UInt32, number: UInt64, part: UInt32 = 0) {
        self.worker = worker
        self.number = number
        self.part = part
    }

    /// Reads what a client sent back; `nil` when it was not made for this purpose and session.
    init?(_ text: [UInt8], for purpose: Purpose, in session: UInt128, by keys: SealingKeys) {
        guard text.count == 32, let bytes = Base64.decodeURLSafe(text) else { return nil }
        let clear = Array(bytes.prefix(Self.clearCount))
        let tag = UInt64(bigEndianBytes: bytes.dropFirst(Self.clearCount))
        guard keys.isTag(tag, purpose.name, session.bigEndianBytes + clear) else { return nil }
        self.worker = UInt32(bigEndianBytes: clear[0..<4])
        self.number = UInt64(bigEndianBytes: clear[4..<12])
        self.part = UInt32(bigEndianBytes: clear[12..<16])
    }
}
