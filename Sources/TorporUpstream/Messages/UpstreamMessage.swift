package import TorporJSON
package import TorporProtocol

/// A message on its way to the server, with what transports have to know of it.
package struct UpstreamMessage: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case request(RequestNumber)
        case notification
        /// To a request of the server.
        case answer
    }

    package let kind: Kind
    /// Empty for an answer.
    package let method: String
    /// What the header `Mcp-Name` says of a modern request, if its method has such a name.
    package let name: String?
    /// The arguments that headers say too (`x-mcp-header`): the ends of the headers' names, and their values.
    package let arguments: [MirroredArgument]
    /// What both sides speak; `nil` for `initialize`, which finds it out.
    package let revision: ProtocolRevision?
    /// JSON text, one message.
    package let body: [UInt8]

    package init(
        _ kind: Kind, method: String = "", name: String? = nil, arguments: [MirroredArgument] = [],
        revision: ProtocolRevision?, body: [UInt8]
    ) {
        self.kind = kind
        self.method = method
        self.name = name
        self.arguments = arguments
        self.revision = revision
        self.body = body
    }
}

/// The value of an argument that is sent in the header `Mcp-Param-{header}` too.
package struct MirroredArgument: Sendable, Equatable {
    package let header: String
    /// As it is, not wrapped.
    package let value: String

    package init(header: String, value: String) {
        self.header = header
        self.value = value
    }
}

extension MirroredArgument {
    /// What headers say of a tool's arguments: of those that are there, and of a kind that a header can say. An integer
    /// is written in digits alone, however the client wrote it.
    /// - Parameter parameters: The marks in the tool's input schema.
    package static func all(of arguments: JSONObject, _ parameters: [MirroredParameter]) -> [MirroredArgument] {
        parameters.compactMap { parameter in
            var value: JSONValue? = .object(arguments)
            for name in parameter.path { value = value?[name] }
            let text: String
            switch value {
            case .string(let string): text = string
            case .bool(let bool): text = bool ? "true" : "false"
            case .number(let number): text = number.int.map { String($0) } ?? number.text
            case .object, .array, .null, nil: return nil
            }
            return MirroredArgument(header: parameter.header, value: text)
        }
    }
}

/// A message of the server, taken apart as far as is needed to know what it is.
package struct IncomingMessage: Sendable {
    package enum Content: Sendable {
        case message(Envelope)
        /// Text that is no JSON, or nested too deeply.
        case notJSON
        /// Longer than the limit; ``IncomingMessage/bytes`` is empty. The request that it answers, where that could be
        /// told.
        case tooLong(answers: RequestNumber?)
    }

    package let bytes: [UInt8]
    package let content: Content
    /// The request on whose own stream it came, on a transport where requests have such.
    package let stream: RequestNumber?

    /// Reads a whole message. Not for locks: it takes as long as the message is.
    package init(_ bytes: [UInt8], stream: RequestNumber? = nil) {
        self.bytes = bytes
        self.stream = stream
        do {
            self.content = .message(try Envelope.parse(bytes.span, depthMax: JSONScanner.depthMaxLimit))
        } catch {
            self.content = .notJSON
        }
    }

    /// The request of ours that the message answers; `nil` when it is no answer.
    package var answeredRequest: RequestNumber? {
        guard case .message(let envelope) = self.content, envelope.shape == .response, envelope.id.kind == .number
        else { return nil }
        return JSONText.integer(in: self.bytes.span, envelope.id.range, as: Int.self).map(RequestNumber.init)
    }

    /// A message that was dropped.
    package init(tooLongFor request: RequestNumber?, stream: RequestNumber? = nil) {
        self.bytes = []
        self.stream = stream
        self.content = .tooLong(answers: request)
    }
}

/// The answer to a request: the whole message, and where its result lies in it.
package struct UpstreamAnswer: Sendable, Equatable {
    package let bytes: [UInt8]
    package let range: Range<Int>

    package init(bytes: [UInt8], range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }

    /// The text of the result, a JSON object, without line ends.
    package var result: ArraySlice<UInt8> { self.bytes[self.range] }

    /// The result as a tree.
    package var object: JSONObject {
        guard case .object(let object) = JSONValue(in: self.bytes.span, self.range) else {
            preconditionFailure("only an object is taken for a result")
        }
        return object
    }
}
