/// What is stored of a folder: its files and folders, and in which pages the files' bytes are.
struct FolderIndex: Equatable {
    /// A file, or a folder in the folder.
    struct Entry: Hashable, Codable {
        var path: FolderPath
        /// Who may read, write and execute it.
        var mode: UInt16
        var modified: FileTime
        /// The bytes of a file, in order; `nil` for a folder.
        var parts: [Part]?

        var isFolder: Bool { self.parts == nil }
        /// Bytes of a file.
        var size: Int { (self.parts ?? []).reduce(0) { $0 + $1.length } }
    }

    /// A run of a file's bytes: one value of a page.
    struct Part: Hashable, Codable {
        var page: UInt64
        /// Which value of the page.
        var number: UInt32
        var length: Int
        /// XXH64 of the bytes.
        var digest: UInt64
    }

    struct Page: Hashable, Codable {
        var number: UInt64
        /// Of all its parts, also those that are of no file any more.
        var bytes: Int
    }

    /// Counts the saves that changed something.
    var generation: UInt64 = 0
    /// Names who saved it last; see ``FolderLineage``.
    var run: UInt64 = 0
    /// The number of the page that is written next. None is used twice, unless nothing came to refer to it.
    var nextPage: UInt64 = 0
    /// By number.
    var pages: [Page] = []
    /// Pages that are not needed any more and were still there when this was written.
    var dropped: [UInt64] = []
    /// By path.
    var entries: [Entry] = []

    var bytes: Int { self.entries.reduce(0) { $0 + $1.size } }

    /// What it takes at most as it is stored.
    var storedBytes: Int {
        self.entries.reduce(24 * (self.pages.count + self.dropped.count)) {
            $0 + $1.path.bytes.count + 40 + 28 * ($1.parts?.count ?? 0)
        }
    }

    // MARK: Pages

    /// Bytes that are of a file, by page.
    static func liveBytes(of entries: [Entry]) -> [UInt64: Int] {
        var live: [UInt64: Int] = [:]
        for entry in entries {
            for part in entry.parts ?? [] { live[part.page, default: 0] += part.length }
        }
        return live
    }

    /// Pages whose parts are better written anew: what is dead in them takes room, or there are many small ones.
    ///
    /// What remains has at most as many dead bytes as live ones, and ``deadMax`` more in each of at most ``sparseMax``
    /// pages; and at most ``sparseMax`` pages are less than half full.
    static func wastefulPages(_ pages: [Page], live: [UInt64: Int], pageMax: Int) -> Set<UInt64> {
        let used = pages.compactMap { page in live[page.number].map { (page: page, live: $0) } }
        let dying = used.filter { $0.page.bytes - $0.live > max($0.live, Self.deadMax) }
        let sparse = used.filter { $0.live < pageMax / 2 }
        return Set((sparse.count > Self.sparseMax ? sparse + dying : dying).map(\.page.number))
    }

    static let deadMax = 256 << 10
    static let sparseMax = 8
}

/// From which save a folder on disk has come: of the run that restored it, or of the one before that.
struct FolderLineage: Hashable {
    /// Names the life of the folder on disk; random.
    var run: UInt64
    /// What was stored when it began, or when it was saved last; 0 for nothing.
    var generation: UInt64

    /// Whether what is stored is what this folder was made of, or what it was saved as.
    func continues(_ index: FolderIndex?) -> Bool {
        guard let index else { return self.generation == 0 }
        return index.generation == self.generation || index.run == self.run
    }
}
