import Testing
import TorporJSON
import TorporProtocol

/// The table of the specification on mirrored values (2026-07-28, transports), and of values that must not pass.
@Suite struct HeaderValueTests {
    @Test(arguments: [
        ("Hello", "Hello", true), ("Hello", "hello", false), ("Hello", "=?base64?SGVsbG8=?=", true),
        ("Hello", "=?base64?SGVsbG8?=", false),
        ("Hello", "=?base64?SGVs!!!bG8=?=", false), ("Hello", "=?base64?SGVsbG9=?=", false),
        ("SGVsbG8=", "SGVsbG8=", true),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8=", true), ("zürich", "=?base64?esO8cmljaA==?=", true),
        ("zürich", "zürich", false),
        ("  x", "=?base64?ICB4?=", true), ("", "=?base64??=", true), ("Hello", "=?BASE64?SGVsbG8=?=", false),
        ("a\tb", "a\tb", true),
        ("a b", "a b", true),
    ])
    func aHeaderMirrorsItsValue(value: String, header: String, matches: Bool) throws {
        let body = JSONValue.string(value).text
        let bytes = Array((header + body).utf8)
        var scanner = JSONScanner(bytes.span, at: header.utf8.count)
        let slice = try JSONSlice(&scanner)
        #expect(HeaderValue.matches(0..<header.utf8.count, slice, in: bytes.span) == matches)
    }

    /// Unicode holds these for canonically equivalent; bytes are what a proxy compares.
    @Test(arguments: [("K", #""\u212a""#), (";", #""\u037e""#), ("`", #""\u1fef""#), ("AK", #""\u0041\u212A""#)])
    func aLookalikeWrittenAsAnEscapeIsAnotherValue(header: String, body: String) throws {
        let bytes = Array((header + body).utf8)
        var scanner = JSONScanner(bytes.span, at: header.utf8.count)
        let slice = try JSONSlice(&scanner)
        let matches = HeaderValue.matches(0..<header.utf8.count, slice, in: bytes.span)
        #expect(!matches)
    }

    @Test func base64IsReadStrictly() {
        let decode = { (text: String) in
            let bytes = Array(text.utf8)
            return HeaderValue.decodeBase64(bytes.span, at: 0..<bytes.count)
        }
        #expect(decode("") == [])
        #expect(decode("AA==") == [0])
        #expect(decode("AAA=") == [0, 0])
        #expect(decode("//8A") == [255, 255, 0])
        for text in ["A", "AA", "AAA", "AB==", "AAB=", "A===", "====", "AA=A", "AA==AAAA", "AAA\n", "AA-_"] {
            #expect(decode(text) == nil, "\(text)")
        }
    }

    @Test func urlSafeBase64HasOneSpellingForAValue() {
        for count in 0..<40 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + 200) }
            #expect(Base64.decodeURLSafe(Array(Base64.encodeURLSafe(bytes).utf8)) == bytes)
        }
        #expect(Base64.encode([255, 254]) == "//4=")
        #expect(Base64.encodeURLSafe([255, 254]) == "__4")
        for text in ["A", "AB", "AA=", "A+", "AAAAA"] {
            #expect(Base64.decodeURLSafe(Array(text.utf8)) == nil, "\(text)")
        }
    }

    @Test func aCursorIsReadBackAndNothingElseIs() {
        #expect(Cursor(parsing: Cursor(list: 7, offset: 100).text) == Cursor(list: 7, offset: 100))
        for text in ["", "x", "AAAAAAAAAA", "!!!!"] { #expect(Cursor(parsing: text) == nil) }
    }
}
