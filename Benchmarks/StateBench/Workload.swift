import TorporCore

/// The objects that are measured with: known by their numbers, so that whoever reads one can tell what must be in it.
enum Workload {
    /// Objects that share an account.
    static let objectsPerAccount = 100
    /// The one value of each: under this key the tool `get` of the server `bench` finds it by the key "value".
    static let key = Array("values/value".utf8)
    /// Of the state to which the objects belong.
    static let stateName = "object"

    /// Spread like random ids; `Benchmarks/harness/state.py` computes the same.
    static func id(_ number: Int) -> StateObjectID {
        var random = SplitMix(seed: UInt64(number))
        return StateObjectID(bits: UInt128(random.next()) << 64 | UInt128(random.next()))
    }

    static func account(_ number: Int) -> AccountID { .anonymous(UInt128(number / Self.objectsPerAccount + 1)) }

    /// The bytes of a value: version 1 of a state, then a string as `docs/formats/state-encoding.md` has it, about records as tools keep them, of
    /// which zstd saves about two thirds.
    /// - Parameter count: At least 100. It has one byte less where the text's length does not come out even.
    static func value(_ number: Int, count: Int) -> [UInt8] {
        var textCount = count - 6
        while 5 + Self.varint(textCount).count + textCount > count { textCount -= 1 }
        var bytes: [UInt8] = [0, 1, 1, 0, 0xC6] + Self.varint(textCount)
        bytes += Self.text(number, count: textCount)
        return bytes
    }

    /// Letters and digits, of which compression saves a quarter at most; cheap to make.
    static func dense(_ number: Int, count: Int) -> [UInt8] {
        Array(Self.letters[number & 255..<(number & 255) + min(count, Self.letters.count - 256)])
    }

    private static let letters: [UInt8] = {
        let digits = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_".utf8)
        var random = SplitMix(seed: 1)
        return (0..<65_536).map { _ in digits[Int(random.next() & 63)] }
    }()

    private static func text(_ number: Int, count: Int) -> [UInt8] {
        var random = SplitMix(seed: UInt64(number) ^ 0x5EED)
        var text = Array("object \(number);".utf8)
        text.reserveCapacity(count + 200)
        while text.count < count {
            text += "id=".utf8
            text += String(random.next(), radix: 16).utf8
            text += " score=".utf8
            text += String(random.next() % 10_000).utf8
            text += " note=".utf8
            for _ in 0..<8 {
                text += Self.words[Int(random.next() % UInt64(Self.words.count))].utf8
                text.append(0x20)
            }
        }
        text.removeLast(text.count - count)
        return text
    }

    private static let words = """
        agent answer archive batch bucket cache carrier client cluster column commit customer delivery device draft error \
        event field filter folder gateway handle history index invoice journal label ledger letter limit market memory \
        message meter method minute module network number object offer order output owner packet parcel partner payment \
        period person policy price process product profile project quarter query queue reader reason record region \
        release report request result review route sample schedule screen search section sensor series server service \
        session shelf signal source station status stock store stream subject supplier table target ticket token total \
        tracker transfer update upload value vendor version visitor volume warehouse window worker writer zone
        """.split(separator: " ").map(String.init)

    private static func varint(_ number: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = number
        while rest > 127 {
            bytes.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}

/// Numbers that look random and are the same in every run: SplitMix64.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
