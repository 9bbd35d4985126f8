import TorporJSON

/// Encodes an `Encodable` in the binary form in which values of state objects are kept.
///
/// - Field names appear once, in a table at the front; members of keyed containers refer to them.
/// - `nil` is omitted by `encodeIfPresent`, as synthesized conformances use it, and stored where it is encoded itself.
/// - Of a key that is encoded twice in one container the last value counts.
/// - A value that encodes nothing becomes an empty keyed container.
/// - Elements of type `UInt8` are stored as one run of bytes, as long as a container has no others.
/// - Every `Float` and `Double` keeps its bits, NaN too; a `JSONNumber` its text.
package enum StateEncoder {
    /// The encoding of `value`.
    ///
    /// - Parameter sizeMax: Bytes it may take.
    /// - Throws: ``StateEncodingError/Code/tooDeep``, ``StateEncodingError/Code/tooLarge``, or what the value's own
    ///   encoding throws.
    /// - Complexity: O(bytes written × depth) at worst; containers of less than 128 bytes are written once.
    package static func encode(_ value: some Encodable, sizeMax: Int = StateFormat.sizeMax) throws -> [UInt8] {
        precondition(sizeMax <= StateFormat.sizeMax, "offsets fit 32 bits")
        let encoding = StateEncoding(sizeMax: sizeMax)
        defer { encoding.close() }
        let sink = encoding.takeSink()
        let root = encoding.takeNode(sink: sink, parent: nil, place: .root)
        try root.write(value, at: .root)
        if let failure = encoding.failure { throw failure }
        let count = 1 + ByteSink.size(ofVarint: encoding.names.count) + encoding.names.byteCount + sink.count
        guard count <= sizeMax else { throw encoding.tooLarge }
        let table = ByteSink(capacity: count)
        table.append(StateFormat.version)
        encoding.names.write(to: table)
        table.append(sink.bytes)
        return Array(table.bytes)
    }
}

/// What all parts of one encoding share.
final class StateEncoding {
    // One encoding is made by one thread, and nothing here calls out while it changes: the checks of exclusive access
    // would cost a tenth of the time.
    @exclusivity(unchecked) var names = StateNames()
    /// The first limit that was exceeded. Containers are made by functions that do not throw; the next that can does.
    @exclusivity(unchecked) private(set) var failure: StateEncodingError?
    private let sizeMax: Int
    @exclusivity(unchecked) private var freeNodes: [StateEncoderNode] = []
    private var freeSinks: [ByteSink] = []

    init(sizeMax: Int) {
        self.sizeMax = sizeMax
    }

    /// Lets go of what is kept for use again, and refers back to this.
    func close() {
        self.freeNodes = []
        self.freeSinks = []
    }

    var tooLarge: StateEncodingError {
        StateEncodingError(.tooLarge, "the value takes more than \(self.sizeMax) bytes")
    }

    func fail(_ error: StateEncodingError) {
        if self.failure == nil { self.failure = error }
    }

    /// - Throws: when a limit was exceeded, or `sink` has grown too large.
    @inline(__always)
    func check(_ sink: ByteSink) throws {
        if sink.count > self.sizeMax { self.fail(self.tooLarge) }
        if let failure = self.failure { throw failure }
    }

    func takeNode(sink: ByteSink, parent: StateEncoderNode?, place: StateEncoderNode.Place) -> StateEncoderNode {
        guard let node = self.freeNodes.popLast() else {
            return StateEncoderNode(encoding: self, sink: sink, parent: parent, place: place)
        }
        node.begin(sink: sink, parent: parent, place: place)
        return node
    }

    /// Keeps a node for the next value, unless somebody else holds it still.
    func giveBack(_ node: inout StateEncoderNode) {
        guard isKnownUniquelyReferenced(&node) else { return }
        node.end()
        self.freeNodes.append(node)
    }

    func takeSink() -> ByteSink { self.freeSinks.popLast() ?? ByteSink(capacity: 256) }

    /// Keeps the memory of a sink for the next container that needs its own.
    func giveBack(_ sink: ByteSink) {
        sink.truncate(to: 0)
        self.freeSinks.append(sink)
    }
}
