import Foundation
import Testing
import TorporJSON
@testable import TorporTestSupport

@Suite struct JSONBytesDecoderTests {
    private struct Echo: Codable, Equatable { var message: String }
    private struct Numbers: Codable, Equatable { var small: Int8?; var list: [UInt]?; var ratio: Double? }

    private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        try JSONBytesDecoder.decode(type, from: Array(text.utf8))
    }

    /// What went wrong, where, and what the error says.
    private func failure<T: Decodable>(_ type: T.Type, _ text: String) -> (kind: String, path: String, message: String)?
    {
        do {
            _ = try self.decode(type, text)
            return nil
        } catch let error as DecodingError {
            let (kind, context): (String, DecodingError.Context) =
                switch error {
                case .typeMismatch(_, let context): ("typeMismatch", context)
                case .valueNotFound(_, let context): ("valueNotFound", context)
                case .keyNotFound(_, let context): ("keyNotFound", context)
                case .dataCorrupted(let context): ("dataCorrupted", context)
                @unknown default: ("unknown", DecodingError.Context(codingPath: [], debugDescription: ""))
                }
            return (kind, context.codingPath.map(\.stringValue).joined(separator: "."), context.debugDescription)
        } catch {
            return ("\(error)", "", "")
        }
    }

    @Test func aValueIsDecodedWhereverItStands() throws {
        let bytes = Array(#"{"params": {"message":"hel\u006co"} }"#.utf8)
        #expect(try JSONBytesDecoder.decode(Echo.self, from: bytes, in: 11..<35) == Echo(message: "hello"))
    }

    @Test func everyKindOfPropertyIsDecoded() throws {
        let data = try JSONEncoder().encode(Everything())
        #expect(try JSONBytesDecoder.decode(Everything.self, from: Array(data)) == Everything())
    }

    @Test func anUnreadableTextIsReportedAsSuch() {
        #expect(throws: JSONError(.trailingBytes, at: 2)) { try self.decode(Echo.self, "{}{}") }
    }

    @Test func whatIsWrongIsToldInWords() throws {
        let wrongType = try #require(self.failure(Echo.self, #"{"message":5}"#))
        #expect(wrongType == ("typeMismatch", "message", "expected a string, found a number"))
        let null = try #require(self.failure(Echo.self, #"{"message":null}"#))
        #expect(null == ("valueNotFound", "message", "expected a string, found null"))
        let missing = try #require(self.failure(Echo.self, #"{"text":"x"}"#))
        #expect(missing == ("keyNotFound", "", #"the required member "message" is missing"#))
        let noObject = try #require(self.failure([String: Echo].self, #"{"a":[]}"#))
        #expect(noObject == ("typeMismatch", "a", "expected an object, found an array"))
        let noArray = try #require(self.failure(Numbers.self, #"{"list":{}}"#))
        #expect(noArray == ("typeMismatch", "list", "expected an array, found an object"))
        let noNumber = try #require(self.failure(Numbers.self, #"{"ratio":"1"}"#))
        #expect(noNumber == ("typeMismatch", "ratio", "expected a number, found a string"))
        let notBool = try #require(self.failure([Bool].self, "[true,1]"))
        #expect(notBool == ("typeMismatch", "Index 1", "expected true or false, found a number"))
        let range = try #require(self.failure(Numbers.self, #"{"small":128}"#))
        #expect(
            range == (
                "dataCorrupted", "small",
                "expected an integer from -128 to 127, found a number with a fraction or out of range"
            ))
        let deep = try #require(self.failure([[String: [Echo]]].self, #"[{"k":[{"message":"a"},{"message":true}]}]"#))
        #expect(deep == ("typeMismatch", "Index 0.k.Index 1.message", "expected a string, found true"))
        let huge = try #require(self.failure([Double].self, "[1e999]"))
        #expect(
            huge == ("dataCorrupted", "Index 0", "expected a number that fits a 64-bit float, found one out of range"))
    }

    @Test func integersMustBeExactAndFit() throws {
        #expect(try self.decode([Int].self, "[1.0,1e2,-5,12.50e1]") == [1, 100, -5, 125])
        #expect(self.failure([Int].self, "[1.5]")?.kind == "dataCorrupted")
        #expect(self.failure([UInt].self, "[-1]")?.kind == "dataCorrupted")
        #expect(self.failure([UInt8].self, "[256]")?.kind == "dataCorrupted")
        #expect(self.failure([Int].self, "[9223372036854775808]")?.kind == "dataCorrupted")
        #expect(self.failure([Int].self, #"["1"]"#)?.kind == "typeMismatch")
        #expect(self.failure([Int].self, "[true]")?.kind == "typeMismatch")
    }

    @Test func floatsTakeAnyNumberInRange() throws {
        #expect(
            try self.decode([Double].self, "[1,-0.5,1e2,12345678901234567890]") == [
                1, -0.5, 100, 12_345_678_901_234_567_168,
            ])
        #expect(try self.decode([Float].self, "[0.1,16777217]") == [0.1, 16_777_216])
        #expect(self.failure([Float].self, "[1e39]")?.kind == "dataCorrupted")
    }

    @Test func optionalsTakeNullAndAbsence() throws {
        #expect(try self.decode(Numbers.self, "{}") == Numbers())
        #expect(try self.decode(Numbers.self, #"{"small":null,"list":null,"ratio":null}"#) == Numbers())
        #expect(try self.decode([Int?].self, "[null,1]") == [nil, 1])
        #expect(try self.decode(Int?.self, "null") == nil)
        #expect(try self.decode([[Int?]?].self, "[null,[null,2]]") == [nil, [nil, 2]])
    }

    @Test func theLastOfEqualNamesCounts() throws {
        #expect(try self.decode(Echo.self, #"{"message":1,"message":"b"}"#) == Echo(message: "b"))
        #expect(try self.decode(Echo.self, #"{"message":"a","mess\u0061ge":"b"}"#) == Echo(message: "b"))
        #expect(try self.decode([String: Int].self, #"{"a":1,"b":2,"a":3}"#) == ["a": 3, "b": 2])
    }

    @Test(arguments: [0, 1, 15, 16, 17, 18, 1000])
    func objectsOfAnySizeAreFoundByName(_ count: Int) throws {
        let members = (0..<count).map { #""k\u0065y\#($0)":\#($0)"# } + [#""key0":-1"#]
        let expected = Dictionary((0..<count).map { ("key\($0)", $0) } + [("key0", -1)]) { $1 }
        #expect(try self.decode([String: Int].self, "{" + members.joined(separator: ",") + "}") == expected)
        struct Names: Decodable {
            var names: [String]
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: AnyName.self)
                self.names = container.allKeys.map(\.stringValue)
                #expect(!container.contains(AnyName("absent")))
                #expect(throws: DecodingError.self) { try container.decode(Int.self, forKey: AnyName("absent")) }
            }
        }
        let names = try self.decode(Names.self, "{" + members.joined(separator: ",") + "}").names
        #expect(names == (0..<count).dropFirst().map { "key\($0)" } + ["key0"])
    }

    @Test func namesAreNotNormalised() throws {
        let filler = (0..<20).map { ",\"\($0)\":0" }.joined()
        for rest in ["", filler] {
            struct Both: Decodable {
                var composed: Int
                var decomposed: Int
                private enum CodingKeys: String, CodingKey { case composed = "\u{E9}", decomposed = "e\u{301}x" }
            }
            let both = try self.decode(Both.self, "{\"e\u{301}\":1,\"\u{E9}\":2,\"\u{E9}x\":3,\"e\u{301}x\":4\(rest)}")
            #expect(both.composed == 2 && both.decomposed == 4)
        }
    }

    @Test func superDecodersAndNestedContainersAreWhole() throws {
        let dog = try self.decode(Dog.self, #"{"tricks":[],"super":{"name":"Rex"},"base":{"name":"Rex"},"age":3}"#)
        #expect(dog.name == "Rex")
        let missing = try #require(self.failure(Dog.self, #"{"tricks":[],"base":{},"age":3}"#))
        #expect(missing == ("keyNotFound", "", #"the required member "super" is missing"#))
        let nested = try #require(self.failure(Dog.self, #"{"tricks":[],"super":{"name":1},"age":3}"#))
        #expect(nested.path == "super.name")
        let value = try self.decode(
            Interleaved.self, #"{"deep":[[{"nothing":null}],null],"right":{"a":1},"left":[1,2],"tail":0}"#)
        #expect(value == Interleaved(left: [1, 2], right: ["a": 1], tail: 0))
    }

    @Test func anArrayIsReadInOrderAndAFailureDoesNotMoveOn() throws {
        struct Reader: Decodable {
            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                #expect(container.count == 4)
                #expect(try !container.decodeNil())
                #expect(throws: DecodingError.self) { try container.decode(String.self) }
                #expect(container.currentIndex == 0)
                #expect(try container.decode(Int.self) == 1)
                #expect(try container.decodeNil())
                #expect(try container.superDecoder().singleValueContainer().decode(String.self) == "x")
                var nested = try container.nestedUnkeyedContainer()
                #expect(nested.count == 0 && nested.isAtEnd)
                #expect(throws: DecodingError.self) { try nested.decode(Int.self) }
                #expect(container.isAtEnd && container.currentIndex == 4)
                #expect(throws: DecodingError.self) { try container.decodeNil() }
            }
        }
        _ = try self.decode(Reader.self, #"[ 1 , null,"x" ,[ ] ]"#)
    }

    @Test func userInfoReachesEveryLevel() throws {
        struct Reader: Decodable {
            var word: String?
            init(from decoder: any Decoder) throws {
                let key = try #require(CodingUserInfoKey(rawValue: "word"))
                self.word = decoder.userInfo[key] as? String
            }
        }
        let key = try #require(CodingUserInfoKey(rawValue: "word"))
        let readers = try JSONBytesDecoder.decode([[Reader]].self, from: Array("[[{}]]".utf8), userInfo: [key: "hi"])
        #expect(readers[0][0].word == "hi")
    }

    @Test func jsonValuesInsideOtherTypesKeepTheirText() throws {
        struct Call: Codable, Equatable {
            var name: String; var arguments: JSONObject; var extra: JSONValue?; var count: JSONNumber
        }
        let text = #"{"name":"x","arguments":{"b":1.0,"a":[1e2]},"extra":[null],"count":12345678901234567890}"#
        let call = try self.decode(Call.self, text)
        #expect(call.arguments["b"] == .number(try #require(JSONNumber(text: "1.0"))))
        #expect(String(decoding: try JSONBytesEncoder.encode(call), as: UTF8.self) == text)
        #expect(try self.decode(Call.self, #"{"name":"x","arguments":{},"extra":null,"count":1}"#).extra == nil)
        #expect(
            self.failure(Call.self, #"{"name":"x","arguments":[],"count":1}"#)?.message
                == "expected an object, found an array")
    }

    @Test func deepTextIsDecodedToTheLimitOfTheScanner() throws {
        indirect enum Tree: Decodable {
            case node(Tree?)
            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                self = .node(container.isAtEnd ? nil : try container.decode(Tree.self))
            }
        }
        let depth = JSONScanner.depthMaxLimit
        let bytes = Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        let range = try scan(bytes, depthMax: depth)
        var tree: Tree? = try JSONBytesDecoder.decode(Tree.self, from: bytes, in: range)
        var levels = 0
        while case .node(let inner) = tree {
            levels += 1
            tree = inner
        }
        #expect(levels == depth)
    }
}
