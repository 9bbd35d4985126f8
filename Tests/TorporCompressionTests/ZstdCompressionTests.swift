import Testing
import TorporCompression
import TorporCore

@Suite struct ZstdCompressionTests {
    private func text(_ count: Int) -> [UInt8] {
        var text: [UInt8] = []
        var index = 0
        while text.count < count {
            text += Array("order \(index * 7919 % 1_000): shipped to customer \(index * 31 % 97)\n".utf8)
            index += 1
        }
        return Array(text[..<count])
    }

    /// Bytes without any pattern.
    private func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 88_172_645_463_325_252
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }

    private func compress(_ raw: [UInt8], _ compression: ZstdCompression) -> [UInt8]? {
        var output: [UInt8] = [1, 2, 3]
        guard compression.compress(raw.span.bytes, into: &output) else {
            #expect(output == [1, 2, 3])
            return nil
        }
        #expect(output.starts(with: [1, 2, 3]))
        return Array(output[3...])
    }

    private func decompress(_ compressed: [UInt8], count: Int, _ compression: ZstdCompression) -> [UInt8]? {
        var raw = [UInt8](repeating: 0xEE, count: count)
        let isWhole = raw.withUnsafeMutableBytes { compression.decompress(compressed.span.bytes, into: $0) }
        return isWhole ? raw : nil
    }

    @Test(arguments: [128, 1_000, 16_384, 131_072, 131_073, 1_000_000, 2_000_000], [1, 3, 9])
    func whatIsCompressedComesBack(count: Int, level: Int) throws {
        let compression = ZstdCompression(level: level)
        let raw = self.text(count)
        let compressed = try #require(self.compress(raw, compression))
        #expect(compressed.count < count)
        #expect(self.decompress(compressed, count: count, compression) == raw)
    }

    @Test func whatDoesNotBecomeSmallerIsLeft() {
        let compression = ZstdCompression()
        for count in [0, 1, 2, 128, 10_000] { #expect(self.compress(self.noise(count), compression) == nil) }
    }

    @Test func noMoreThanTheStatedLengthIsRestored() throws {
        let compression = ZstdCompression()
        let compressed = try #require(self.compress([UInt8](repeating: 0, count: 1_000_000), compression))
        #expect(self.decompress(compressed, count: 1_000_000, compression)?.count == 1_000_000)
        for count in [0, 1, 999_999, 1_000_001] {
            #expect(self.decompress(compressed, count: count, compression) == nil)
        }
    }

    @Test func damagedFramesNeverTrap() throws {
        let compression = ZstdCompression()
        let raw = self.text(4_000)
        let compressed = try #require(self.compress(raw, compression))
        for count in 0..<compressed.count {
            #expect(self.decompress(Array(compressed[..<count]), count: raw.count, compression) == nil)
        }
        var refused = 0
        for bit in 0..<(compressed.count * 8) {
            var damaged = compressed
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            // What decompresses all the same is told by the record's checksum.
            if self.decompress(damaged, count: raw.count, compression) == nil { refused += 1 }
        }
        #expect(refused > 0)
        #expect(self.decompress(self.noise(500), count: 1_000, compression) == nil)
        #expect(self.decompress(compressed, count: raw.count, compression) == raw)
    }

    @Test func memoryIsTakenAtTheFirstUseAndGivenBack() throws {
        let compression = ZstdCompression()
        #expect(compression.residentBytes == 0)
        for count in [200, 2_000_000, 200] {
            let compressed = try #require(self.compress(self.text(count), compression))
            #expect(self.decompress(compressed, count: count, compression) != nil)
        }
        #expect(compression.residentBytes > 0)
        #expect(compression.residentBytes < 1 << 20)
        compression.trim()
        #expect(compression.residentBytes == 0)
        #expect(self.compress(self.text(500), compression) != nil)
    }

    @Test func callersAtTheSameTimeDoNotDisturbEachOther() async {
        let compression = ZstdCompression()
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<16 {
                group.addTask {
                    let raw = self.text(1_000 + index * 1_500)
                    for _ in 0..<20 {
                        guard let compressed = self.compress(raw, compression),
                            self.decompress(compressed, count: raw.count, compression) == raw
                        else { return false }
                    }
                    return true
                }
            }
            for await isWhole in group { #expect(isWhole) }
        }
    }

    @Test func aRecordIsStoredCompressed() throws {
        let compression = ZstdCompression()
        let raw = self.text(5_000)
        let object = StateObjectID(bits: 5)
        let key = Array("key".utf8)
        var stored: [UInt8] = []
        RecordCodec.encode(
            raw.span.bytes, object: object, key: key.span.bytes, compression: compression, into: &stored)
        #expect(stored.count < raw.count / 2)
        let description = try RecordCodec.decode(stored.span.bytes, object: object, key: key.span.bytes)
        #expect(description.isCompressed)
        var restored = [UInt8](repeating: 0, count: description.rawCount)
        try restored.withUnsafeMutableBytes { restored throws in
            try RecordCodec.restore(description, of: stored.span.bytes, compression: compression, into: restored)
        }
        #expect(restored == raw)
    }

    /// A frame as it lies in people's stores.
    @Test func aFrameWrittenBeforeIsRead() {
        let frame: [UInt8] = [
            0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x15, 0x02, 0x00, 0x12, 0x04, 0x0D, 0x13, 0x90, 0xB5, 0xE9,
            0xB8, 0x0D, 0xB6, 0xD7, 0x51, 0xB2, 0x50, 0xF6, 0xC7, 0xDD, 0x5D, 0x68, 0xE8, 0x8C, 0x5D, 0xE7,
            0x81, 0x91, 0xA8, 0xF0, 0x99, 0x13, 0x27, 0xD5, 0xB2, 0x9E, 0x58, 0x3E, 0xB3, 0xB5, 0x5C, 0xD1,
            0x31, 0xEE, 0x60, 0xE7, 0xB2, 0x49, 0x3A, 0xF6, 0x28, 0xFA, 0x58, 0xEE, 0x02, 0x0A, 0x06, 0x66,
            0x03, 0x00, 0x47, 0x0D, 0x68, 0xAA, 0x0F, 0x33, 0xCD, 0xD9, 0x04,
        ]
        let text = """
            a value that repeats, a value that repeats, a value that repeats, and a value that repeats once more, and \
            then it has ended, as it began.
            """
        #expect(self.decompress(frame, count: 137, ZstdCompression()) == Array(text.utf8))
    }
}
