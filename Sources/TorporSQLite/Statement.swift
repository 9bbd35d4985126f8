import CSQLite
import TorporCore

/// A prepared statement of a ``Connection``, which must outlive it.
struct Statement {
    let handle: OpaquePointer

    /// - Parameter lives: Whether it is used many times.
    init(_ sql: String, _ connection: OpaquePointer, lives: Bool) throws(SQLiteFailure) {
        var handle: OpaquePointer?
        let flags = lives ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0
        guard sqlite3_prepare_v3(connection, sql, -1, flags, &handle, nil) == SQLITE_OK, let handle else {
            throw SQLiteFailure(of: connection)
        }
        self.handle = handle
    }

    private func check(_ result: Int32) throws(SQLiteFailure) {
        guard result == SQLITE_OK else { throw SQLiteFailure(of: sqlite3_db_handle(self.handle)) }
    }

    // MARK: Running

    /// Goes to the next row.
    /// - Returns: `false` when there is none.
    func step() throws(SQLiteFailure) -> Bool {
        switch sqlite3_step(self.handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            // Before anything else is done with the connection, which would overwrite it.
            let failure = SQLiteFailure(of: sqlite3_db_handle(self.handle))
            self.reset()
            throw failure
        }
    }

    /// Runs it to its end; it can be bound anew.
    func run() throws(SQLiteFailure) {
        while try self.step() {}
        self.reset()
    }

    /// Makes it ready to be bound and run again. Its failure, if any, is the last step's, which has been told.
    func reset() { sqlite3_reset(self.handle) }

    // MARK: Binding

    func bind(_ index: Int32, _ value: Int64) throws(SQLiteFailure) {
        try self.check(sqlite3_bind_int64(self.handle, index, value))
    }

    func bind(_ index: Int32, _ value: Int) throws(SQLiteFailure) { try self.bind(index, Int64(value)) }

    /// The bits of the number: SQLite's integers have a sign.
    func bind(_ index: Int32, _ value: UInt64) throws(SQLiteFailure) {
        try self.bind(index, Int64(bitPattern: value))
    }

    func bind(_ index: Int32, _ value: String) throws(SQLiteFailure) {
        var value = value
        try self.check(
            value.withUTF8 { text in
                text.withMemoryRebound(to: CChar.self) {
                    torpor_sqlite3_bind_text(self.handle, index, $0.baseAddress, Int32($0.count))
                }
            })
    }

    /// 16 bytes, the most significant first, so that their order is that of the numbers.
    func bind(_ index: Int32, _ value: UInt128) throws(SQLiteFailure) {
        try self.check(
            withUnsafeBytes(of: value.bigEndian) {
                torpor_sqlite3_bind_copy(self.handle, index, $0.baseAddress, Int32($0.count))
            })
    }

    /// What kind of number it is, in one byte, and then the number.
    func bind(_ index: Int32, _ value: TaggedNumber) throws(SQLiteFailure) {
        try self.check(
            withUnsafeTemporaryAllocation(byteCount: TaggedNumber.byteCount, alignment: 16) { bytes in
                bytes[0] = value.tag
                bytes.storeBytes(of: value.number.bigEndian, toByteOffset: 1, as: UInt128.self)
                return torpor_sqlite3_bind_copy(self.handle, index, bytes.baseAddress, Int32(bytes.count))
            })
    }

    /// Bytes that stay where they are until the statement has run, and has been unbound or bound anew.
    func bindInPlace(_ index: Int32, _ bytes: UnsafeBufferPointer<UInt8>) throws(SQLiteFailure) {
        // Where there are no bytes there may be no address, which would stand for NULL.
        if bytes.isEmpty { return try self.check(sqlite3_bind_zeroblob(self.handle, index, 0)) }
        try self.check(sqlite3_bind_blob64(self.handle, index, bytes.baseAddress, UInt64(bytes.count), nil))
    }

    // MARK: Reading a row

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(self.handle, column) }

    func bits(_ column: Int32) -> UInt64 { UInt64(bitPattern: self.integer(column)) }

    func text(_ column: Int32) -> String {
        sqlite3_column_text(self.handle, column).map { String(cString: $0) } ?? ""
    }

    /// Valid until the next step.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // In this order: the call for the bytes may change their number.
        let start = sqlite3_column_blob(self.handle, column)
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(self.handle, column)))
    }

    /// `nil` when it does not have 16 bytes.
    func number(_ column: Int32) -> UInt128? {
        let bytes = self.bytes(column)
        guard bytes.count == 16 else { return nil }
        return UInt128(bigEndian: bytes.loadUnaligned(as: UInt128.self))
    }

    /// `nil` when it does not have the length of one.
    func taggedNumber(_ column: Int32) -> TaggedNumber? {
        let bytes = self.bytes(column)
        guard bytes.count == TaggedNumber.byteCount else { return nil }
        let number = UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt128.self))
        return TaggedNumber(tag: bytes[0], number: number)
    }
}

/// A number of 128 bits, and what kind it is: how accounts and units are stored.
struct TaggedNumber: Hashable {
    static let byteCount = 17

    var tag: UInt8
    var number: UInt128
}

extension TaggedNumber {
    init(_ account: AccountID) {
        switch account {
        case .principal(let bits): self.init(tag: 1, number: bits)
        case .anonymous(let bits): self.init(tag: 2, number: bits)
        }
    }

    init(_ unit: UnitID) {
        switch unit {
        case .principal(let bits): self.init(tag: 1, number: bits)
        case .object(let id): self.init(tag: 2, number: id.bits)
        }
    }

    /// `nil` when it is none.
    var account: AccountID? {
        switch self.tag {
        case 1: .principal(self.number)
        case 2: .anonymous(self.number)
        default: nil
        }
    }
}
