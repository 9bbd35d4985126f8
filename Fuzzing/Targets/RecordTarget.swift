import TorporCompression
import TorporCore
import TorporTestSupport

extension FuzzTarget {
    /// A record opens only as it was written, and under the name it was written under.
    static let record = FuzzTarget("record", lengthMax: 2_048) { input throws(PropertyViolation) in
        let object = StateObjectID(bits: 0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF)
        let key = Array("key".utf8)
        let compression = ZstdCompression()

        // The input as a record: a forged one may open, and then it restores what it says, or fails.
        var outcome = "opened"
        do {
            let found = try RecordCodec.decode(input.span.bytes, object: object, key: key.span.bytes)
            try require(found.payload.upperBound == input.count, "the payload reaches to the end", escaped(input))
        } catch let violation as PropertyViolation {
            throw violation
        } catch let error as RecordError {
            outcome = error.code == .newerFormat ? "newer format" : error.reason
        } catch {
            throw PropertyViolation("a record is refused with an error of its own", "\(error)")
        }

        // The input as a value.
        var random = SeededGenerator(seededBy: input)
        let expiry = random.chance(50) ? WallTime(milliseconds: Int64(bitPattern: random.next())) : nil
        var stored: [UInt8] = []
        RecordCodec.encode(
            input.span.bytes, expiry: expiry, object: object, key: key.span.bytes,
            compression: random.chance(50) ? compression : nil, into: &stored)
        var raw: [UInt8] = []
        do {
            let found = try RecordCodec.decode(stored.span.bytes, object: object, key: key.span.bytes)
            try require(found.expiry == expiry, "the expiry is kept", escaped(input))
            raw = [UInt8](repeating: 0, count: found.rawCount)
            try raw.withUnsafeMutableBytes { raw throws in
                try RecordCodec.restore(found, of: stored.span.bytes, compression: compression, into: raw)
            }
        } catch let violation as PropertyViolation {
            throw violation
        } catch {
            throw PropertyViolation("a record that was written opens", "\(error): \(escaped(input))")
        }
        try require(raw == input, "a value comes back", escaped(input))

        // The zstd frame in front of anything.
        var room = [UInt8](repeating: 0, count: 256)
        _ = room.withUnsafeMutableBytes { compression.decompress(input.span.bytes, into: $0) }

        var damaged = stored
        let bit = Int.random(in: 0..<(stored.count * 8), using: &random)
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
        let isRefused = (try? RecordCodec.decode(damaged.span.bytes, object: object, key: key.span.bytes)) == nil
        try require(isRefused, "a changed bit is noticed", "bit \(bit) of \(escaped(stored))")
        return outcome
    }
}
