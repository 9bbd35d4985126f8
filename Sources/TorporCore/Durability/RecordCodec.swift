/// Makes values smaller before they are stored, and restores them.
///
/// Implementations are called from several threads at once.
package protocol ValueCompression: Sendable {
    /// Appends what `raw` becomes to `output`.
    ///
    /// - Returns: Whether it became smaller. If not, `output` is as it was before.
    func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool

    /// Restores what ``compress(_:into:)`` made.
    ///
    /// - Parameter raw: As large as the value was. Nothing is written beyond it.
    /// - Returns: Whether just that many bytes were restored. If not, `raw` holds anything.
    func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool
}

/// Why a stored form is not read.
package struct RecordError: Error, Equatable, Sendable {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String { case corrupt, newerFormat }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// It is damaged, or belongs to another object or key. Reading it again does not help.
        package static let corrupt = Code(.corrupt)
        /// A newer version of the program wrote it. It is to be left alone. The version is read before the checksum can
        /// be, so damage to that one byte may look like this.
        package static let newerFormat = Code(.newerFormat)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What is wrong; holds nothing of the value or its key.
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

extension RecordError: CustomStringConvertible {
    package var description: String { self.reason }
}

/// The stored form of one value: what the value's bytes are wrapped in while they lie in a store.
///
/// Its checksum covers all of it and knows where it belongs, so a value that is damaged, or turns up under another
/// object or key, is told from a sound one. `docs/formats/record.md` specifies it byte by byte.
package enum RecordCodec {
    /// The first byte of what is written. Formats up to this one are read.
    package static var version: UInt8 { 1 }
    /// Values of fewer bytes are not compressed: little would come of it.
    package static var compressedMin: Int { 128 }
    /// Bytes a value may have.
    package static var rawMax: Int { Int(Int32.max) }
    /// Bytes the stored form may have beyond those of the value.
    package static var overheadMax: Int { 2 + 5 + 8 + Self.checksumCount }

    private static var checksumCount: Int { 8 }
    private static var compressedFlag: UInt8 { 1 }
    private static var expiryFlag: UInt8 { 2 }

    /// What a stored form says of its value.
    package struct Description: Sendable, Equatable {
        /// Bytes the value has.
        package let rawCount: Int
        /// From when on the value is gone; `nil` if it stays.
        package let expiry: WallTime?
        /// Whether the payload is to be decompressed.
        package let isCompressed: Bool
        /// Where in the stored form the value's bytes are, compressed or not.
        package let payload: Range<Int>
    }

    /// Appends the stored form of a value to `output`.
    ///
    /// Allocates nothing if `output` has room for `raw.byteCount` + ``overheadMax``.
    /// - Parameters:
    ///   - raw: The value, at most ``rawMax`` bytes.
    ///   - object: The object that it belongs to, and `key`, its key there.
    ///   - compression: `nil` to store the value as it is. So are values of fewer than ``compressedMin`` bytes, and
    ///     those that do not become smaller.
    package static func encode(
        _ raw: RawSpan, expiry: WallTime? = nil, object: StateObjectID, key: RawSpan,
        compression: (any ValueCompression)?, into output: inout [UInt8]
    ) {
        precondition(raw.byteCount <= Self.rawMax, "a value is smaller than 2 GiB")
        let start = output.count
        output.append(Self.version)
        output.append(expiry == nil ? 0 : Self.expiryFlag)
        Self.append(varint: raw.byteCount, to: &output)
        if let expiry { Self.append(UInt64(bitPattern: expiry.milliseconds), to: &output) }
        let checksum = output.count
        Self.append(0, to: &output)
        let payload = output.count
        if raw.byteCount >= Self.compressedMin, compression?.compress(raw, into: &output) == true {
            output[start + 1] |= Self.compressedFlag
        } else {
            raw.withUnsafeBytes { output.append(contentsOf: $0) }
        }
        let sum = Self.checksum(
            output.span.bytes, header: start..<checksum, payload: payload..<output.count, object, key)
        for index in 0..<Self.checksumCount { output[checksum + index] = UInt8(truncatingIfNeeded: sum >> (8 * index)) }
    }

    /// Checks a stored form, and tells what it says.
    ///
    /// - Parameters:
    ///   - stored: All of it, and nothing more.
    ///   - object: The object under which it was found, and `key`, its key there.
    /// - Throws: ``RecordError/Code/corrupt``, ``RecordError/Code/newerFormat``.
    /// - Complexity: O(`stored.byteCount`); allocates nothing.
    package static func decode(
        _ stored: RawSpan, object: StateObjectID, key: RawSpan
    ) throws(RecordError) -> Description {
        var offset = 0
        let version = try Self.byte(stored, at: &offset)
        guard version <= Self.version else {
            throw RecordError(.newerFormat, "format \(version) of a stored value is newer than \(Self.version)")
        }
        guard version > 0 else { throw RecordError(.corrupt, "there is no format 0 of stored values") }
        let flags = try Self.byte(stored, at: &offset)
        guard flags & ~(Self.compressedFlag | Self.expiryFlag) == 0 else {
            throw RecordError(.corrupt, "a stored value has a flag without a meaning")
        }
        let rawCount = try Self.varint(stored, at: &offset)
        var expiry: WallTime?
        if flags & Self.expiryFlag != 0 {
            expiry = WallTime(milliseconds: Int64(bitPattern: try Self.word(stored, at: &offset)))
        }
        let header = 0..<offset
        let checksum = try Self.word(stored, at: &offset)
        let payload = offset..<stored.byteCount
        guard checksum == Self.checksum(stored, header: header, payload: payload, object, key) else {
            throw RecordError(.corrupt, "the checksum of a stored value is not that of its bytes")
        }
        let isCompressed = flags & Self.compressedFlag != 0
        // Sound bytes never fail here; a writer at fault, or a forger, might have made them.
        guard isCompressed ? payload.count < rawCount : payload.count == rawCount else {
            throw RecordError(.corrupt, "a stored value has another length than it says")
        }
        return Description(rawCount: rawCount, expiry: expiry, isCompressed: isCompressed, payload: payload)
    }

    /// Writes the value of a stored form to `raw`.
    ///
    /// - Parameters:
    ///   - description: What ``decode(_:object:key:)`` said of `stored`.
    ///   - raw: ``Description/rawCount`` bytes.
    /// - Throws: ``RecordError/Code/corrupt`` if the payload does not become those bytes; `raw` then holds anything.
    package static func restore(
        _ description: Description, of stored: RawSpan, compression: any ValueCompression,
        into raw: UnsafeMutableRawBufferPointer
    ) throws(RecordError) {
        precondition(raw.count == description.rawCount, "there is room for the value and no more")
        let payload = stored.extracting(description.payload)
        guard description.isCompressed else {
            payload.withUnsafeBytes { raw.copyMemory(from: $0) }
            return
        }
        guard compression.decompress(payload, into: raw) else {
            throw RecordError(.corrupt, "a stored value cannot be decompressed")
        }
    }

    // MARK: Parts

    /// The hash of everything but the checksum, in an order that starts with where it belongs.
    private static func checksum(
        _ stored: RawSpan, header: Range<Int>, payload: Range<Int>, _ object: StateObjectID, _ key: RawSpan
    ) -> UInt64 {
        let id: InlineArray<2, UInt64> = [
            UInt64(truncatingIfNeeded: object.bits).littleEndian,
            UInt64(truncatingIfNeeded: object.bits >> 64).littleEndian,
        ]
        var sum = XXH64.hash(id.span.bytes)
        sum = XXH64.hash(key, seed: sum)
        sum = XXH64.hash(stored.extracting(header), seed: sum)
        return XXH64.hash(stored.extracting(payload), seed: sum)
    }

    private static func append(_ word: UInt64, to output: inout [UInt8]) {
        for index in 0..<8 { output.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * index))) }
    }

    private static func append(varint value: Int, to output: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            output.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        output.append(UInt8(rest))
    }

    private static func byte(_ stored: RawSpan, at offset: inout Int) throws(RecordError) -> UInt8 {
        guard offset < stored.byteCount else { throw Self.ended }
        defer { offset += 1 }
        return unsafe stored.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    private static func varint(_ stored: RawSpan, at offset: inout Int) throws(RecordError) -> Int {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            let byte = try Self.byte(stored, at: &offset)
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 {
                guard value <= Self.rawMax else { break }
                return value
            }
        }
        throw RecordError(.corrupt, "a stored value says that it is too large")
    }

    private static func word(_ stored: RawSpan, at offset: inout Int) throws(RecordError) -> UInt64 {
        guard stored.byteCount - offset >= 8 else { throw Self.ended }
        defer { offset += 8 }
        return UInt64(littleEndian: unsafe stored.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private static var ended: RecordError { RecordError(.corrupt, "a stored value ends too early") }
}
