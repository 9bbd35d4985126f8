import Foundation
import Testing
import TorporJSON
@testable import TorporTestSupport

@Suite struct JSONBytesEncoderTests {
    private func encoded(_ value: some Encodable) throws -> String {
        text(try JSONBytesEncoder.encode(value))
    }

    private func expectSameAsFoundation<Value: Codable & Equatable>(_ value: Value) throws {
        let ours = try JSONBytesEncoder.encode(value)
        #expect(try scan(ours) == 0..<ours.count)
        #expect(try JSONDecoder().decode(Value.self, from: Data(ours)) == value)
        #expect(try JSONBytesDecoder.decode(Value.self, from: ours) == value)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .withoutEscapingSlashes]
        let theirs = Array(try encoder.encode(value))
        #expect(try JSONBytesDecoder.decode(Value.self, from: theirs) == value)
        // Apart from order both wrote the same; numbers are compared by value.
        #expect(try self.normalized(JSONValue(parsing: ours)) == self.normalized(JSONValue(parsing: theirs)))
    }

    private func normalized(_ value: JSONValue) -> JSONValue {
        switch value {
        case .number(let number): number.double.flatMap { JSONNumber($0) }.map { .number($0) } ?? value
        case .array(let elements): .array(elements.map { self.normalized($0) })
        case .object(let object):
            .object(JSONObject(object.members.map { .init(name: $0.name, value: self.normalized($0.value)) }))
        case .null, .bool, .string: value
        }
    }

    @Test func everyKindOfPropertyIsEncodedAsFoundationDoes() throws {
        try self.expectSameAsFoundation(Everything())
        try self.expectSameAsFoundation([Everything(), Everything()])
        try self.expectSameAsFoundation(["a": Everything()])
    }

    @Test func scalarsAreEncodedAtTheTop() throws {
        try self.expectSameAsFoundation(5)
        try self.expectSameAsFoundation("text")
        try self.expectSameAsFoundation(true)
        try self.expectSameAsFoundation(Double.pi)
        try self.expectSameAsFoundation(Float(0.1))
        try self.expectSameAsFoundation(Color.red)
        try self.expectSameAsFoundation([Int]())
        try self.expectSameAsFoundation([String: Int]())
        #expect(try self.encoded(Int?.none) == "null")
    }

    @Test func membersKeepTheOrderInWhichTheyWereEncoded() throws {
        struct Ordered: Encodable { var z = 1, a = "x", m = [true], nothing: Int? = nil, last = 0.5 }
        #expect(try self.encoded(Ordered()) == #"{"z":1,"a":"x","m":[true],"last":0.5}"#)
    }

    @Test func superEncodersAndNestedContainersMayBeWrittenByTurns() throws {
        let dog = Dog(name: "Rex", tricks: ["sit"], age: 3)
        #expect(try self.encoded(dog) == #"{"tricks":["sit"],"super":{"name":"Rex"},"base":{"name":"Rex"},"age":3}"#)
        let back = try JSONBytesDecoder.decode(Dog.self, from: JSONBytesEncoder.encode([dog].first))
        #expect(back.name == "Rex" && back.tricks == ["sit"] && back.age == 3)

        let interleaved = Interleaved(left: [1, 2, 3], right: ["a": 1, "b": 2], tail: 9)
        #expect(
            try self.encoded(interleaved)
                == #"{"left":[1,2,3],"right":{"a":1,"b":2},"deep":[[{"nothing":null}],null],"tail":9}"#)
        try self.expectSameAsFoundation(interleaved)
        try self.expectSameAsFoundation(["x": [interleaved, interleaved]])
    }

