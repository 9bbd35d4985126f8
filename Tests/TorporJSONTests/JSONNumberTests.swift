import Foundation
import Testing
import TorporJSON
import TorporTestSupport

@Suite struct JSONNumberTests {
    @Test(arguments: ["0", "-0", "1.0", "1e2", "12345678901234567890123456789", "0.1000", "1E+2", "-1.5e-300"])
    func theTextIsKept(_ text: String) throws {
        #expect(try JSONValue(parsing: text).text == text)
        #expect(JSONNumber(text: text)?.text == text)
        let decoded = try JSONBytesDecoder.decode([JSONNumber].self, from: Array("[\(text)]".utf8))
        #expect(try JSONBytesEncoder.encode(decoded) == Array("[\(text)]".utf8))
    }

    @Test(arguments: ["", " 1", "1 ", "+1", "01", "1.", ".5", "1e", "abc", "1,2", "\"1\"", "null"])
    func textThatIsNoNumberIsRefused(_ text: String) {
        #expect(JSONNumber(text: text) == nil)
    }

    @Test(
        arguments: [
            ("12", 12), ("-12", -12), ("12.0", 12), ("1.2e1", 12), ("1200e-2", 12), ("-0", 0),
            ("0.0e99999999999999999999", 0),
            ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min), ("9223372036854775807.000", Int.max),
            ("92233720368547758070e-1", Int.max), ("0.00012e5", 12), ("1.5", nil), ("1e-1", nil),
            ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("1e19", nil), ("1e99999999999999999999999", nil),
            ("1e-99999999999999999999999", nil),
            ("1e18", 1_000_000_000_000_000_000), ("100.50e1", 1005), ("100.51e1", nil), ("0.1e1", 1), ("10.0e0", 10),
        ] as [(String, Int?)])
    func integersAreExactOrNothing(_ text: String, _ expected: Int?) {
        #expect(JSONNumber(text: text)?.int == expected)
    }

    @Test func integersOfEveryWidthKeepTheirLimits() throws {
        func check<Integer: FixedWidthInteger & Sendable>(_: Integer.Type) throws {
            for value in [Integer.min, Integer.max, 0, 1, 99] {
                #expect(JSONNumber(value).integer(as: Integer.self) == value)
                #expect(JSONNumber(text: "\(value).0")?.integer(as: Integer.self) == value)
                if value != 0 { #expect(JSONNumber(text: "\(value)0e-1")?.integer(as: Integer.self) == value) }
            }
            #expect(JSONNumber(text: "\(Integer.max)0")?.integer(as: Integer.self) == nil)
            if Integer.min < 0 {
                #expect(JSONNumber(text: "\(Integer.min)0")?.integer(as: Integer.self) == nil)
            } else {
                #expect(JSONNumber(text: "-1")?.integer(as: Integer.self) == nil)
            }
        }
        try check(Int8.self)
        try check(UInt8.self)
        try check(Int16.self)
        try check(UInt16.self)
        try check(Int32.self)
        try check(UInt32.self)
        try check(Int64.self)
        try check(UInt64.self)
        try check(Int128.self)
        try check(UInt128.self)
    }

    @Test func doublesAreTheNearestOnes() {
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<20_000 {
            let digits = Int.random(in: 1...19, using: &generator)
            var text = String((0..<digits).map { _ in Character(String(Int.random(in: 0...9, using: &generator))) })
            text = String(text.drop { $0 == "0" })
            if text.isEmpty { text = "0" }
            if Bool.random(using: &generator) {
                text += "." + String(UInt64.random(in: 0...999_999_999, using: &generator))
            }
            if Bool.random(using: &generator) { text += "e\(Int.random(in: -340...340, using: &generator))" }
            if Bool.random(using: &generator) { text = "-" + text }
            let expected = Double(text).flatMap { $0.isFinite ? $0 : nil }
            #expect(JSONNumber(text: text)?.double?.bitPattern == expected?.bitPattern, "\(text)")
        }
        #expect(JSONNumber(text: "1e309")?.double == nil)
        #expect(JSONNumber(text: "-1e309")?.double == nil)
        #expect(JSONNumber(text: "1e-400")?.double == 0)
        #expect(JSONNumber(text: "-0")?.double?.sign == .minus)
        #expect(JSONNumber(text: "9007199254740993")?.double == 9_007_199_254_740_992)
        #expect(JSONNumber(text: "0.1234567890123456")?.double == 0.1234567890123456)
    }

    @Test func aDoubleIsWrittenSoThatItReadsBack() throws {
        var generator = SeededGenerator(seed: 12)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: UInt64.random(in: 0 ... .max, using: &generator))
            guard let number = JSONNumber(value) else {
                #expect(!value.isFinite)
                continue
            }
            #expect(JSONNumber(text: number.text)?.double?.bitPattern == value.bitPattern)
        }
        #expect(JSONNumber(1.0)?.text == "1")
        #expect(JSONNumber(-0.0)?.text == "-0")
        #expect(JSONNumber(0.5)?.text == "0.5")
        #expect(JSONNumber(1e300)?.text == "1e+300")
        #expect(JSONNumber(Double.nan) == nil)
        #expect(JSONNumber(Double.infinity) == nil)
    }

    @Test func otherCodersGetTheNearestKindOfNumber() throws {
        let numbers = try ["1", "-9223372036854775808", "18446744073709551615", "1.5"].map {
            try #require(JSONNumber(text: $0))
        }
        let data = try JSONEncoder().encode(numbers)
        #expect(String(decoding: data, as: UTF8.self) == "[1,-9223372036854775808,18446744073709551615,1.5]")
        #expect(try JSONDecoder().decode([JSONNumber].self, from: data) == numbers)
        let huge = try #require(JSONNumber(text: "1e999"))
        #expect(throws: EncodingError.self) { try JSONEncoder().encode([huge]) }
    }
}
