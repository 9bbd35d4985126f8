import Testing
import TorporJSON
import TorporTestSupport

@Suite struct JSONWriterTests {
    private func write(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        body(&writer)
        return text(writer.finish())
    }

    @Test func commasStandBetweenMembersAndElementsOnly() {
        let written = self.write {
            $0.beginObject()
            $0.key("a")
            $0.beginArray()
            $0.integer(1)
            $0.string("two")
            $0.beginObject()
            $0.endObject()
            $0.beginArray()
            $0.endArray()
            $0.null()
            $0.bool(true)
            $0.number(0.5)
            $0.endArray()
            $0.key("b" as String)
            $0.rawValue("{\"x\":1}")
            $0.key("c")
            $0.value(["d": [.null, false]])
            $0.endObject()
        }
        #expect(written == #"{"a":[1,"two",{},[],null,true,0.5],"b":{"x":1},"c":{"d":[null,false]}}"#)
    }

    @Test func rawBytesKnowNoCommas() {
        let written = self.write {
            $0.raw("{\"jsonrpc\":\"2.0\",\"result\":")
            $0.beginArray()
            $0.integer(1)
            $0.rawValue([UInt8](#""a""#.utf8))
            $0.rawValue(ArraySlice("2".utf8))
            $0.rawValue([UInt8]("3".utf8).span)
            $0.endArray()
            $0.raw([UInt8](",\"x\":".utf8))
            $0.raw([UInt8]("1".utf8).span)
            $0.raw("}".utf8)
        }
        #expect(written == #"{"jsonrpc":"2.0","result":[1,"a",2,3],"x":1}"#)
    }

    @Test func aWriterContinuesBehindBytes() {
        var writer = JSONWriter(appendingTo: Array("data: ".utf8))
        writer.beginArray()
        writer.endArray()
        #expect(text(writer.bytes) == "data: []")
    }

    @Test func stringsAreEscapedWhereTheyMustBe() {
        #expect(self.write { $0.string("a\"b\\c/d") } == #""a\"b\\c/d""#)
        #expect(
            self.write { $0.string("\u{8}\t\n\u{C}\r\u{0}\u{1F}\u{10}\u{7F}") }
                == "\"\\b\\t\\n\\f\\r\\u0000\\u001f\\u0010\u{7F}\"")
        #expect(self.write { $0.string("") } == "\"\"")
        #expect(self.write { $0.string("日本語😀\u{2028}") } == "\"日本語😀\u{2028}\"")
    }

    @Test func everyStringReadsBackAtEveryLength() throws {
        var generator = SeededGenerator(seed: 3)
        let alphabet: [Character] = ["a", "\"", "\\", "\n", "\u{1}", "é", "日", "😀", "\u{7F}", "/", "b", "c", "d"]
        for length in 0..<200 {
            // There are letters to choose from.
            let original = String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
            let written = self.write { $0.string(original) }
            guard case .string(let back) = try JSONValue(parsing: written) else {
                Issue.record("no string: \(written)")
                continue
            }
            #expect(back.utf8.elementsEqual(original.utf8))
            #expect(
                self.write {
                    $0.beginObject(); $0.key(original); $0.null(); $0.endObject()
                } == "{\(written):null}")
        }
    }

    @Test func integersOfEveryWidthAreWritten() {
        #expect(self.write { $0.integer(Int.min) } == "-9223372036854775808")
        #expect(self.write { $0.integer(UInt64.max) } == "18446744073709551615")
        #expect(self.write { $0.integer(Int8.min) } == "-128")
        #expect(self.write { $0.integer(0) } == "0")
        #expect(self.write { $0.integer(Int128.min) } == "-170141183460469231731687303715884105728")
        #expect(self.write { $0.integer(UInt128.max) } == "340282366920938463463374607431768211455")
    }

    @Test func numbersThatJSONDoesNotKnowAreNull() {
        let written = self.write {
            $0.beginArray()
            for value in [Double.nan, .infinity, -.infinity, 1, -0.0, 1e21, .leastNonzeroMagnitude] { $0.number(value) }
            $0.number(Float(0.1))
            $0.number(Float.nan)
            $0.endArray()
        }
        #expect(written == "[null,null,null,1,-0,1e+21,5e-324,0.1,null]")
    }
}
