import Testing
import TorporEncoding
import TorporJSON
@testable import TorporTestSupport

/// What was stored is read after its type has changed.
@Suite struct StateEvolutionTests {
    private struct Old: Codable {
        var name = "Ada"
        var count = 3
        var unused = [["x": 1]]
        var inner = OldInner()
    }
    private struct OldInner: Codable { var kept = true }

    private struct New: Codable, Equatable {
        var added = "declared"
        var inner = NewInner()
        var name = ""
        var note: String? = "declared, too"
        var more = NewInner()
        var count = 0
        var flags: [Bool] = [true]
    }
    private struct NewInner: Codable, Equatable {
        var kept = false
        var limit = 10
        var optional: Int? = 5
    }

    @Test func absentFieldsAreNilOrTakenFromTheDeclaredDefaults() throws {
        let stored = try StateEncoder.encode(Old())
        let defaults = try StateEncoder.encode(New())
        var expected = New()
        expected.name = "Ada"
        expected.count = 3
        expected.note = nil
        expected.inner = NewInner(kept: true, limit: 10, optional: nil)
        #expect(try StateDecoder.decode(New.self, from: stored, defaults: defaults) == expected)
    }

    @Test func anAbsentFieldWithoutADefaultIsNamedWithItsPath() throws {
        let stored = try StateEncoder.encode(["inner": [Old()]])
        do {
            _ = try StateDecoder.decode([String: [New]].self, from: stored)
            Issue.record("a value without a required field was decoded")
        } catch DecodingError.keyNotFound(let key, let context) {
            #expect(key.stringValue == "added")
            #expect(context.codingPath.map(\.stringValue) == ["inner", "Index 0"])
        }
    }

    private struct Item: StateDefaults, Equatable {
        var sku = ""
        var count = 1
        var part = Part()
    }
    private struct Part: StateDefaults, Equatable {
        var weight = 0.5
        var label: String? = "new"
    }
    private struct Box: Codable, Equatable {
        var items: [Item]
        var byName: [String: Item]
    }

