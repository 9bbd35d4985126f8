import TorporCore
import TorporEngine
import TorporStore

/// The state objects of one stored folder: its index, and its pages. Used by one task at a time.
///
/// No object stays in memory once it has been used, as far as that can be helped.
struct FolderObjects {
    let engine: StateEngine
    let key: FolderKey
    let limits: FolderLimits

    // MARK: The index

    /// - Returns: `nil` when nothing is stored.
    /// - Throws: ``FolderError/Code/damaged``, ``FolderError/Code/newerFormat``, ``FolderError/Code/unavailable``,
    ///   ``FolderError/Code/cancelled``.
    func index() async throws(FolderError) -> FolderIndex? {
        let name = self.key.indexName
        let values = try await self.using(name) { use in
            let entries = try await use.entries(prefix: [], limit: 1 << 17, of: name)
            return FolderIndexCodec.Values(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
        }
        return try FolderIndexCodec.index(of: values)
    }

    /// Puts an index in the place of another, all of it or nothing; it is durable on return.
    /// - Throws: Beside what the engine refuses, ``FolderError/Code/superseded`` when `former` is not what is stored.
    func commit(_ index: FolderIndex, replacing former: FolderIndex?) async throws(FolderError) {
        guard index.storedBytes <= self.limits.indexMax else {
            throw FolderError(
                .overLimit,
                """
                The folder has so many files, or such long paths, that its list would take more than \
                \(ByteCount(self.limits.indexMax).roundedText), so nothing was saved. What was saved before stays.
                """)
        }
        let changes = FolderIndexCodec.changes(from: former, to: index)
        let isExpected = FolderIndexCodec.changes(from: nil, to: former ?? FolderIndex())[FolderIndexCodec.headKey]
        try await self.using(self.key.indexName) { use in
            try await use.update(self.key.indexName) { transaction in
                let head = try transaction.value(FolderIndexCodec.headKey)
                guard former == nil ? head == nil : .some(head) == isExpected else { throw FolderError.superseded }
                for (key, value) in changes {
                    if let value { transaction.set(key, value) } else { transaction.remove(key) }
                }
            }
            try await use.stored()
        }
    }

    func deleteIndex() async throws(FolderError) {
        try await FolderError.translating {
            try await self.engine.delete(self.key.indexName, tombstone: nil, reason: .client, isUrgent: true)
        }
    }

    // MARK: Pages

    /// Stores a page; it is durable on return.
    func write(_ parts: [[UInt8]], to page: UInt64) async throws(FolderError) {
        let name = self.key.pageName(page)
        try await self.using(name) { use in
            try await use.update(name) { transaction in
                for (number, bytes) in parts.enumerated() { transaction.set(Self.key(of: UInt32(number)), bytes) }
            }
            try await use.stored()
        }
    }

    /// Has `body` read parts of a page.
    func read<Result>(
        _ page: UInt64, _ body: (_ part: (UInt32) async throws -> [UInt8]?) async throws -> Result
    ) async throws(FolderError) -> Result {
        let name = self.key.pageName(page)
        return try await self.using(name) { use in
            let result = try await body { try await use.value(Self.key(of: $0), of: name) }
            // That it was used is to be noted, so that it can leave memory. Where it cannot be noted, the page was read
            // all the same.
            do { try await use.stored() } catch let error as EngineError where error.code != .stopping {}
            return result
        }
    }

    /// Whether a page is there and sound, and until when it is kept.
    func expiry(ofPage page: UInt64) async throws(FolderError) -> WallTime? {
        let name = self.key.pageName(page)
        let header: RecordHeader? = try await FolderError.translating { try await self.engine.header(of: name.id) }
        guard let header, !header.isQuarantined, header.kind == name.kind, header.name == name.name else { return nil }
        return header.expiry
    }

    /// Notes that a page is used, so that it is kept for its whole time from now on.
    func touch(_ page: UInt64) async throws(FolderError) {
        let name = self.key.pageName(page)
        try await self.using(name) { use in
            _ = try await use.size(of: name)
            try await use.stored()
        }
    }

    func delete(_ page: UInt64) async throws(FolderError) {
        try await FolderError.translating {
            try await self.engine.delete(
                self.key.pageName(page), tombstone: nil, reason: .replaced, isUrgent: true)
        }
    }

    // MARK: Memory

    private static func key(of part: UInt32) -> [UInt8] { withUnsafeBytes(of: part.bigEndian) { Array($0) } }

    /// Runs `body` with the use of an object, which leaves memory afterwards.
    private func using<Result>(
        _ name: ObjectName, _ body: (StateUse) async throws -> Result
    ) async throws(FolderError) -> Result {
        let use = self.engine.use()
        defer {
            use.end()
            // Busy when another change of it is on its way; then it leaves when it has been idle.
            _ = self.engine.evict(name.id, reason: .done)
        }
        return try await FolderError.translating { try await body(use) }
    }
}
