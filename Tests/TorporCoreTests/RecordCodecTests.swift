import Testing
import TorporCore

@Suite struct RecordCodecTests {
    /// Runs of one byte, as pairs of count and byte.
    private struct RunLengths: ValueCompression {
        func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool {
            let bytes = raw.withUnsafeBytes(Array.init)
            var runs: [UInt8] = []
            for byte in bytes {
                if runs.last == byte, runs[runs.count - 2] < 255 {
                    runs[runs.count - 2] += 1
                } else {
                    runs += [1, byte]
                }
            }
            guard runs.count < bytes.count else { return false }
            output += runs
            return true
        }

        func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool {
            let runs = compressed.withUnsafeBytes(Array.init)
            var bytes: [UInt8] = []
            for index in stride(from: 0, to: runs.count - 1, by: 2) {
                bytes += Array(repeating: runs[index + 1], count: Int(runs[index]))
            }
            guard bytes.count == raw.count else { return false }
            raw.copyBytes(from: bytes)
            return true
        }
    }

    private let object = StateObjectID(bits: 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF)
    private let key = Array("basket".utf8)

    private func encode(
        _ raw: [UInt8], expiry: WallTime? = nil, compression: (any ValueCompression)? = RunLengths(),
        into output: [UInt8] = []
    ) -> [UInt8] {
        var output = output
        RecordCodec.encode(
            raw.span.bytes, expiry: expiry, object: self.object, key: self.key.span.bytes, compression: compression,
            into: &output)
        return output
    }

    private func decode(
        _ stored: [UInt8], object: StateObjectID? = nil, key: [UInt8]? = nil
    ) throws(RecordError) -> RecordCodec.Description {
        let key = key ?? self.key
        return try RecordCodec.decode(stored.span.bytes, object: object ?? self.object, key: key.span.bytes)
    }

    private func restore(_ stored: [UInt8]) throws -> [UInt8] {
        let description = try self.decode(stored)
        var raw = [UInt8](repeating: 0xEE, count: description.rawCount)
        try raw.withUnsafeMutableBytes { raw throws in
            try RecordCodec.restore(description, of: stored.span.bytes, compression: RunLengths(), into: raw)
        }
        return raw
    }

