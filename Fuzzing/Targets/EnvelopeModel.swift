import TorporJSON

/// What a message is, worked out slowly from its tree: the model that ``Envelope`` is held against.
struct EnvelopeModel: Equatable {
    enum Shape: Equatable { case request, notification, response, batch, invalid }

    var shape = Shape.invalid
    /// A string or an integer.
    var id: JSONValue?
    var method: JSONValue?
    var params: JSONValue?
    var meta: JSONValue?
    var hasRepeats = false

    static let metaNames = [
        "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/clientInfo", "progressToken",
    ]
    static let paramNames = [
        "name", "uri", "arguments", "cursor", "ref", "argument", "context", "protocolVersion", "capabilities",
        "clientInfo",
    ]

    init(_ value: JSONValue) {
        switch value {
        case .array: self.shape = .batch
        case .object(let message): self.read(message)
        case .null, .bool, .number, .string: break
        }
    }

    private mutating func read(_ message: JSONObject) {
        self.hasRepeats = Self.repeats(["jsonrpc", "id", "method", "params"], in: message)
        let answers = message.members.filter { Self.areSame($0.name, "result") || Self.areSame($0.name, "error") }
        if answers.count > 1 { self.hasRepeats = true }
        self.method = message["method"]
        self.params = message["params"]
        if case .object(let params)? = self.params {
            if Self.repeats(Self.paramNames + ["_meta"], in: params) { self.hasRepeats = true }
            self.meta = params["_meta"]
            if case .object(let meta)? = self.meta, Self.repeats(Self.metaNames, in: meta) { self.hasRepeats = true }
        }
        let sent = message["id"]
        self.id = sent.flatMap { Self.isUsable($0) ? $0 : nil }
        guard !self.hasRepeats, Self.isText(message["jsonrpc"], "2.0"), sent == nil || self.id != nil else { return }
        if !answers.isEmpty {
            if self.method == nil, self.id != nil { self.shape = .response }
            return
        }
        guard case .string? = self.method else { return }
        switch self.params {
        case nil, .object?: self.shape = self.id == nil ? .notification : .request
        default: return
        }
    }

    private static func isUsable(_ id: JSONValue) -> Bool {
        switch id {
        case .string: true
        case .number(let number): !number.text.contains { ".eE".contains($0) }
        case .null, .bool, .array, .object: false
        }
    }

    private static func repeats(_ names: [String], in object: JSONObject) -> Bool {
        names.contains { name in object.members.count { self.areSame($0.name, name) } > 1 }
    }

    static func isText(_ value: JSONValue?, _ text: String) -> Bool {
        if case .string(let other)? = value { self.areSame(other, text) } else { false }
    }

    static func areSame(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }
}
