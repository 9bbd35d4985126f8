/// The result objects of a list method, encoded once for every revision and page.
struct EncodedList: Sendable {
    /// By revision index, then by page: the whole `result` object.
    private let pages: [[[UInt8]]]
    private let pageSize: Int
    private let digest: UInt32

    init(
        _ name: StaticString, entries: [@Sendable (inout JSONWriter, ProtocolRevision) -> Void], options: ListOptions,
        modernEnd: [UInt8]
    ) {
        let pageSize = options.pageSize
        self.pageSize = pageSize
        // The cursor names the list and its newest form, so that a cursor from before an upgrade is refused, not
        // misread.
        var whole = JSONWriter()
        whole.beginArray()
        for entry in entries { entry(&whole, .v2026_07_28) }
        let digest = Self.digest(Array(name.description.utf8) + whole.bytes)
        self.digest = digest
        let pageCount = max(1, (entries.count + pageSize - 1) / pageSize)
        self.pages = ProtocolRevision.allCases.map { revision in
            (0..<pageCount).map { page in
                var writer = JSONWriter()
                writer.beginObject()
                writer.key(name)
                writer.beginArray()
                for entry in entries.dropFirst(page * pageSize).prefix(pageSize) { entry(&writer, revision) }
                writer.endArray()
                if page + 1 < pageCount {
                    writer.key("nextCursor")
                    writer.string(Cursor(list: digest, offset: (page + 1) * pageSize).text)
                }
                Self.end(&writer, revision, timeToLive: options.timeToLive, isShared: true, modernEnd)
                return writer.bytes
            }
        }
    }

    /// Writes caching hints and the end of a cacheable result.
    static func end(
        _ writer: inout JSONWriter, _ revision: ProtocolRevision, timeToLive: Duration, isShared: Bool,
        _ modernEnd: [UInt8]
    ) {
        guard revision.era == .modern else {
            writer.endObject()
            return
        }
        writer.key("ttlMs")
        writer.integer(timeToLive.wholeMilliseconds)
        writer.key("cacheScope")
        writer.string(isShared ? "public" : "private")
        writer.raw(modernEnd)
    }

    /// The page that a request asks for.
    /// - Throws: ``MCPError`` for a cursor that is not one of this list.
    func page(_ cursor: JSONSlice, in bytes: Span<UInt8>, for revision: ProtocolRevision) throws(MCPError) -> [UInt8] {
        let pages = self.pages[revision.index]
        guard cursor.isPresent else { return pages[0] }
        guard let text = cursor.string(in: bytes), let cursor = Cursor(parsing: text), cursor.list == self.digest,
            cursor.offset % self.pageSize == 0, pages.indices.contains(cursor.offset / self.pageSize)
        else { throw Cursor.invalid }
        return pages[cursor.offset / self.pageSize]
    }

    /// FNV-1a; equal inputs give equal digests on every machine and in every process.
    static func digest(_ bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}
