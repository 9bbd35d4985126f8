import TorporCore
import TorporEngine
import TorporStore

/// Stores a value as its expiry, a checksum bound to its place, and its bytes.
struct SimulatedCodec: ValueCodec {
    static let overhead = 16

    func seal(
        _ raw: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, expiry: WallTime?,
        into stored: inout [UInt8]
    ) {
        withUnsafeBytes(of: expiry?.milliseconds ?? 0) { stored.append(contentsOf: $0) }
        withUnsafeBytes(of: Self.checksum(raw, key, id)) { stored.append(contentsOf: $0) }
        stored.append(contentsOf: raw)
    }

    func open(
        _ stored: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, into raw: inout [UInt8]
    ) throws(StoreError) -> WallTime? {
        let value = UnsafeRawBufferPointer(rebasing: stored[Self.overhead...])
        guard stored.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == Self.checksum(value, key, id) else {
            throw StoreError(.corruptRecord, "A checksum is wrong.")
        }
        raw.append(contentsOf: value)
        let milliseconds = stored.loadUnaligned(as: Int64.self)
        return milliseconds == 0 ? nil : WallTime(milliseconds: milliseconds)
    }

    private static func checksum(
        _ raw: UnsafeRawBufferPointer, _ key: UnsafeRawBufferPointer, _ id: StateObjectID
    ) -> UInt64 {
        var sum: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { sum = (sum ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        sum ^= UInt64(truncatingIfNeeded: id.bits)
        for byte in raw { sum = (sum ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return sum
    }
}
