import Foundation
import Testing
import TorporEncoding
import TorporJSON
@testable import TorporTestSupport

/// What goes in comes out.
@Suite struct StateCodingTests {
    @Test func everyKindOfMemberComesBack() throws {
        let value = Everything()
        #expect(try roundTrip(value) == value)
    }

    @Test func superclassesAndInterleavedContainersComeBack() throws {
        let dog = try roundTrip(Dog(name: "Rex", tricks: ["sit", "roll"], age: 7))
        #expect(dog.name == "Rex")
        #expect(dog.tricks == ["sit", "roll"])
        #expect(dog.age == 7)
        let value = Interleaved(left: [1, 2, 3], right: ["a": 1, "b": 2, "c": 3, "d": 4], tail: 9)
        #expect(try roundTrip(value) == value)
    }

    @Test func integersOfEveryWidthComeBackAtTheirLimits() throws {
        func check<Integer: FixedWidthInteger & Codable>(_ type: Integer.Type) throws {
            var values: [Integer] = [.min, .min + 1, 0, 1, .max - 1, .max]
            for shift in 0..<Integer.bitWidth { values.append(1 << shift) }
            for shift in 0..<Integer.bitWidth { values.append(~(1 << shift)) }
            #expect(try roundTrip(values) == values)
            for value in values {
                #expect(try roundTrip(value) == value)
                #expect(try roundTrip(["key": value]) == ["key": value])
                #expect(try roundTrip([Optional(value), nil]) == [value, nil])
            }
        }
        try check(Int.self)
        try check(Int8.self)
        try check(Int16.self)
        try check(Int32.self)
        try check(Int64.self)
        try check(Int128.self)
        try check(UInt.self)
        try check(UInt8.self)
        try check(UInt16.self)
        try check(UInt32.self)
        try check(UInt64.self)
        try check(UInt128.self)
        let wide = Wide(signed: .min, unsigned: .max, list: [.max, -1])
        #expect(try roundTrip(wide) == wide)
    }

    @Test func everyBitOfAFloatIsKept() throws {
        let doubles = [
            0, -0.0, 1.5, .pi, .infinity, -.infinity, .nan, .signalingNaN, Double(nan: 77, signaling: false),
            .leastNonzeroMagnitude, .greatestFiniteMagnitude,
        ]
        #expect(try roundTrip(doubles).map(\.bitPattern) == doubles.map(\.bitPattern))
        for double in doubles { #expect(try roundTrip(double).bitPattern == double.bitPattern) }
        let floats = [0, -0.0, 0.1, .infinity, .nan, Float(nan: 5, signaling: true), .leastNonzeroMagnitude]
        #expect(try roundTrip(floats).map(\.bitPattern) == floats.map(\.bitPattern))
        for float in floats { #expect(try roundTrip(["f": float])["f"]?.bitPattern == float.bitPattern) }
    }

    @Test(arguments: [0, 1, 2, 14, 15, 16, 62, 63, 64, 127, 128, 129, 16_383, 16_384, 70_000])
    func textBytesAndListsOfAnyLengthComeBack(count: Int) throws {
        let text = String(repeating: "x", count: count)
        #expect(try roundTrip(text) == text)
        let wide = String(repeating: "é", count: count)
        #expect(try roundTrip([wide]) == [wide])
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try roundTrip(bytes) == bytes)
        #expect(try roundTrip(Data(bytes)) == Data(bytes))
        let integers = (0..<count).map { $0 * 1_000 }
        #expect(try roundTrip(integers) == integers)
        let lists = (0..<min(count, 300)).map { [String($0)] }
        #expect(try roundTrip(lists) == lists)
    }

    @Test func bytesAreStoredAsOneRunHoweverTheyAreEncoded() throws {
        let bytes: [UInt8] = [0, 127, 128, 255]
        let run = [1, 0, 0xC7, 4] + bytes
        #expect(try StateEncoder.encode(bytes) == run)
        #expect(try StateEncoder.encode(Data(bytes)) == run)
        #expect(try StateEncoder.encode(ContiguousArray(bytes)) == run)
        #expect(try StateDecoder.decode(Data.self, from: run) == Data(bytes))
        #expect(try StateDecoder.decode([Int].self, from: run) == [0, 127, 128, 255])
        #expect(try StateDecoder.decode([UInt8?].self, from: run) == bytes)
        #expect(try StateDecoder.decode(Set<Int>.self, from: run) == [0, 127, 128, 255])
        let integers = try StateEncoder.encode([0, 127, 128, 255])
        #expect(try StateDecoder.decode([UInt8].self, from: integers) == bytes)
        #expect(try StateDecoder.decode(Data.self, from: integers) == Data(bytes))
    }

    @Test func bytesFollowedByAnotherElementBecomeAList() throws {
        struct Mixed: Codable, Equatable {
            var bytes: [UInt8]
            var text: String

            init(bytes: [UInt8], text: String) {
                self.bytes = bytes
                self.text = text
            }

            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                let count = container.count ?? 0
                self.bytes = []
                while container.currentIndex < count - 1 { self.bytes.append(try container.decode(UInt8.self)) }
                self.text = try container.decode(String.self)
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(contentsOf: self.bytes)
                try container.encode(self.text)
            }
        }
        for count in [0, 1, 130] {
            let value = Mixed(bytes: (0..<count).map { UInt8($0) }, text: "end")
            #expect(try roundTrip(value) == value)
        }
    }

