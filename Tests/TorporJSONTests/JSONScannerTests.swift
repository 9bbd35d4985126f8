import Testing
import TorporJSON
import TorporTestSupport

@Suite struct JSONScannerTests {
    @Test func aValueIsReturnedWithoutTheWhitespaceAroundIt() throws {
        #expect(try scan(" \t\r\n{\"a\" : 1}\n ") == 4..<13)
        #expect(try scan("-1.5e+3") == 0..<7)
        #expect(try scan("true ") == 0..<4)
    }

    @Test func membersAreReadInOrder() throws {
        let bytes = Array(#"{"id" : 7, "name":"x","rest":[1,{"id":2}] }"#.utf8)
        var scanner = JSONScanner(bytes.span)
        var seen: [String] = []
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            let name = JSONText.string(in: bytes.span, key.range, hasEscapes: key.hasEscapes)
            let value = try scanner.skipValue()
            seen.append("\(name)=\(text(Array(bytes[value])))")
        }
        try scanner.finish()
        #expect(seen == ["id=7", #"name="x""#, #"rest=[1,{"id":2}]"#])
        #expect(scanner.position == bytes.count)
    }

    @Test func elementsAreReadInOrder() throws {
        let bytes = Array("[1, \"b\\n\" ,[], null]".utf8)
        var scanner = JSONScanner(bytes.span)
        var kinds: [JSONScanner.Kind] = []
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) {
            kinds.append(try scanner.peek())
            _ = try scanner.skipValue()
        }
        try scanner.finish()
        #expect(kinds == [.number, .string, .array, .null])
    }

    @Test(arguments: [
        ("{}", JSONScanner.Kind.object), ("[]", .array), ("\"\"", .string), ("-1", .number), ("0", .number),
        ("true", .true), ("false", .false), ("null", .null),
    ])
    func theFirstByteTellsTheKind(_ text: String, _ kind: JSONScanner.Kind) throws {
        let bytes = Array((" " + text).utf8)
        var scanner = JSONScanner(bytes.span)
        #expect(try scanner.peek() == kind)
        #expect(scanner.position == 1)
    }

    @Test(arguments: [
        ("", JSONError(.unexpectedEnd, at: 0)), ("  ", JSONError(.unexpectedEnd, at: 2)),
        ("{", JSONError(.unexpectedEnd, at: 1)), ("[1,", JSONError(.unexpectedEnd, at: 3)),
        ("\"a", JSONError(.unexpectedEnd, at: 2)), ("\"\\", JSONError(.unexpectedEnd, at: 2)),
        ("\"\\u12", JSONError(.unexpectedEnd, at: 5)), ("tru", JSONError(.unexpectedEnd, at: 3)),
        ("-", JSONError(.unexpectedEnd, at: 1)), ("1.", JSONError(.unexpectedEnd, at: 2)),
        ("\u{FEFF}{}", JSONError(.unexpectedByte, at: 0)), ("[1 2]", JSONError(.unexpectedByte, at: 3)),
        ("[1,]", JSONError(.unexpectedByte, at: 3)), ("[,1]", JSONError(.unexpectedByte, at: 1)),
        ("{\"a\"}", JSONError(.unexpectedByte, at: 4)), ("{\"a\":1,}", JSONError(.unexpectedByte, at: 7)),
        ("{a:1}", JSONError(.unexpectedByte, at: 1)), ("[1}", JSONError(.unexpectedByte, at: 2)),
        ("trve", JSONError(.unexpectedByte, at: 2)), ("'a'", JSONError(.unexpectedByte, at: 0)),
        ("01", JSONError(.invalidNumber, at: 0)), ("-01", JSONError(.invalidNumber, at: 1)),
        ("[-]", JSONError(.invalidNumber, at: 2)), ("[1.e1]", JSONError(.invalidNumber, at: 3)),
        ("[1e+]", JSONError(.invalidNumber, at: 4)), ("\"\\x\"", JSONError(.invalidEscape, at: 2)),
        ("\"\\u12G4\"", JSONError(.invalidEscape, at: 5)), ("\"a\nb\"", JSONError(.controlCharacterInString, at: 2)),
        ("\"long enough\u{1F}\"", JSONError(.controlCharacterInString, at: 12)),
        ("1 2", JSONError(.trailingBytes, at: 2)), ("{}}", JSONError(.trailingBytes, at: 2)),
    ])
    func aRefusalTellsReasonAndPlace(_ text: String, _ error: JSONError) {
        #expect(refusal(of: text) == error)
        #expect(refusalByWalking(Array(text.utf8)) == error)
    }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0xAF], [0xC1, 0xBF], [0xC2, 0x41], [0xE0, 0x9F, 0x80], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF],
            [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28], [0xF0, 0x8F, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80],
            [0xF0, 0x9F, 0x98, 0x41], [0xFF], [0xFE],
        ] as [[UInt8]])
    func bytesThatAreNoUTF8AreRefused(_ sequence: [UInt8]) {
        // At every distance from the quote, so that every place in a word is met.
        for padding in 0..<17 {
            let bytes =
                Array("\"".utf8) + Array(repeating: UInt8(ascii: "a"), count: padding) + sequence + Array("\"".utf8)
            #expect(refusal(of: bytes) == JSONError(.invalidUTF8, at: 1 + padding))
        }
    }

    @Test func everyScalarIsAcceptedAndReadBack() throws {
        var bytes = Array("\"".utf8)
        var expected = ""
        // Every boundary of a length or a range, and a sample in between.
        let edges: [UInt32] = [
            0x20, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF,
            0x40000, 0xFFFFF, 0x100000, 0x10FFFF,
        ]
        for value in edges + stride(from: 0x80, to: 0x10FFFF, by: 997) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            expected.unicodeScalars.append(scalar)
        }
        bytes += Array(expected.utf8) + Array("\"".utf8)
        let range = try scan(bytes)
        let decoded = JSONText.string(in: bytes.span, 1..<(range.upperBound - 1), hasEscapes: false)
        #expect(decoded.utf8.elementsEqual(expected.utf8))
    }

    @Test func theEndOfAStringIsFoundAtEveryDistance() throws {
        for length in 0..<40 {
            for character in ["\"", "\\n\"", "é\"", "日\"", "😀\""] {
                let bytes = Array(("\"" + String(repeating: "x", count: length) + character).utf8)
                #expect(try scan(bytes) == 0..<bytes.count)
                #expect(refusal(of: Array(bytes.dropLast()))?.reason == .unexpectedEnd)
            }
            for control in UInt8(0)..<0x20 {
                let bytes = Array("\"".utf8) + Array(repeating: UInt8(ascii: "x"), count: length) + [control, 0x22]
                #expect(refusal(of: bytes) == JSONError(.controlCharacterInString, at: length + 1))
            }
        }
    }

    @Test func aDocumentCutAnywhereIsRefused() {
        for document in sampleDocuments {
            let bytes = Array(document.utf8)
            #expect(refusal(of: bytes) == nil)
            let end = bytes.lastIndex { $0 != 0x20 }!  // the samples are not empty
            for cut in 0...end {
                let error = refusal(of: Array(bytes[..<cut]))
                #expect(error?.reason == .unexpectedEnd && error?.offset == cut, "cut at \(cut): \(document)")
                #expect(refusalByWalking(Array(bytes[..<cut])) == error)
            }
        }
    }

    @Test(arguments: [1, 2, 63, 64, 65, 128, 129, JSONScanner.depthMaxLimit])
    func depthIsLimitedExactly(_ depthMax: Int) {
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            #expect(refusal(of: nested(depthMax - 1, open, close), depthMax: depthMax) == nil)
            #expect(refusal(of: nested(depthMax, open, close), depthMax: depthMax) == nil)
            let error = refusal(of: nested(depthMax + 1, open, close), depthMax: depthMax)
            #expect(error == JSONError(.tooDeep, at: depthMax * open.utf8.count))
        }
    }

    @Test func aDepthOfNoneAllowsScalarsOnly() {
        #expect(refusal(of: "1", depthMax: 0) == nil)
        #expect(refusal(of: "[]", depthMax: 0) == JSONError(.tooDeep, at: 0))
    }

    @Test func depthIsGivenBackByWhatCloses() throws {
        let bytes = Array("[[],{},[{}],{\"a\":[]}]".utf8)
        #expect(refusal(of: bytes, depthMax: 3) == nil)
        var scanner = JSONScanner(bytes.span, depthMax: 2)
        try scanner.beginArray()
        var isFirst = true
        #expect(try scanner.nextElement(&isFirst))
        #expect(try scanner.skipValue() == 1..<3)
        #expect(try scanner.nextElement(&isFirst))
        #expect(try scanner.skipValue() == 4..<6)
        #expect(try scanner.nextElement(&isFirst))
        #expect(throws: JSONError(.tooDeep, at: 8)) { try refuse(bytes, at: 7, depthMax: 1) }
    }

    private func refuse(_ bytes: [UInt8], at position: Int, depthMax: Int) throws(JSONError) {
        var scanner = JSONScanner(bytes.span, at: position, depthMax: depthMax)
        _ = try scanner.skipValue()
    }

    @Test func aMixOfArraysAndObjectsDeeperThanAWordIsTracked() throws {
        var open = ""
        var close = ""
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<300 {
            if Bool.random(using: &generator) {
                open += "["
                close = "]" + close
            } else {
                open += "{\"k\":"
                close = "}" + close
            }
        }
        #expect(refusal(of: open + "0" + close, depthMax: 300) == nil)
        // Each closing bracket swapped for the other one is found.
        let bytes = Array((open + "0" + close).utf8)
        for index in (bytes.count - close.utf8.count)..<bytes.count {
            var wrong = bytes
            wrong[index] = wrong[index] == UInt8(ascii: "]") ? UInt8(ascii: "}") : UInt8(ascii: "]")
            #expect(refusal(of: wrong, depthMax: 300) == JSONError(.unexpectedByte, at: index))
        }
    }

    @Test func aKeyWithEscapesEqualsItsDecodedName() throws {
        func matches(_ key: String, _ name: StaticString) throws -> Bool {
            let bytes = Array("{\"\(key)\":1}".utf8)
            var scanner = JSONScanner(bytes.span)
            try scanner.beginObject()
            var isFirst = true
            let key = try #require(try scanner.nextKey(&isFirst))
            return scanner.key(key, equals: name)
        }
        #expect(try matches("name", "name"))
        #expect(try matches(#"na\u006de"#, "name"))
        #expect(try matches(#"\u006e\u0061\u006D\u0065"#, "name"))
        #expect(try matches(#"a\/b"#, "a/b"))
        #expect(try matches(#"\ud83d\ude00"#, "😀"))
        #expect(try matches("", ""))
        #expect(try !matches("nam", "name"))
        #expect(try !matches("names", "name"))
        #expect(try !matches("nama", "name"))
        #expect(try !matches(#"na\u006d"#, "name"))
        #expect(try !matches(#"na\u006des"#, "name"))
        #expect(try !matches(#"na\\u006de"#, "name"))
    }

    @Test func errorsDescribeThemselvesWithoutTheText() {
        #expect(JSONError(.invalidUTF8, at: 3).description == "invalid UTF-8 at byte 3")
        #expect(refusal(of: "[secret]")?.description == "unexpected byte in the JSON text at byte 1")
    }
}
