package import TorporJSON

/// What one pass over a message's bytes finds: its shape, and where everything lies that the protocol layer looks at.
///
/// No tree is built and no text is copied; all slices point into the bytes that were parsed. The whole message is
/// validated (UTF-8, grammar, depth) on the way, so later readers need not check again.
package struct Envelope: Sendable {
    package enum Shape: Sendable, Equatable {
        case request
        case notification
        /// An answer to a request of the server (legacy era only).
        case response
        /// A JSON array. Only its grammar was checked.
        case batch
        /// JSON, but no JSON-RPC message; says why.
        case invalid(StaticString)

        package static func == (left: Shape, right: Shape) -> Bool {
            switch (left, right) {
            case (.request, .request), (.notification, .notification), (.response, .response), (.batch, .batch): true
            case (.invalid(let left), .invalid(let right)): left.description == right.description
            default: false
            }
        }
    }

    /// Of no message.
    package init() {}

    package private(set) var shape = Shape.invalid("The message is no JSON object.")
    /// A string or an integer; absent when the message has no id that could be echoed.
    package private(set) var id = JSONSlice()
    package private(set) var method = JSONSlice()
    package private(set) var params = Params()
    /// The `result` or `error` of an answer, whole.
    package private(set) var answer = JSONSlice()
    /// Whether ``answer`` is an error.
    package private(set) var isError = false

    /// The members of `params` that the protocol defines for the methods a server serves.
    package struct Params: Sendable {
        /// The whole `params` object.
        package fileprivate(set) var source = JSONSlice()
        package fileprivate(set) var name = JSONSlice()
        package fileprivate(set) var uri = JSONSlice()
        package fileprivate(set) var arguments = JSONSlice()
        package fileprivate(set) var cursor = JSONSlice()
        package fileprivate(set) var ref = JSONSlice()
        package fileprivate(set) var argument = JSONSlice()
        package fileprivate(set) var context = JSONSlice()
        package fileprivate(set) var protocolVersion = JSONSlice()
        package fileprivate(set) var capabilities = JSONSlice()
        package fileprivate(set) var clientInfo = JSONSlice()
        /// What a client answers on the retry of a call that asked it (2026-07-28, multi round-trip requests).
        package fileprivate(set) var inputResponses = JSONSlice()
        package fileprivate(set) var requestState = JSONSlice()
        package fileprivate(set) var meta = Meta()

        /// The value of a member that only few methods have, found by looking again; absent when there is none.
        package func member(_ name: StaticString, in bytes: Span<UInt8>) -> JSONSlice {
            JSONSlice.member(name, of: self.source, in: bytes)
        }
    }

    /// The members of `params._meta` that the protocol defines.
    package struct Meta: Sendable {
        package fileprivate(set) var source = JSONSlice()
        package fileprivate(set) var protocolVersion = JSONSlice()
        package fileprivate(set) var clientCapabilities = JSONSlice()
        package fileprivate(set) var clientInfo = JSONSlice()
        package fileprivate(set) var progressToken = JSONSlice()
        package fileprivate(set) var logLevel = JSONSlice()
        package fileprivate(set) var traceParent = JSONSlice()

        /// The value of a member that is looked at rarely; absent when there is none.
        package func member(_ name: StaticString, in bytes: Span<UInt8>) -> JSONSlice {
            JSONSlice.member(name, of: self.source, in: bytes)
        }

        /// Whether the sender speaks the modern era (dual-era rules: either key is enough).
        package var isModern: Bool { self.protocolVersion.isPresent || self.clientCapabilities.isPresent }
    }

    /// Reads the message that fills `bytes` from `start` to their end.
    /// - Throws: ``JSONError`` when the bytes are no JSON text, or nested deeper than `depthMax`.
    /// - Complexity: one pass, no allocation.
    package static func parse(
        _ bytes: Span<UInt8>, from start: Int = 0, depthMax: Int = JSONScanner.depthMaxDefault
    ) throws(JSONError) -> Envelope {
        var scanner = JSONScanner(bytes, at: start, depthMax: depthMax)
        var envelope = Envelope()
        switch try scanner.peek() {
        case .object: try envelope.readMembers(&scanner, bytes)
        case .array:
            _ = try scanner.skipValue()
            envelope.shape = .batch
        default: _ = try scanner.skipValue()
        }
        try scanner.finish()
        return envelope
    }

    /// The messages of a batch that ``parse(_:from:depthMax:)`` has read; each is still to be parsed by itself.
    package static func elements(_ bytes: Span<UInt8>, from start: Int) -> [JSONSlice] {
        var scanner = JSONScanner(bytes, at: start, depthMax: JSONScanner.depthMaxLimit)
        do {
            return JSONSlice.elements(of: try JSONSlice(&scanner), in: bytes)
        } catch {
            preconditionFailure("a batch has been parsed before: \(error)")
        }
    }

    private mutating func readMembers(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) {
        var version = JSONSlice()
        var repeats = false
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            if scanner.key(key, equals: "params") {
                repeats = repeats || self.params.source.isPresent
                try self.params.read(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "method") {
                try self.method.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "id") {
                try self.id.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "jsonrpc") {
                try version.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "result") {
                try self.answer.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "error") {
                try self.answer.readOnce(&scanner, repeats: &repeats)
                self.isError = true
            } else {
                _ = try scanner.skipValue()
            }
        }
        self.shape = self.classify(version: version, repeats: repeats, bytes)
    }

    private mutating func classify(version: JSONSlice, repeats: Bool, _ bytes: Span<UInt8>) -> Shape {
        let sentID = self.id
        let idIsUsable = sentID.kind == .string || sentID.isInteger(in: bytes)
        if !idIsUsable { self.id = JSONSlice() }
        // A member given twice means different things to different readers; a proxy and we must not disagree.
        if repeats { return .invalid("A member of the message is given twice.") }
        guard version.equals("2.0", in: bytes) else { return .invalid("The member jsonrpc must be \"2.0\".") }
        if sentID.isPresent, !idIsUsable { return .invalid("The member id must be a string or an integer.") }
        if self.answer.isPresent {
            guard !self.method.isPresent else { return .invalid("A message is a request or an answer, not both.") }
            return idIsUsable ? .response : .invalid("An answer needs the id of its request.")
        }
        guard self.method.kind == .string else { return .invalid("The member method must be a string.") }
        guard self.params.source.kind == .object || !self.params.source.isPresent else {
            return .invalid("The member params must be an object.")
        }
        return idIsUsable ? .request : .notification
    }
}

