import TorporCore
import TorporStore

/// How headers are read from a statement.
enum HeaderRow {
    /// In the order in which ``read(_:)`` expects them, from the first column on.
    static let columns = """
        o.number, o.id, o.kind, o.name, o.account, o.incarnation, o.epoch, o.revision, o.commit_id, o.value_count, \
        o.byte_count, o.stored_bytes, o.created, o.expiry, o.is_quarantined
        """
    /// The first column behind them.
    static let end: Int32 = 15

    static func number(_ row: Statement) -> Int64 { row.integer(0) }
    static func storedBytes(_ row: Statement) -> Int { Int(row.integer(11)) }

    /// - Returns: `nil` when it is no header.
    static func read(_ row: Statement) -> RecordHeader? {
        guard let id = row.number(1), let kind = UInt8(exactly: row.integer(2)).flatMap(ObjectKind.init),
            let account = row.taggedNumber(4)?.account, let commit = row.number(8)
        else { return nil }
        return RecordHeader(
            id: StateObjectID(bits: id), kind: kind, name: row.text(3), account: account,
            fence: Fence(incarnation: row.bits(5), epoch: row.bits(6)), revision: Revision(row.bits(7)), commit: commit,
            valueCount: Int(row.integer(9)), byteCount: Int(row.integer(10)),
            created: WallTime(milliseconds: row.integer(12)), expiry: WallTime(milliseconds: row.integer(13)),
            isQuarantined: row.integer(14) != 0)
    }
}
