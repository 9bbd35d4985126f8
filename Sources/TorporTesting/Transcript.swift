import Glibc
import Synchronization
import Torpor

/// Keeps what was said, a JSON object a line, in the file that `TORPOR_TRANSCRIPT` names, so that every message a
/// server sends in tests can be held against the schema of its revision.
final class Transcript: Sendable {
    static let shared = getenv("TORPOR_TRANSCRIPT").flatMap { Transcript(path: String(cString: $0)) }

    private let descriptor: Mutex<Int32>

    private init?(path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return nil }
        self.descriptor = Mutex(descriptor)
    }

    func add(_ request: TestRequest, _ response: TestResponse) {
        // What is no JSON, or no message, has no schema either.
        guard request.method == "POST", let message = try? JSONValue(parsing: request.body) else { return }
        switch message {
        case .object, .array: break
        default: return
        }
        guard let revision = Self.revision(message, request, response) else { return }
        var line: JSONObject = [
            "era": revision.era == .modern ? "modern" : "legacy", "revision": .string(revision.rawValue),
            "request": message,
            "status": .number(JSONNumber(response.status)), "response": response.body ?? .null,
        ]
        if request.isCancelled { line["cancelled"] = true }
        // Tells which request a client has cancelled.
        if let session = request.headers["Mcp-Session-Id"] { line["headers"] = ["mcp-session-id": .string(session)] }
        if !response.messages.isEmpty { line["messages"] = .array(response.messages) }
        if let place = response.events.last(where: { $0.id != nil })?.id { line["lastEventId"] = .string(place) }
        let bytes = Array((JSONValue.object(line).text + "\n").utf8)
        self.descriptor.withLock { descriptor in
            // One write a line, so that lines of several processes do not mix. A full disk costs lines, not tests.
            _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        }
    }

    /// Under which revision the answer was given: what the request says of itself, or what `initialize` agreed.
    private static func revision(_ message: JSONValue, _ request: TestRequest, _ response: TestResponse)
        -> ProtocolRevision?
    {
        if case .object(let meta)? = message["params"]?["_meta"], meta["io.modelcontextprotocol/protocolVersion"] != nil
        {
            return .v2026_07_28
        }
        if case .string(let agreed)? = response.result?["protocolVersion"] { return ProtocolRevision(rawValue: agreed) }
        return request.headers["MCP-Protocol-Version"].map { ProtocolRevision(rawValue: $0) } ?? .assumedLegacy
    }
}
