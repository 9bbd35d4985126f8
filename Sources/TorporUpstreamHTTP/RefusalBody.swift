import TorporJSON
import TorporProtocol
import TorporUpstream

/// Reads what a server says in the body of an answer that is no success.
enum RefusalBody {
    /// The error of JSON-RPC in it, as an answer to the request: some servers leave its id out.
    /// - Returns: `nil` when there is none.
    static func answer(_ bytes: [UInt8], to number: RequestNumber) -> [UInt8]? {
        // A body that is no JSON is that of something else than an MCP server.
        guard let envelope = try? Envelope.parse(bytes.span), envelope.isError, envelope.answer.kind == .object else {
            return nil
        }
        if envelope.shape == .response, envelope.id.isPresent {
            var whole = bytes
            whole.replaceLineEnds()
            let message = IncomingMessage(whole)
            // The answer to something else means nothing here.
            return message.answeredRequest == number ? whole : nil
        }
        var error = Array(bytes[envelope.answer.range])
        error.replaceLineEnds()
        var writer = JSONWriter(capacity: error.count + 64)
        writer.beginObject()
        writer.key("jsonrpc")
        writer.string("2.0")
        writer.key("id")
        writer.integer(number.value)
        writer.key("error")
        writer.rawValue(error.span)
        writer.endObject()
        return writer.finish()
    }
}
