import Testing
import TorporEncoding
import TorporJSON
@testable import TorporTestSupport

/// Format 1, byte by byte. These bytes are in people's stores: later versions must read them as they stand here.
@Suite struct StateFormatTests {
    struct Sample: Codable, Equatable {
        var id = 7
        var name = "Ada"
        var tags = ["a", "bc"]
        var blob: [UInt8] = [0, 255]
        var address = Address()
        var others = [Address(), Address(street: "B", number: -65)]
        var ratio = 0.5
        var half: Float = 0.5
        var isOn = true
        var shape = Shape.named("sq", sides: 4)
    }
    struct Address: Codable, Equatable {
        var street = "A"
        var number: Int? = 300
    }

    static let sample = """
        01
        0f 026964 046e616d65 0474616773 04626c6f62 0761646472657373 06737472656574 066e756d626572 066f7468657273
           05726174696f 0468616c66 0469734f6e 057368617065 056e616d6564 025f30 057369646573
        c8 53
           00 0e
           01 83416461
           02 c906 02 8161 826263
           03 c702 00ff
           04 c807 05 8141 06 c3d804
           07 c913 02 c807 05 8141 06 c3d804 c807 05 8142 06 c38101
           08 c5000000000000e03f
           09 c40000003f
           0a c2
           0b c809 0c c806 0d 827371 0e 08
        """

    @Test(arguments: [
        ("01 00 00", "0"), ("01 00 01", "-1"), ("01 00 7e", "63"), ("01 00 7f", "-64"), ("01 00 c38001", "64"),
        ("01 00 c38101", "-65"), ("01 00 c3d804", "300"),
        ("01 00 c3feffffffffffffffff01", "9223372036854775807"),
        ("01 00 c3ffffffffffffffffff01", "-9223372036854775808"),
        ("01 00 c3feffffffffffffffff03", "18446744073709551615"),
        ("01 00 c3feffffffffffffffffffffffffffffffffff07", "340282366920938463463374607431768211455"),
        ("01 00 c3ffffffffffffffffffffffffffffffffffff03", "-170141183460469231731687303715884105728"),
        ("01 00 c0", "null"), ("01 00 c1", "false"), ("01 00 c2", "true"),
        ("01 00 c4 0000c03f", "1.5"), ("01 00 c5 000000000000f83f", "1.5"),
        ("01 00 c4 0000c07f", #"{"$number":"nan"}"#),
        ("01 00 c5 000000000000f0ff", #"{"$number":"-inf"}"#),
        ("01 00 80", #""""#), ("01 00 83 616263", #""abc""#), ("01 00 82 c3a9", #""é""#), ("01 00 c6 01 61", #""a""#),
        ("01 00 c7 00", #"{"$bytes":""}"#), ("01 00 c7 01 ff", #"{"$bytes":"/w=="}"#),
        ("01 00 c7 02 ffff", #"{"$bytes":"//8="}"#), ("01 00 c7 03 010203", #"{"$bytes":"AQID"}"#),
        ("01 00 c8 00", "{}"), ("01 02 0161 00 c8 06 00 02 01 82 6869", #"{"a":1,"":"hi"}"#),
        ("01 00 c9 01 00", "[]"), ("01 00 c9 06 03 02 c0 c9 01 00", "[1,null,[]]"),
        ("01 00 ca 03 312e30", "1.0"),
    ])
    func eachKindOfValueReads(hex: String, json: String) throws {
        #expect(try StateExport.jsonValue(of: bytes(hex)).text == json)
        // Whoever reads it as JSON gets the same, but for what JSON has no word for.
        guard !json.contains("$") else { return }
        #expect(try StateDecoder.decode(JSONValue.self, from: bytes(hex)).text == json)
    }

    @Test(arguments: ["", "00", "01", "02 00 00", "ff", "00 00 00"])
    func anotherFormatIsToldFromDamage(hex: String) throws {
        do {
            _ = try StateDecoder.decode(Int.self, from: bytes(hex))
            Issue.record("what has no known format was decoded")
        } catch let error as StateEncodingError {
            #expect(error.code == (hex.hasPrefix("02") || hex.hasPrefix("ff") ? .newerFormat : .malformed))
        }
    }

    @Test(arguments: [
        "01 00 00 00",  // bytes behind the value
        "01 01 00 c8 02 01 00",  // a name without an entry
        "01 01 0161 c8 04 00 02 00 04",  // a name twice
        "01 01 0161 c8 03 00 02 00",  // a member without a value
        "01 01 0161 c8 02 00 83",  // a string beyond its container
        "01 05 0161 c0",  // more names than there are
        "01 00 c9 02 05 00",  // more elements than bytes
        "01 00 c9 03 01 00 00",  // fewer elements than bytes
        "01 00 c9 02 00 00",  // an element in an empty container
        "01 00 c8 05",  // longer than what is there
        "01 00 cb", "01 00 ff",  // no value begins so
        "01 00 81 ff",  // no UTF-8
        "01 00 c6 8080808080 01",  // too long a length
        "01 00 ca 02 3031",  // no number
        "01 00 c3ffffffffffffffffffffffffffffffffffff07",  // less than the least Int128
        "01 00 c3feffffffffffffffffffffffffffffffffff0f",  // more than 128 bits
        "01 00 c3feffffffffffffffffffffffffffffffffffff01",  // twenty bytes
    ])
    func damageIsRefused(hex: String) {
        do {
            _ = try StateExport.jsonValue(of: bytes(hex))
            Issue.record("damaged bytes were read")
        } catch {
            #expect(error.code == .malformed)
        }
        for type in [JSONValue.self, [String: Int].self, [Int].self, String.self, Nothing.self] as [any Decodable.Type]
        {
            do {
                _ = try StateDecoder.decode(type, from: bytes(hex))
                // Some types look at no more than the first byte.
                #expect(type is Nothing.Type)
            } catch {
                #expect(error is StateEncodingError || error is DecodingError)
            }
        }
    }

    @Test func aStructureIsWrittenAndReadJustSo() throws {
        let expected = bytes(Self.sample)
        let encoded = try StateEncoder.encode(Sample())
        #expect(hex(encoded) == hex(expected))
        #expect(try StateDecoder.decode(Sample.self, from: expected) == Sample())
    }

    /// The example of `docs/formats/state-encoding.md`.
    @Test func theExampleOfTheDocumentIsTrue() throws {
        struct Example: Encodable {
            enum CodingKeys: CodingKey { case id, tags, limit }
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(7, forKey: .id)
                try container.encode(["a", "bc"], forKey: .tags)
                try container.encodeNil(forKey: .limit)
            }
        }
        let expected = "0103026964047461677305 6c696d6974 c80d 000e 01c9060281618262 63 02c0"
        #expect(hex(try StateEncoder.encode(Example())) == hex(bytes(expected)))
    }
}
