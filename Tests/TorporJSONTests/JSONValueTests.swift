import Foundation
import Testing
import TorporJSON

@Suite struct JSONValueTests {
    @Test func literalsMakeValues() {
        let value: JSONValue = ["a": 1, "b": [true, .null, "x", 1.5], "c": ["d": []]]
        #expect(value.text == #"{"a":1,"b":[true,null,"x",1.5],"c":{"d":[]}}"#)
        #expect(value["b"]?[2] == "x")
        #expect(value["b"]?[4] == nil)
        #expect(value["z"] == nil)
        #expect("\(value)" == value.text)
    }

    @Test func textComesBackAsItWasApartFromWhitespace() throws {
        for document in sampleDocuments {
            let value = try JSONValue(parsing: document)
            #expect(try JSONValue(parsing: Array(document.utf8)) == value)
            #expect(try JSONValue(parsing: value.text) == value)
            #expect(try JSONBytesDecoder.decode(JSONValue.self, from: Array(document.utf8)) == value)
            #expect(text(try JSONBytesEncoder.encode(value)) == value.text)
        }
        let compact = #"{"z":1,"a":[1.0,1e5,{"k":"v"}],"z":null}"#
        #expect(try JSONValue(parsing: compact).text == compact)
    }

    @Test func theLastOfEqualNamesCounts() throws {
        let value = try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#)
        #expect(value["a"] == 3)
        guard case .object(var object) = value else { throw JSONError(.unexpectedByte, at: 0) }
        #expect(object.count == 3)
        object["a"] = 4
        #expect(JSONValue.object(object).text == #"{"a":1,"b":2,"a":4}"#)
        object["a"] = nil
        object["c"] = true
        #expect(JSONValue.object(object).text == #"{"b":2,"c":true}"#)
    }

    @Test func objectsAreEqualWhateverTheirOrder() throws {
        let one: JSONObject = ["a": 1, "b": ["c": 2, "d": 3]]
        let other: JSONObject = ["b": ["d": 3, "c": 2], "a": 1]
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(one != ["a": 1])
        #expect(one != ["a": 1, "b": ["c": 2, "d": 4]])
        let repeated = try JSONValue(parsing: #"{"a":0,"a":1}"#)
        #expect(repeated == ["a": 1])
        #expect(repeated.hashValue == (["a": 1] as JSONValue).hashValue)
        #expect(repeated != ["a": 0])
    }

    @Test func namesAreNotNormalised() throws {
        let value = try JSONValue(parsing: "{\"e\u{301}\":1,\"\u{E9}\":2}")
        #expect(value["e\u{301}"] == 1)
        #expect(value["\u{E9}"] == 2)
    }

    @Test func refusedTextIsReported() {
        #expect(throws: JSONError(.unexpectedEnd, at: 0)) { try JSONValue(parsing: "") }
        #expect(throws: JSONError(.trailingBytes, at: 2)) { try JSONValue(parsing: "{}x") }
        #expect(throws: JSONError(.tooDeep, at: 64)) { try JSONValue(parsing: String(repeating: "[", count: 65)) }
    }

    @Test func otherCodersKeepTheMeaning() throws {
        for document in sampleDocuments {
            let value = try JSONValue(parsing: document)
            let theirs = try JSONDecoder().decode(JSONValue.self, from: Data(document.utf8))
            let again = try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(theirs))
            #expect(again == theirs)
            #expect(try JSONDecoder().decode(JSONValue.self, from: Data(value.text.utf8)) == theirs)
        }
        let plain: JSONValue = ["a": [1, "x", .null, true, 1.5], "b": [:]]
        #expect(try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(plain)) == plain)
    }

    @Test func aValueInTheMiddleOfBytesIsBuilt() throws {
        let bytes = Array(#"xx [1,{"a":"\u0062"}] yy"#.utf8)
        let value = JSONValue(in: bytes.span, 3..<21)
        #expect(value == [1, ["a": "b"]])
    }

    /// Unicode holds each pair for canonically equivalent.
    @Test(arguments: [("K", "\u{212A}"), ("\u{E9}", "e\u{301}"), (";", "\u{37E}")])
    func stringsAreEqualByteByByteAlone(text: String, lookalike: String) throws {
        #expect(JSONValue.string(text) != .string(lookalike))
        #expect(JSONValue.array([.string(text)]) != [.string(lookalike)])
        #expect(Set([JSONValue.string(text), .string(lookalike), .string(text)]).count == 2)
        #expect(try JSONValue(parsing: "[\"\(text)\"]")[0] == .string(text))
    }

    /// With twice the work at each level this test would not end.
    @Test func comparingDeepObjectsTakesTheirSizeInTime() throws {
        let nested = { (innermost: String) in
            try JSONValue(
                parsing: String(repeating: #"{"a":"#, count: 63) + innermost + String(repeating: "}", count: 63))
        }
        #expect(try nested("1") != nested("2"))
        #expect(try nested("1") == nested("1"))
    }
}