extension Envelope.Params {
    fileprivate mutating func read(_ scanner: inout JSONScanner, repeats: inout Bool) throws(JSONError) {
        guard try scanner.peek() == .object else {
            self.source = try JSONSlice(&scanner)
            return
        }
        let start = scanner.position
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            if scanner.key(key, equals: "_meta") {
                repeats = repeats || self.meta.source.isPresent
                try self.meta.read(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "name") {
                try self.name.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "arguments") {
                try self.arguments.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "uri") {
                try self.uri.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "cursor") {
                try self.cursor.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "ref") {
                try self.ref.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "argument") {
                try self.argument.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "context") {
                try self.context.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "protocolVersion") {
                try self.protocolVersion.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "capabilities") {
                try self.capabilities.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "clientInfo") {
                try self.clientInfo.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "inputResponses") {
                try self.inputResponses.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "requestState") {
                try self.requestState.readOnce(&scanner, repeats: &repeats)
            } else {
                _ = try scanner.skipValue()
            }
        }
        self.source = JSONSlice(range: start..<scanner.position, kind: .object)
    }
}

extension Envelope.Meta {
    fileprivate mutating func read(_ scanner: inout JSONScanner, repeats: inout Bool) throws(JSONError) {
        guard try scanner.peek() == .object else {
            self.source = try JSONSlice(&scanner)
            return
        }
        let start = scanner.position
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            if scanner.key(key, equals: "io.modelcontextprotocol/protocolVersion") {
                try self.protocolVersion.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "io.modelcontextprotocol/clientCapabilities") {
                try self.clientCapabilities.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "io.modelcontextprotocol/clientInfo") {
                try self.clientInfo.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "progressToken") {
                try self.progressToken.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "io.modelcontextprotocol/logLevel") {
                try self.logLevel.readOnce(&scanner, repeats: &repeats)
            } else if scanner.key(key, equals: "traceparent") {
                try self.traceParent.readOnce(&scanner, repeats: &repeats)
            } else {
                _ = try scanner.skipValue()
            }
        }
        self.source = JSONSlice(range: start..<scanner.position, kind: .object)
    }
}

extension JSONSlice {
    /// Reads the next value into this slice; notes when the slice held one already.
    fileprivate mutating func readOnce(_ scanner: inout JSONScanner, repeats: inout Bool) throws(JSONError) {
        if self.isPresent { repeats = true }
        self = try JSONSlice(&scanner)
    }

    /// Whether this is a number written without fraction and exponent.
    fileprivate func isInteger(in bytes: Span<UInt8>) -> Bool {
        guard self.kind == .number else { return false }
        for position in self.range
        where bytes[position] != UInt8(ascii: "-") && !(0x30...0x39).contains(bytes[position]) {
            return false
        }
        return true
    }
}
