/// The 64-bit hash XXH64: tells damage, not malice.
package enum XXH64 {
    private static var prime1: UInt64 { 0x9E37_79B1_85EB_CA87 }
    private static var prime2: UInt64 { 0xC2B2_AE3D_27D4_EB4F }
    private static var prime3: UInt64 { 0x1656_67B1_9E37_79F9 }
    private static var prime4: UInt64 { 0x85EB_CA77_C2B2_AE63 }
    private static var prime5: UInt64 { 0x27D4_EB2F_1656_67C5 }

    /// The hash of `bytes`; the same on every machine.
    package static func hash(_ bytes: RawSpan, seed: UInt64 = 0) -> UInt64 {
        let count = bytes.byteCount
        var offset = 0
        var hash: UInt64
        if count >= 32 {
            var lane1 = seed &+ Self.prime1 &+ Self.prime2
            var lane2 = seed &+ Self.prime2
            var lane3 = seed
            var lane4 = seed &- Self.prime1
            while offset &+ 32 <= count {
                lane1 = Self.round(lane1, Self.load(bytes, offset))
                lane2 = Self.round(lane2, Self.load(bytes, offset &+ 8))
                lane3 = Self.round(lane3, Self.load(bytes, offset &+ 16))
                lane4 = Self.round(lane4, Self.load(bytes, offset &+ 24))
                offset &+= 32
            }
            hash =
                Self.rotate(lane1, 1) &+ Self.rotate(lane2, 7) &+ Self.rotate(lane3, 12) &+ Self.rotate(lane4, 18)
            hash = Self.merge(hash, lane1)
            hash = Self.merge(hash, lane2)
            hash = Self.merge(hash, lane3)
            hash = Self.merge(hash, lane4)
        } else {
            hash = seed &+ Self.prime5
        }
        hash &+= UInt64(count)
        while offset &+ 8 <= count {
            hash = Self.rotate(hash ^ Self.round(0, Self.load(bytes, offset)), 27) &* Self.prime1 &+ Self.prime4
            offset &+= 8
        }
        if offset &+ 4 <= count {
            let word: UInt32 = Self.load(bytes, offset)
            hash = Self.rotate(hash ^ (UInt64(word) &* Self.prime1), 23) &* Self.prime2 &+ Self.prime3
            offset &+= 4
        }
        while offset < count {
            let byte: UInt8 = Self.load(bytes, offset)
            hash = Self.rotate(hash ^ (UInt64(byte) &* Self.prime5), 11) &* Self.prime1
            offset &+= 1
        }
        hash = (hash ^ (hash &>> 33)) &* Self.prime2
        hash = (hash ^ (hash &>> 29)) &* Self.prime3
        return hash ^ (hash &>> 32)
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        Self.rotate(lane &+ word &* Self.prime2, 31) &* Self.prime1
    }

    @inline(__always)
    private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
        (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 &- count)
    }

    /// The number at `offset`, of which the loops above see that all of it lies inside.
    @inline(__always)
    private static func load<Integer: FixedWidthInteger & BitwiseCopyable>(_ bytes: RawSpan, _ offset: Int) -> Integer {
        Integer(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Integer.self))
    }
}
