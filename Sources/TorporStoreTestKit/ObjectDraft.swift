package import TorporCore
package import TorporStore

/// What a test wants done to an object: keys and values as arrays, whatever does not matter filled in.
package struct ObjectDraft: Sendable {
    package var id: StateObjectID
    package var account: AccountID
    package var kind = ObjectKind.handle
    package var name = ""
    package var fence: Fence
    package var base: Revision
    package var revision: Revision
    /// `nil` for a deletion.
    package var values: [(key: [UInt8], stored: [UInt8]?)]?
    package var valueCount = 0
    package var byteCount = 0
    package var created = WallTime(milliseconds: 1_000)
    package var expiry = WallTime.distantFuture
    package var tombstone: Tombstone?

    package var unit: UnitID { UnitID(self.account, self.id) }
}

extension CommitBatch {
    /// - Parameter id: What the headers will carry.
    package init(_ drafts: [ObjectDraft], id: UInt128 = 1, time: WallTime = WallTime(milliseconds: 2_000)) {
        self.init(id: id, time: time, objects: [])
        for draft in drafts { self.append(draft) }
    }

    private mutating func append(_ draft: ObjectDraft) {
        let first = self.values.count
        for (key, stored) in draft.values ?? [] {
            let keyRange = self.append(key)
            self.values.append(StoredValue(key: keyRange, stored: stored.map { self.append($0) }))
        }
        let header = RecordHeader(
            id: draft.id, kind: draft.kind, name: draft.name, account: draft.account, fence: draft.fence,
            revision: draft.revision, commit: 0, valueCount: draft.valueCount, byteCount: draft.byteCount,
            created: draft.created, expiry: draft.expiry)
        self.objects.append(
            ObjectChange(
                header: header, base: draft.base,
                action: draft.values == nil ? .delete : .write(first..<self.values.count), tombstone: draft.tombstone))
    }

    private mutating func append(_ bytes: [UInt8]) -> Range<Int> {
        let start = self.bytes.count
        self.bytes += bytes
        return start..<self.bytes.count
    }
}

extension Record {
    /// The values by their keys, in the order in which they were read.
    package var list: [(key: [UInt8], stored: [UInt8])] {
        self.values.map { value in
            (Array(self.bytes[value.key]), value.stored.map { Array(self.bytes[$0]) } ?? [])
        }
    }
}

extension [UInt8] {
    /// UTF-8.
    init(_ text: StaticString) { self = text.withUTF8Buffer(Array.init) }
}