    private func refusal(_ stored: [UInt8], object: StateObjectID? = nil, key: [UInt8]? = nil) -> RecordError.Code? {
        do {
            _ = try self.decode(stored, object: object, key: key)
            return nil
        } catch {
            return error.code
        }
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }  // only digits are left
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    @Test(
        arguments: [0, 1, 7, 127, 128, 129, 16_383, 16_384, 100_000], [nil, WallTime(milliseconds: -1), .distantFuture])
    func aValueComesBack(count: Int, expiry: WallTime?) throws {
        let varied = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 3) }
        let even = [UInt8](repeating: 7, count: count)
        for raw in [varied, even] {
            let stored = self.encode(raw, expiry: expiry)
            let description = try self.decode(stored)
            #expect(description.rawCount == count)
            #expect(description.expiry == expiry)
            #expect(description.isCompressed == (raw == even && count >= RecordCodec.compressedMin))
            #expect(description.payload.upperBound == stored.count)
            #expect(stored.count <= count + RecordCodec.overheadMax)
            #expect(try self.restore(stored) == raw)
        }
        #expect(try self.decode(self.encode(even, compression: nil)).isCompressed == false)
    }

    @Test func whatIsAlreadyInTheOutputStays() throws {
        let raw = [UInt8](repeating: 1, count: 300)
        let stored = self.encode(raw)
        #expect(self.encode(raw, into: [1, 2, 3]) == [1, 2, 3] + stored)
    }

    /// Format 1 as it lies in people's stores: later versions must read these bytes.
    @Test func theBytesOfFormat1AreThese() throws {
        let short = self.bytes("01 00 03 2479ab5b83616e4d 616263")
        let expiring = self.bytes("01 02 03 0068e5cf8b010000 f9439c3ff820564f 616263")
        let compressed = self.bytes("01 01 ac02 d73a55a1838cc009 ff07 2d07")
        #expect(self.encode(Array("abc".utf8)) == short)
        #expect(self.encode(Array("abc".utf8), expiry: WallTime(milliseconds: 1_700_000_000_000)) == expiring)
        #expect(self.encode([UInt8](repeating: 7, count: 300)) == compressed)
        #expect(try self.restore(short) == Array("abc".utf8))
        #expect(try self.decode(expiring).expiry == WallTime(milliseconds: 1_700_000_000_000))
        #expect(try self.restore(compressed) == [UInt8](repeating: 7, count: 300))
    }

    @Test func everyChangedBitIsNoticed() {
        let samples = [
            self.encode([]), self.encode(Array("abc".utf8)), self.encode([5], expiry: WallTime(milliseconds: 99)),
            self.encode([UInt8](repeating: 7, count: 300), expiry: .distantFuture),
            self.encode((0..<200).map { UInt8($0) }),
        ]
        for stored in samples {
            for bit in 0..<(stored.count * 8) {
                var damaged = stored
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                let code = self.refusal(damaged)
                #expect(code == (damaged[0] > RecordCodec.version ? .newerFormat : .corrupt), "bit \(bit)")
            }
        }
    }

    @Test func everyTruncationAndExtensionIsNoticed() {
        for stored in [
            self.encode(Array("abc".utf8), expiry: .distantFuture), self.encode([UInt8](repeating: 7, count: 300)),
        ] {
            for count in 0..<stored.count { #expect(self.refusal(Array(stored[..<count])) == .corrupt) }
            for byte in UInt8.min ... .max { #expect(self.refusal(stored + [byte]) == .corrupt) }
        }
    }

    @Test func aValueInAnotherPlaceIsNoticed() {
        let stored = self.encode(Array("abc".utf8))
        #expect(self.refusal(stored) == nil)
        for bit in 0..<128 {
            let other = StateObjectID(bits: self.object.bits ^ 1 << UInt128(bit))
            #expect(self.refusal(stored, object: other) == .corrupt)
        }
        for key in ["", "baske", "baskes", "baskett", "Basket"] {
            #expect(self.refusal(stored, key: Array(key.utf8)) == .corrupt)
        }
    }

    @Test func aNewerFormatIsLeftAlone() {
        var stored = self.encode(Array("abc".utf8))
        stored[0] = RecordCodec.version + 1
        #expect(self.refusal(stored) == .newerFormat)
        #expect(self.refusal([255]) == .newerFormat)
        stored[0] = 0
        #expect(self.refusal(stored) == .corrupt)
    }

    @Test func aPayloadThatDoesNotDecompressIsRefused() throws {
        struct Refusing: ValueCompression {
            func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool { false }
            func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool { false }
        }
        let stored = self.encode([UInt8](repeating: 7, count: 300))
        let description = try self.decode(stored)
        var raw = [UInt8](repeating: 0, count: 300)
        #expect(throws: RecordError.self) {
            try raw.withUnsafeMutableBytes { raw throws in
                try RecordCodec.restore(description, of: stored.span.bytes, compression: Refusing(), into: raw)
            }
        }
    }

    // MARK: XXH64

    /// Values of the reference implementation.
    @Test(
        arguments: [
            ("", 0, 0xEF46_DB37_51D8_E999), ("a", 0, 0xD24E_C4F1_A98C_6E5B), ("abc", 0, 0x44BC_2CF5_AD77_0999),
            ("Nobody inspects the spammish repetition", 0, 0xFBCE_A83C_8A37_8BF1),
            ("xxhash", 0, 0x32DD_38952C4BC720), ("xxhash", 20_141_025, 0xB559_B98D844E0635),
            ("The quick brown fox jumps over the lazy dog", 0, 0x0B24_2D36_1FDA_71BC),
        ] as [(String, UInt64, UInt64)])
    func theHashIsXXH64(text: String, seed: UInt64, hash: UInt64) {
        let bytes = Array(text.utf8)
        let sum = XXH64.hash(bytes.span.bytes, seed: seed)
        #expect(sum == hash)
        // Nor does it matter where the bytes begin.
        for shift in 1..<9 {
            let shifted = [UInt8](repeating: 1, count: shift) + bytes
            let moved = XXH64.hash(shifted.span.bytes.extracting(droppingFirst: shift), seed: seed)
            #expect(moved == hash)
        }
    }

    @Test(
        arguments: [
            (31, 0x8406_65B1_19F3_FED8), (32, 0xC85D_335A_CE50_BDF8), (33, 0xA073_2552_010E_41F4),
            (63, 0xAA3C_C16E_932F_873C), (64, 0x96DB_1F92_06C5_4DD9), (65, 0xDDA1_E3CE_DBE9_09A3),
            (100, 0x00E1_CA80_F19B_8484), (1_000, 0xCA92_ED6F_F2FB_276E),
        ] as [(Int, UInt64)])
    func theHashIsXXH64AtAnyLength(count: Int, hash: UInt64) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let sum = XXH64.hash(bytes.span.bytes, seed: UInt64(count))
        #expect(sum == hash)
    }
}
