import Testing
import TorporJSON

@Suite struct JSONTextTests {
    private func decode(_ contents: String) -> String {
        let bytes = Array(contents.utf8)
        return JSONText.string(in: bytes.span, 0..<bytes.count, hasEscapes: true)
    }

    @Test(arguments: [
        (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"), (#"\u0041\u00e9\u65e5"#, "Aé日"), (#"\ud83d\ude00"#, "😀"),
        (#"\uD83D\uDE00!"#, "😀!"), (#"a\u0000b"#, "a\u{0}b"), (#"\u0000"#, "\u{0}"), ("", ""), ("日本\\n語", "日本\n語"),
        (#"\uffff\u07ff\u0800"#, "\u{FFFF}\u{7FF}\u{800}"), (#"\udbff\udfff"#, "\u{10FFFF}"),
    ])
    func escapesAreDecoded(_ contents: String, _ expected: String) {
        #expect(self.decode(contents).utf8.elementsEqual(expected.utf8))
    }

    @Test(arguments: [
        (#"\ud800"#, "\u{FFFD}"), (#"\udc00"#, "\u{FFFD}"), (#"\ud800x"#, "\u{FFFD}x"), (#"\ud800\n"#, "\u{FFFD}\n"),
        (#"\ud800\u0041"#, "\u{FFFD}A"), (#"\ud800\ud83d\ude00"#, "\u{FFFD}😀"), (#"\ude00\ud83d"#, "\u{FFFD}\u{FFFD}"),
    ])
    func aLoneSurrogateBecomesTheReplacementCharacter(_ contents: String, _ expected: String) {
        #expect(self.decode(contents) == expected)
    }

    @Test(arguments: [#"plain"#, #"esc\u0061ped"#, #"\ud83d\ude00"#, #"\u0000"#, "", "日\\u65e5"])
    func comparingAgreesWithDecoding(_ written: String) {
        let bytes = Array("<\(written)>".utf8)
        let range = 1..<(bytes.count - 1)
        let decoded = JSONText.string(in: bytes.span, range, hasEscapes: true)
        let hasEscapes = written.contains("\\")
        #expect(contents(of: bytes, range, hasEscapes: hasEscapes, equal: decoded))
        #expect(contents(of: bytes, range, hasEscapes: true, equal: decoded))
        #expect(!contents(of: bytes, range, hasEscapes: hasEscapes, equal: decoded + "x"))
        #expect(
            !contents(of: bytes, range, hasEscapes: hasEscapes, equal: "x" + decoded.dropFirst()) || decoded.isEmpty)
    }

    @Test func textIsNotNormalised() {
        let bytes = Array("e\u{301}".utf8)
        #expect(!contents(of: bytes, 0..<bytes.count, hasEscapes: false, equal: "\u{E9}"))
    }

    /// Keys are compared eight bytes at a time, and each byte counts.
    @Test func aKeyIsItselfAlone() {
        let names: [StaticString] = [
            "", "a", "params", "progress", "arguments", "protocolVersion", "io.modelcontextprotocol/clientInfo",
            "größe",
        ]
        for name in names {
            let bytes = Array(name.description.utf8)
            let among = [0x22] + bytes + [0x22]
            let whole = 1..<(bytes.count + 1)
            func holds(_ text: [UInt8], _ range: Range<Int>, hasEscapes: Bool = false) -> Bool {
                JSONText.equals(in: text.span, range, hasEscapes: hasEscapes, to: name)
            }
            #expect(holds(among, whole) && holds(among, whole, hasEscapes: true))
            #expect(!holds(among, 0..<(bytes.count + 1)) && !holds(among, 1..<(bytes.count + 2)))
            for place in whole {
                var other = among
                other[place] ^= 0x20
                #expect(!holds(other, whole), "\(name) at \(place)")
            }
        }
    }
}
