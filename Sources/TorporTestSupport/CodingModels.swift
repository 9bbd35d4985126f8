/// Types that use the coding API in every way synthesized and hand-written conformances do.

struct Everything: Codable, Equatable {
    var bool = true
    var int = -7
    var int8 = Int8.min
    var int16 = Int16.max
    var int32 = Int32.min
    var int64 = Int64.max
    var uint: UInt = 7
    var uint8 = UInt8.max
    var uint16 = UInt16.max
    var uint32 = UInt32.max
    var uint64 = UInt64.max
    var float: Float = 0.1
    var double = 1.25e-9
    var string = "quote \" backslash \\ newline \n é 日本語 😀 \u{1}"
    var missing: Int?
    var present: Int? = 1
    var list = [1, 2, 3]
    var nestedList = [["a"], [], ["b", "c"]]
    var optionals: [Int?] = [1, nil, 3]
    var dictionary = ["key": 1.5]
    var byNumber = [1: "one"]
    var color = Color.green
    var level = Level.high
    var shapes = [Shape.circle(radius: 1.5), .point, .named("square", sides: 4)]
    var doubleOptional: Int?? = .some(.some(5))
    var child = Child(name: "child", children: [Child(name: "grandchild", children: [])])
}

enum Color: String, Codable { case red, green }
enum Level: Int, Codable { case low = 1, high = 10 }

enum Shape: Codable, Equatable {
    case circle(radius: Double)
    case point
    case named(String, sides: Int)
}

struct Child: Codable, Equatable {
    var name: String
    var children: [Child]
}

class Animal: Codable {
    var name: String
    init(name: String) { self.name = name }
}

/// Encodes its superclass through a super encoder, between its own members.
final class Dog: Animal {
    var tricks: [String]
    var age: Int

    private enum CodingKeys: String, CodingKey { case tricks, age, base }

    init(name: String, tricks: [String], age: Int) {
        self.tricks = tricks
        self.age = age
        super.init(name: name)
    }

    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.tricks = try container.decode([String].self, forKey: .tricks)
        self.age = try container.decode(Int.self, forKey: .age)
        try super.init(from: container.superDecoder())
        _ = try Animal(from: container.superDecoder(forKey: .base))
    }

    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(self.tricks, forKey: .tricks)
        let first = container.superEncoder()
        let second = container.superEncoder(forKey: .base)
        try container.encode(self.age, forKey: .age)
        try super.encode(to: second)
        try super.encode(to: first)
    }
}

/// Writes into several nested containers by turns.
struct Interleaved: Codable, Equatable {
    var left: [Int]
    var right: [String: Int]
    var tail: Int

    private enum CodingKeys: String, CodingKey { case left, right, tail, deep }

    init(left: [Int], right: [String: Int], tail: Int) {
        self.left = left
        self.right = right
        self.tail = tail
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var left = try container.nestedUnkeyedContainer(forKey: .left)
        self.left = []
        while !left.isAtEnd { self.left.append(try left.decode(Int.self)) }
        let right = try container.nestedContainer(keyedBy: AnyName.self, forKey: .right)
        self.right = [:]
        for key in right.allKeys { self.right[key.stringValue] = try right.decode(Int.self, forKey: key) }
        self.tail = try container.decode(Int.self, forKey: .tail)
        var deep = try container.nestedUnkeyedContainer(forKey: .deep)
        var inner = try deep.nestedUnkeyedContainer()
        let object = try inner.nestedContainer(keyedBy: AnyName.self)
        guard try object.decodeNil(forKey: AnyName("nothing")), try deep.decodeNil(), deep.isAtEnd else {
            throw DecodingError.dataCorruptedError(in: deep, debugDescription: "the deep part differs")
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        var left = container.nestedUnkeyedContainer(forKey: .left)
        var right = container.nestedContainer(keyedBy: AnyName.self, forKey: .right)
        var deep = container.nestedUnkeyedContainer(forKey: .deep)
        var inner = deep.nestedUnkeyedContainer()
        var object = inner.nestedContainer(keyedBy: AnyName.self)
        let names = self.right.keys.sorted()
        for index in 0..<max(self.left.count, names.count) {
            if index < self.left.count { try left.encode(self.left[index]) }
            if index < names.count { try right.encode(self.right[names[index]], forKey: AnyName(names[index])) }
        }
        try container.encode(self.tail, forKey: .tail)
        try deep.encodeNil()
        try object.encodeNil(forKey: AnyName("nothing"))
    }
}

struct AnyName: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { self.stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

struct Nothing: Codable, Equatable {
    func encode(to encoder: any Encoder) throws {}
    init() {}
    init(from decoder: any Decoder) throws {}
}

struct Wide: Codable, Equatable {
    var signed: Int128
    var unsigned: UInt128
    var list: [Int128]
}
