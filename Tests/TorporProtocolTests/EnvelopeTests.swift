import Testing
import TorporJSON
import TorporProtocol

@Suite struct EnvelopeTests {
    private func shape(_ text: String) throws -> Envelope.Shape { try Envelope.parse(Array(text.utf8).span).shape }

    @Test func messagesAreToldApart() throws {
        #expect(try self.shape(#"{"jsonrpc":"2.0","id":1,"method":"m"}"#) == .request)
        #expect(try self.shape(#" {"method":"m","jsonrpc":"2.0"} "#) == .notification)
        #expect(try self.shape(#"{"jsonrpc":"2.0","id":"x","result":null}"#) == .response)
        #expect(try self.shape(#"{"jsonrpc":"2.0","id":"x","error":{}}"#) == .response)
        #expect(try self.shape("[1]") == .batch)
    }

    @Test func slicesPointAtWhatTheProtocolLooksAt() throws {
        let text = #"""
            {"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{"name":"t","arguments":{"x":[1,{"name":2}]},"uri":"u","cursor":"c",
            "_meta":{"io.modelcontextprotocol/protocolVersion":"v","io.modelcontextprotocol/clientCapabilities":{},"progressToken":7,"other":1}}}
            """#
        let bytes = Array(text.utf8)
        let envelope = try Envelope.parse(bytes.span)
        #expect(String(decoding: bytes[envelope.id.sourceRange], as: UTF8.self) == #""a\"b""#)
        #expect(String(decoding: bytes[envelope.method.range], as: UTF8.self) == "tools/call")
        #expect(String(decoding: bytes[envelope.params.name.range], as: UTF8.self) == "t")
        #expect(String(decoding: bytes[envelope.params.arguments.range], as: UTF8.self) == #"{"x":[1,{"name":2}]}"#)
        #expect(String(decoding: bytes[envelope.params.meta.protocolVersion.range], as: UTF8.self) == "v")
        #expect(envelope.params.meta.clientCapabilities.kind == .object)
        #expect(envelope.params.meta.progressToken.kind == .number)
        #expect(envelope.params.meta.isModern)
        #expect(!envelope.params.ref.isPresent)
    }

    @Test func aMemberSpeltWithEscapesIsTheSameMember() throws {
        let bytes = Array(#"{"jsonrpc":"2.0","\u0069d":1,"m\u0065thod":"tools\/call"}"#.utf8)
        let envelope = try Envelope.parse(bytes.span)
        #expect(envelope.shape == .request)
        #expect(RequestMethod(envelope.method, in: bytes.span) == .toolsCall)
    }

    @Test func aMemberGivenTwiceIsRefused() throws {
        for text in [
            #"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"m"}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"m","method":"m"}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"m","params":{},"params":{}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a","name":"b"}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{},"_meta":{}}}"#,
            #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#,
        ] {
            #expect(try self.shape(text) == .invalid("A member of the message is given twice."), "\(text)")
        }
    }

    @Test func aMessageCutAnywhereIsNoJSON() throws {
        let bytes = Array(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":1}}}"#.utf8)
        for count in bytes.indices {
            #expect(throws: JSONError.self) { _ = try Envelope.parse(Array(bytes[..<count]).span) }
        }
    }

    @Test func nestingIsBounded() throws {
        let deep = { (depth: Int) in
            #"{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":"# + String(repeating: "[", count: depth)
                + String(repeating: "]", count: depth) + "}}"
        }
        #expect(try self.shape(deep(62)) == .request)
        #expect(throws: JSONError.self) { try self.shape(deep(63)) }
    }
}
