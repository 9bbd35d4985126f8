import NIOCore
import NIOHPACK

/// Takes an answer apart that was written as the text of HTTP/1.1: what the connection writes needs one form only.
///
/// It reads what this server writes, not what anybody may: a head comes whole in one buffer, and its length is right.
struct HTTP2AnswerReader {
    enum Part {
        /// A head; `ends` when no body follows.
        case head(HPACKHeaders, ends: Bool)
        case body(ByteBuffer, ends: Bool)

        var endsAnswer: Bool {
            switch self {
            case .head(_, let ends), .body(_, let ends): ends
            }
        }
    }

    private enum State {
        /// Waits for a head.
        case head
        /// This much of the body is to come.
        case body(remaining: Int)
        /// A body of chunks, of which each comes whole in one buffer.
        case chunks
        case ended
    }

    private var state = State.head
    /// Whether the request was a HEAD, whose answer has no body whatever its head says.
    var isToHead = false

    /// Takes the next part from `text`; nil when it is empty.
    mutating func next(_ text: inout ByteBuffer) -> Part? {
        guard text.readableBytes > 0 else { return nil }
        switch self.state {
        case .head: return self.head(&text)
        case .body(let remaining):
            guard let bytes = text.readSlice(length: min(remaining, text.readableBytes)) else { return nil }
            let rest = remaining - bytes.readableBytes
            self.state = rest == 0 ? .ended : .body(remaining: rest)
            return .body(bytes, ends: rest == 0)
        case .chunks: return self.chunk(&text)
        case .ended: preconditionFailure("a stream has one answer")
        }
    }

    private mutating func head(_ text: inout ByteBuffer) -> Part {
        var fields = HPACKHeaders()
        let status = Self.status(&text)
        fields.add(name: ":status", value: "\(status)")
        var length = 0
        var isChunked = false
        while let line = Self.line(&text), !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else { preconditionFailure("a field has a colon") }
            let name = line[..<colon].lowercased()
            let value = line[line.index(colon, offsetBy: 2)...]
            // Connections have no say in streams.
            if name == "connection" { continue }
            if name == "transfer-encoding" {
                isChunked = true
                continue
            }
            if name == "content-length" { length = Int(value) ?? 0 }
            // Session ids and the like are not worth a place in the table of the connection.
            fields.add(
                name: name, value: String(value), indexing: Self.isConstant(name) ? .indexable : .nonIndexable)
        }
        // What announces another head.
        if (100..<200).contains(status) { return .head(fields, ends: false) }
        let isBodyless = self.isToHead || (length == 0 && !isChunked)
        self.state = isBodyless ? .ended : isChunked ? .chunks : .body(remaining: length)
        return .head(fields, ends: isBodyless)
    }

    private mutating func chunk(_ text: inout ByteBuffer) -> Part {
        guard let line = Self.line(&text), let size = Int(line, radix: 16), let bytes = text.readSlice(length: size)
        else { preconditionFailure("a chunk comes whole") }
        text.moveReaderIndex(forwardBy: 2)
        if size == 0 { self.state = .ended }
        return .body(bytes, ends: size == 0)
    }

    private static func isConstant(_ name: String) -> Bool {
        name != "mcp-session-id" && name != "content-length" && name != "date"
    }

    /// The number in `HTTP/1.1 200 OK`.
    private static func status(_ text: inout ByteBuffer) -> Int {
        guard let line = self.line(&text), let status = Int(line.dropFirst("HTTP/1.1 ".count).prefix(3)) else {
            preconditionFailure("an answer begins with a status line")
        }
        return status
    }

    /// The next line, without its end.
    private static func line(_ text: inout ByteBuffer) -> String? {
        guard let end = text.readableBytesView.firstIndex(of: ASCII.carriageReturn) else { return nil }
        let line = text.readString(length: end - text.readerIndex)
        text.moveReaderIndex(forwardBy: 2)
        return line
    }
}