    @Test func elementsOfCollectionsTakeAbsentFieldsFromTheirType() throws {
        struct OldItem: Codable { var sku: String }
        struct OldBox: Codable {
            var items: [OldItem]
            var byName: [String: OldItem]
        }
        let old = OldBox(items: [OldItem(sku: "a"), OldItem(sku: "b")], byName: ["c": OldItem(sku: "c")])
        let box = try StateDecoder.decode(Box.self, from: try StateEncoder.encode(old))
        let part = Part()
        #expect(
            box
                == Box(
                    items: [Item(sku: "a", count: 1, part: part), Item(sku: "b", count: 1, part: part)],
                    byName: ["c": Item(sku: "c", count: 1, part: part)]))
    }

    @Test func anAbsentFieldInsideAnElementIsThatOfItsOwnType() throws {
        struct OldPart: Codable { var label = "old" }
        struct OldItem: Codable {
            var sku = "a"
            var count = 7
            var part = OldPart()
        }
        let items = try StateDecoder.decode([Item].self, from: try StateEncoder.encode([OldItem(), OldItem()]))
        let item = Item(sku: "a", count: 7, part: Part(weight: 0.5, label: "old"))
        #expect(items == [item, item])
    }

    @Test func theDeclaredDefaultGoesBeforeThatOfTheType() throws {
        struct State: Codable, Equatable { var item = Item(sku: "declared", count: 99) }
        let stored = try StateEncoder.encode(["item": ["sku": "stored"]])
        let defaults = try StateEncoder.encode(State())
        let state = try StateDecoder.decode(State.self, from: stored, defaults: defaults)
        #expect(state == State(item: Item(sku: "stored", count: 99)))
        #expect(
            try StateDecoder.decode(State.self, from: stored) == State(item: Item(sku: "stored", count: 1)))
    }

    @Test func aSingleValueInsideAnotherTypeKeepsTheDefaultsOfBoth() throws {
        struct Wrapper: StateDefaults, Equatable {
            var item = Item()
            var outer = "outer"
            enum CodingKeys: CodingKey { case outer }
            init() {}
            init(item: Item, outer: String) {
                self.item = item
                self.outer = outer
            }
            init(from decoder: any Decoder) throws {
                self.item = try decoder.singleValueContainer().decode(Item.self)
                self.outer = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .outer)
            }
            func encode(to encoder: any Encoder) throws {
                try self.item.encode(to: encoder)
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(self.outer, forKey: .outer)
            }
        }
        let stored = try StateEncoder.encode([["sku": "a"]])
        #expect(
            try StateDecoder.decode([Wrapper].self, from: stored) == [Wrapper(item: Item(sku: "a"), outer: "outer")])
    }

    @Test func numbersAreReadAsOtherTypesThatHoldThem() throws {
        let integers = try StateEncoder.encode([1, -2, 300])
        #expect(try StateDecoder.decode([Double].self, from: integers) == [1, -2, 300])
        #expect(try StateDecoder.decode([Float].self, from: integers) == [1, -2, 300])
        #expect(try StateDecoder.decode([Int16].self, from: integers) == [1, -2, 300])
        #expect(throws: DecodingError.self) { try StateDecoder.decode([Int8].self, from: integers) }
        #expect(throws: DecodingError.self) { try StateDecoder.decode([UInt].self, from: integers) }
        let large = try StateEncoder.encode(UInt128.max)
        #expect(throws: DecodingError.self) { try StateDecoder.decode(Double.self, from: large) }
        #expect(throws: DecodingError.self) { try StateDecoder.decode(Int128.self, from: large) }
        #expect(try StateDecoder.decode(Double.self, from: try StateEncoder.encode(UInt128(1) << 127)) == 0x1p127)
        let floats = try StateEncoder.encode([Float(0.5), .nan])
        #expect(try StateDecoder.decode([Double].self, from: floats)[0] == 0.5)
        #expect(try StateDecoder.decode([Double].self, from: floats)[1].isNaN)
        #expect(throws: DecodingError.self) {
            try StateDecoder.decode(Float.self, from: try StateEncoder.encode(0.1))
        }
        #expect(throws: DecodingError.self) { try StateDecoder.decode(Int.self, from: try StateEncoder.encode(1.0)) }
    }

    @Test func aValueOfAnotherKindIsNamedWithItsPath() throws {
        let stored = try StateEncoder.encode(["a": [["b": 1], ["b": 2]]])
        do {
            _ = try StateDecoder.decode([String: [[String: String]]].self, from: stored)
            Issue.record("an integer was taken for a string")
        } catch DecodingError.typeMismatch(_, let context) {
            #expect(context.codingPath.map(\.stringValue) == ["a", "Index 0", "b"])
            #expect(context.debugDescription == "expected a string, found an integer")
        }
        do {
            _ = try StateDecoder.decode([String: Int].self, from: try StateEncoder.encode(["a": Int?.none]))
            Issue.record("nil was taken for an integer")
        } catch DecodingError.valueNotFound(_, let context) {
            #expect(context.codingPath.map(\.stringValue) == ["a"])
        }
    }

    @Test func membersOfALargeContainerAreFoundInAnyOrder() throws {
        struct Scattered: Decodable {
            var sum = 0
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: AnyName.self)
                for index in (0..<2_000).reversed() {
                    self.sum += try container.decode(Int.self, forKey: AnyName("key \(index * 7 % 2_000)"))
                    let absent = try container.decodeIfPresent(Int.self, forKey: AnyName("none \(index)"))
                    #expect(absent == nil)
                }
                #expect(throws: DecodingError.self) { try container.decode(String.self, forKey: AnyName("key 5")) }
            }
        }
        let stored = try StateEncoder.encode(
            Dictionary(uniqueKeysWithValues: (0..<2_000).map { ("key \($0)", $0) }))
        #expect(try StateDecoder.decode(Scattered.self, from: stored).sum == 1_999_000)
    }

    @Test func aDecoderThatIsKeptReadsNothingAfterwards() throws {
        final class Keeper: Decodable {
            let decoder: any Decoder
            init(from decoder: any Decoder) throws { self.decoder = decoder }
        }
        let keeper = try StateDecoder.decode(Keeper.self, from: try StateEncoder.encode(["a": 1]))
        #expect(throws: StateEncodingError.self) { try keeper.decoder.container(keyedBy: AnyName.self) }
        #expect(keeper.decoder.codingPath.isEmpty)
    }
}