    @Test func aValueThatEncodesNothingIsAnEmptyObject() throws {
        #expect(try self.encoded(Nothing()) == "{}")
        #expect(try self.encoded([Nothing(), Nothing()]) == "[{},{}]")
        #expect(try self.encoded(["a": Nothing()]) == #"{"a":{}}"#)
        struct Unused: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                _ = container.superEncoder()
                _ = container.nestedUnkeyedContainer()
                try container.encode(1)
            }
        }
        #expect(try self.encoded(Unused()) == "[{},[],1]")
    }

    @Test func theWriterIsContinuedWithItsCommas() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("a")
        try JSONBytesEncoder.encode([1], into: &writer)
        writer.key("b")
        try JSONBytesEncoder.encode(Interleaved(left: [1], right: [:], tail: 2), into: &writer)
        writer.key("c")
        try JSONBytesEncoder.encode("x", into: &writer)
        writer.endObject()
        #expect(
            text(writer.bytes)
                == #"{"a":[1],"b":{"left":[1],"right":{},"deep":[[{"nothing":null}],null],"tail":2},"c":"x"}"#)
    }

    private struct Failing: Encodable {
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: AnyName.self)
            try container.encode("written", forKey: AnyName("before"))
            var nested = container.nestedUnkeyedContainer(forKey: AnyName("nested"))
            try nested.encode(1)
            try container.encode([1.5, Double.nan], forKey: AnyName("numbers"))
        }
    }

    @Test func aFailureLeavesTheWriterAsItWas() throws {
        var writer = JSONWriter()
        writer.beginArray()
        writer.integer(1)
        #expect(throws: EncodingError.self) { try JSONBytesEncoder.encode(Failing(), into: &writer) }
        try JSONBytesEncoder.encode(2, into: &writer)
        writer.endArray()
        #expect(text(writer.bytes) == "[1,2]")
    }

    @Test func aFailureThatTheTypeSurvivesLeavesNoTrace() throws {
        struct Surviving: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: AnyName.self)
                try container.encode(1, forKey: AnyName("a"))
                #expect(throws: EncodingError.self) { try container.encode(Failing(), forKey: AnyName("b")) }
                #expect(throws: EncodingError.self) { try container.encode(Double.infinity, forKey: AnyName("c")) }
                var list = container.nestedUnkeyedContainer(forKey: AnyName("list"))
                #expect(throws: EncodingError.self) { try list.encode(Failing()) }
                #expect(list.count == 0)
                try list.encode(2)
                #expect(list.count == 1)
                try container.encode(Single(), forKey: AnyName("d"))
            }
        }
        struct Single: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                #expect(throws: EncodingError.self) { try container.encode(Failing()) }
                try container.encode("instead")
            }
        }
        #expect(try self.encoded(Surviving()) == #"{"a":1,"list":[2],"d":"instead"}"#)
    }

    @Test func aNumberThatJSONDoesNotKnowIsRefusedWithItsPath() throws {
        let error = try #require(throws: EncodingError.self) { try JSONBytesEncoder.encode(["a": [["b": Double.nan]]]) }
        guard case .invalidValue(_, let context) = error else { throw error }
        #expect(context.codingPath.map(\.stringValue) == ["a", "Index 0", "b"])
        #expect(throws: EncodingError.self) { try JSONBytesEncoder.encode(Float.infinity) }
    }

    @Test func userInfoReachesEveryLevel() throws {
        struct Reader: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                let key = try #require(CodingUserInfoKey(rawValue: "word"))
                try container.encode(encoder.userInfo[key] as? String)
            }
        }
        let key = try #require(CodingUserInfoKey(rawValue: "word"))
        #expect(text(try JSONBytesEncoder.encode([["a": Reader()]], userInfo: [key: "hi"])) == #"[{"a":"hi"}]"#)
    }

    @Test func wideIntegersAreWhole() throws {
        let wide = Wide(signed: .min, unsigned: .max, list: [.max, 0, -1])
        let bytes = try JSONBytesEncoder.encode(wide)
        #expect(text(bytes).contains("340282366920938463463374607431768211455"))
        #expect(try JSONBytesDecoder.decode(Wide.self, from: bytes) == wide)
    }

    @Test func aContainerUsedTooLateStopsTheProcess() async {
        await #expect(processExitsWith: .failure) {
            struct Leak: Encodable {
                let keep: (KeyedEncodingContainer<AnyName>) -> Void
                func encode(to encoder: any Encoder) throws { self.keep(encoder.container(keyedBy: AnyName.self)) }
            }
            var kept: KeyedEncodingContainer<AnyName>?
            _ = try JSONBytesEncoder.encode(Leak { kept = $0 })
            try kept?.encode(1, forKey: AnyName("late"))
        }
    }
}
