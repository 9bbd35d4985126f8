package import TorporCore
package import TorporStore

/// Stores values as ``RecordCodec`` has it: with a checksum that knows their place, and compressed if that is wanted.
package struct RecordValueCodec: ValueCodec {
    private let compression: any ValueCompression
    private let compresses: Bool

    /// - Parameters:
    ///   - compression: Restores what is stored compressed.
    ///   - compresses: Whether values are compressed that are stored from now on.
    package init(compression: any ValueCompression, compresses: Bool = true) {
        self.compression = compression
        self.compresses = compresses
    }

    package func seal(
        _ raw: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, expiry: WallTime?,
        into stored: inout [UInt8]
    ) {
        RecordCodec.encode(
            raw.bytes, expiry: expiry, object: id, key: key.bytes,
            compression: self.compresses ? self.compression : nil, into: &stored)
    }

    package func open(
        _ stored: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, into raw: inout [UInt8]
    ) throws(StoreError) -> WallTime? {
        do throws(RecordError) {
            let description = try RecordCodec.decode(stored.bytes, object: id, key: key.bytes)
            let start = raw.count
            raw.append(contentsOf: repeatElement(0, count: description.rawCount))
            let result: Result<Void, RecordError> = raw.withUnsafeMutableBytes { raw in
                do throws(RecordError) {
                    return .success(
                        try RecordCodec.restore(
                            description, of: stored.bytes, compression: self.compression,
                            into: UnsafeMutableRawBufferPointer(rebasing: raw[start...])))
                } catch {
                    return .failure(error)
                }
            }
            try result.get()
            return description.expiry
        } catch {
            throw StoreError(error.code == .newerFormat ? .newerFormat : .corruptRecord, error.reason)
        }
    }
}
