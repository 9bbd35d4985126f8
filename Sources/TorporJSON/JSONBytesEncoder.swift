/// Encodes an `Encodable` as JSON text.
///
/// - Members appear in the order in which they were encoded; a key encoded twice appears twice.
/// - `nil` is omitted by `encodeIfPresent`, as synthesized conformances use it, and `null` where it is encoded itself.
/// - A value that encodes nothing becomes `{}`.
/// - Infinity and NaN are refused with `EncodingError.invalidValue`.
///
/// Text goes straight to the writer. Only what can still grow while its surroundings are written, nested containers and
/// super encoders, is gathered in a fragment of its own and put in its place at the end.
package struct JSONBytesEncoder {
    /// Appends `value` to `writer`, with a comma before it where one belongs.
    ///
    /// - Throws: What the value's own encoding throws; `writer` is then as it was before.
    package static func encode(
        _ value: some Encodable, into writer: inout JSONWriter, userInfo: [CodingUserInfoKey: Any] = [:]
    ) throws {
        let fragment = JSONFragment(continuing: &writer)
        let start = fragment.mark
        defer { swap(&writer, &fragment.writer) }
        let root = JSONEncoderNode(fragment: fragment, userInfo: userInfo, parent: nil, key: nil)
        do {
            try root.encode(value)
        } catch {
            fragment.rewind(to: start)
            throw error
        }
        fragment.assemble()
    }

    /// The JSON text of `value`.
    package static func encode(_ value: some Encodable, userInfo: [CodingUserInfoKey: Any] = [:]) throws -> [UInt8] {
        var writer = JSONWriter()
        try Self.encode(value, into: &writer, userInfo: userInfo)
        return writer.bytes
    }
}

/// A piece of text that is written from front to back, and the pieces that belong into it.
final class JSONFragment {
    var writer: JSONWriter
    /// The fragments to put in, with the offsets at which they belong, in rising order.
    private var insertions: [(offset: Int, node: JSONEncoderNode)] = []

    struct Mark {
        fileprivate let count: Int
        fileprivate let needsComma: Bool
        fileprivate let insertionCount: Int
    }

    init() {
        self.writer = JSONWriter(capacity: 64)
    }

    /// Takes the writer over, so that its bytes are not copied; the caller swaps it back.
    init(continuing writer: inout JSONWriter) {
        self.writer = JSONWriter(capacity: 0)
        swap(&self.writer, &writer)
    }

    var mark: Mark {
        Mark(
            count: self.writer.bytes.count, needsComma: self.writer.needsComma, insertionCount: self.insertions.count)
    }

    /// Takes back everything written since `mark`.
    func rewind(to mark: Mark) {
        self.writer.bytes.removeLast(self.writer.bytes.count - mark.count)
        self.writer.needsComma = mark.needsComma
        self.insertions.removeLast(self.insertions.count - mark.insertionCount)
    }

    /// Keeps a place here for what `node`, which has a fragment of its own, will hold.
    func insert(_ node: JSONEncoderNode) {
        self.writer.rawValue(EmptyCollection<UInt8>())
        self.insertions.append((self.writer.bytes.count, node))
    }

    /// Puts all fragments in their places; afterwards the writer holds the whole text.
    func assemble() {
        guard !self.insertions.isEmpty else { return }
        var whole = JSONWriter(capacity: self.writer.bytes.count * 2)
        var copied = 0
        for (offset, node) in self.insertions {
            whole.raw(self.writer.bytes[copied..<offset])
            copied = offset
            node.close()
            node.fragment.assemble()
            whole.raw(node.fragment.writer.bytes)
        }
        whole.raw(self.writer.bytes[copied...])
        whole.needsComma = self.writer.needsComma
        self.writer = whole
        self.insertions = []
    }
}