    @Test func whatFoundationEncodesComesBack() throws {
        let date = Date(timeIntervalSinceReferenceDate: 123.456)
        #expect(try roundTrip(date) == date)
        let id = UUID()
        #expect(try roundTrip(id) == id)
        let url = try #require(URL(string: "https://example.org/a?b=c"))
        #expect(try roundTrip(url) == url)
        #expect(try roundTrip(Decimal(string: "1.10")) == Decimal(string: "1.10"))
    }

    @Test func jsonComesBackWithItsNumbersAsTheyWereWritten() throws {
        let text = #"{"a":[1,1.0,-0,1e5,0.1,123456789012345678901234567890,1e999,null,true],"b":{"":"é"},"c":{}}"#
        let value = try JSONValue(parsing: text)
        #expect(try roundTrip(value).text == text)
        #expect(try roundTrip([value]).map(\.text) == [text])
        // Of two members with one name the last counts, as everywhere.
        let twice = try JSONValue(parsing: #"[{"a":1,"b":2,"a":[3]}]"#)
        #expect(try roundTrip(twice).text == #"[{"b":2,"a":[3]}]"#)
        guard case .object(let object) = value else { return }
        #expect(try roundTrip(object) == object)
        #expect(try roundTrip(JSONNumber(text: "1.50")) == JSONNumber(text: "1.50"))
    }

    @Test func dictionariesOfAnySizeComeBack() throws {
        for count in [0, 1, 16, 17, 64, 65, 1_000] {
            let byName = Dictionary(uniqueKeysWithValues: (0..<count).map { ("key \($0)", $0) })
            #expect(try roundTrip(byName) == byName)
            let byNumber = Dictionary(uniqueKeysWithValues: (0..<count).map { ($0 - 5, ["\($0)"]) })
            #expect(try roundTrip(byNumber) == byNumber)
            let nested = ["a": byName, "b": byName]
            #expect(try roundTrip(nested) == nested)
        }
        let colors = [Color.red: 1, .green: 2]
        #expect(try roundTrip(colors) == colors)
    }

    @Test func namesDifferWhenTheirBytesDo() throws {
        struct Twins: Codable, Equatable {
            var composed = 1
            var decomposed = 2
            enum CodingKeys: String, CodingKey {
                case composed = "\u{E9}"
                case decomposed = "e\u{301}"
            }
        }
        #expect(try roundTrip(Twins()) == Twins())
    }

    @Test func ofAKeyEncodedTwiceTheLastValueCounts() throws {
        struct Twice: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: AnyName.self)
                try container.encode(1, forKey: AnyName("a"))
                try container.encode("between", forKey: AnyName("b"))
                try container.encode(2, forKey: AnyName("a"))
            }
        }
        #expect(
            try StateExport.jsonValue(of: try StateEncoder.encode([Twice()])) == [["b": "between", "a": 2]])
    }

    @Test func anElementThatFailsToEncodeLeavesNothing() throws {
        struct Failing: Encodable {
            struct Failure: Error {}
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: AnyName.self)
                try container.encode(1, forKey: AnyName("a"))
                var nested = container.nestedUnkeyedContainer(forKey: AnyName("b"))
                try nested.encode(2)
                throw Failure()
            }
        }
        struct Tolerant: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(1)
                #expect(throws: Failing.Failure.self) { try container.encode(Failing()) }
                try container.encode(3)
            }
        }
        #expect(try StateExport.jsonValue(of: try StateEncoder.encode(Tolerant())) == [1, 3])
    }

    @Test func aValueThatEncodesNothingComesBack() throws {
        #expect(try roundTrip([Nothing(), Nothing()]) == [Nothing(), Nothing()])
    }

    @Test func aPathIsKnownWhileEncoding() throws {
        struct Witness: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                try container.encode(encoder.codingPath.map(\.stringValue).joined(separator: "/"))
            }
        }
        let encoded = try StateEncoder.encode(["list": [[Witness()], [Witness(), Witness()]]])
        #expect(
            try StateDecoder.decode([String: [[String]]].self, from: encoded)
                == ["list": [["list/Index 0/Index 0"], ["list/Index 1/Index 0", "list/Index 1/Index 1"]]])
    }

    // MARK: Limits

    /// Lists in lists.
    private struct Deep: Codable {
        var depth: Int
        init(_ depth: Int) { self.depth = depth }

        init(from decoder: any Decoder) throws {
            var container = try decoder.unkeyedContainer()
            self.depth = container.isAtEnd ? 1 : try container.decode(Deep.self).depth + 1
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.unkeyedContainer()
            if self.depth > 1 { try container.encode(Deep(self.depth - 1)) }
        }
    }

    @Test func containersNestAsDeepAsTheLimitAndNoDeeper() throws {
        let encoded = try StateEncoder.encode(Deep(StateFormat.depthMax))
        #expect(try StateDecoder.decode(Deep.self, from: encoded).depth == StateFormat.depthMax)
        #expect(throws: StateEncodingError.self) { try StateEncoder.encode(Deep(StateFormat.depthMax + 1)) }
        do {
            _ = try StateEncoder.encode(Deep(100_000))
            Issue.record("too deep a value was encoded")
        } catch let error as StateEncodingError {
            #expect(error.code == .tooDeep)
        }
        // One list more around it: its length takes two bytes.
        let inner = Array(encoded.dropFirst(2))
        let length = UInt8(truncatingIfNeeded: (inner.count + 1) & 0x7F | 0x80)
        let deeper = [1, 0, 0xC9, length, UInt8((inner.count + 1) >> 7), 1] + inner
        do {
            _ = try StateDecoder.decode(Deep.self, from: deeper)
            Issue.record("too deep a value was decoded")
        } catch let error as StateEncodingError {
            #expect(error.code == .tooDeep)
        }
        #expect(throws: StateEncodingError.self) { try StateExport.jsonValue(of: deeper) }
    }

    @Test func anEncodingIsAsLargeAsItMayBeAndNoLarger() throws {
        let value = Everything()
        let count = try StateEncoder.encode(value).count
        #expect(try StateEncoder.encode(value, sizeMax: count).count == count)
        do {
            _ = try StateEncoder.encode(value, sizeMax: count - 1)
            Issue.record("too large a value was encoded")
        } catch let error as StateEncodingError {
            #expect(error.code == .tooLarge)
        }
    }
}
