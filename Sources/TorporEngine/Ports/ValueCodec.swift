package import TorporCore
package import TorporStore

/// Turns values into the form in which they are stored, and back.
package protocol ValueCodec: Sendable {
    /// Appends the stored form of a value to `stored`.
    /// - Parameters:
    ///   - raw: The value's bytes, in memory.
    ///   - key: Its key in the object `id`: a stored value is bound to its place.
    ///   - expiry: From when on it is no longer there.
    func seal(
        _ raw: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, expiry: WallTime?,
        into stored: inout [UInt8])

    /// Appends the value of a stored form to `raw`.
    /// - Returns: From when on it is no longer there.
    /// - Throws: ``StoreError/Code/corruptRecord`` or ``StoreError/Code/newerFormat``; then `raw` is not to be used.
    func open(
        _ stored: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, of id: StateObjectID, into raw: inout [UInt8]
    ) throws(StoreError) -> WallTime?
}

extension ValueCodec {
    /// Puts a batch into `commit` in the form in which the store takes it.
    func seal(_ batch: borrowing CapturedBatch, into commit: inout CommitBatch) {
        commit.objects = batch.objects.map(\.change)
        commit.values.reserveCapacity(batch.values.count)
        batch.bytes.withUnsafeBytes { bytes in
            for value in batch.values {
                let key = UnsafeRawBufferPointer(rebasing: bytes[value.key])
                let start = commit.bytes.count
                commit.bytes.append(contentsOf: key)
                let middle = commit.bytes.count
                guard let range = value.value else {
                    commit.values.append(StoredValue(key: start..<middle, stored: nil))
                    continue
                }
                self.seal(
                    UnsafeRawBufferPointer(rebasing: bytes[range]), key: key,
                    of: batch.objects[value.object].change.header.id, expiry: value.expiry, into: &commit.bytes)
                commit.values.append(StoredValue(key: start..<middle, stored: middle..<commit.bytes.count))
            }
        }
    }

    /// The values of a record, opened.
    func open(_ record: Record) throws(StoreError) -> OpenedRecord {
        var opened = OpenedRecord(bytes: [], values: [])
        opened.bytes.reserveCapacity(record.header.byteCount)
        opened.values.reserveCapacity(record.values.count)
        for value in record.values {
            guard let stored = value.stored else { preconditionFailure("a record holds values") }
            let start = opened.bytes.count
            opened.bytes.append(contentsOf: record.bytes[value.key])
            let middle = opened.bytes.count
            let expiry = try record.bytes.withBytes { (bytes) throws(StoreError) in
                try self.open(
                    UnsafeRawBufferPointer(rebasing: bytes[stored]),
                    key: UnsafeRawBufferPointer(rebasing: bytes[value.key]), of: record.header.id, into: &opened.bytes)
            }
            opened.values.append(.init(key: start..<middle, value: middle..<opened.bytes.count, expiry: expiry))
        }
        return opened
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` for what throws errors of one type.
    fileprivate func withBytes<Result, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result: Swift.Result<Result, Failure> = self.withUnsafeBytes { bytes in
            do throws(Failure) {
                return .success(try body(bytes))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
