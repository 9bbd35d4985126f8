import Synchronization
package import TorporCore
package import TorporEngine

/// Keeps folders as state objects while nobody works in them.
///
/// A folder is an *index*, which is the object that its key names, and *pages*, which hold the bytes of its files. What a
/// save stores anew goes to new pages, and is durable before the index refers to it; what the index does not refer to any
/// more is deleted afterwards. So at every moment the whole of one save is stored, the last one that returned or a later
/// one, however a save ends. Pages that an interrupted save has left behind are deleted by the next.
///
/// Memory stays flat however large a folder is: one page at a time is taken from the memory for state, and as much again
/// from the heap, beside the index. Files are read and written on threads of their own.
///
/// Operations on one folder happen one after the other.
package final class FolderStore: Sendable {
    let engine: StateEngine
    let threads: FolderThreads
    let turns: FolderTurns
    private let currentLimits: Mutex<FolderLimits>

    /// - Parameters:
    ///   - engine: What stores folders; it outlives this.
    ///   - limits: Made smaller where the engine's are.
    package init(_ engine: StateEngine, limits: FolderLimits = FolderLimits()) {
        self.engine = engine
        self.currentLimits = Mutex(limits.within(engine.limits))
        self.threads = FolderThreads(threadMax: limits.operationsMax)
        self.turns = FolderTurns(limits)
    }

    /// What folders may have now.
    package var limits: FolderLimits { self.currentLimits.withLock { $0 } }

    /// Sets how large folders may be that are saved from now on. What is stored already stays.
    /// - Precondition: The limits are positive.
    package func limit(bytesMax: ByteCount, entriesMax: Int) {
        precondition(bytesMax.bytes > 0 && entriesMax > 0, "limits are positive")
        self.currentLimits.withLock { limits in
            limits.bytesMax = bytesMax
            limits.entriesMax = entriesMax
        }
    }

    /// Whether anything is stored of a folder.
    package func exists(_ key: FolderKey) async throws(FolderError) -> Bool {
        try await FolderError.translating { try await self.engine.exists(key.indexName) }
    }

    /// Deletes what is stored of a folder, durably; nothing happens when nothing is.
    ///
    /// Interrupted, it leaves the folder as it was, or stored without files; then delete it again. Pages of a damaged
    /// index are not found, and stay until their retention is over.
    /// - Throws: ``FolderError/Code/unavailable``, ``FolderError/Code/busy``, ``FolderError/Code/cancelled``.
    package func delete(_ key: FolderKey) async throws(FolderError) {
        try await self.operate(key) { objects throws(FolderError) in
            guard try await objects.engineHasIndex() else { return }
            do throws(FolderError) {
                guard let index = try await objects.index() else { return try await objects.deleteIndex() }
                try await objects.deleteOrphans(after: index)
                var empty = index
                empty.generation += 1
                empty.entries = []
                empty.pages = []
                empty.dropped = index.dropped + index.pages.map(\.number)
                try await objects.commit(empty, replacing: index)
                for page in empty.dropped { try await objects.delete(page) }
            } catch {
                guard error.code == .damaged || error.code == .newerFormat else { throw error }
            }
            try await objects.deleteIndex()
        }
    }

    /// Runs `body` on a thread that may block, while nobody else uses the folder.
    func operate<Result: Sendable>(
        _ key: FolderKey, _ body: @concurrent @Sendable (FolderObjects) async throws(FolderError) -> Result
    ) async throws(FolderError) -> Result {
        let objects = FolderObjects(engine: self.engine, key: key, limits: self.limits)
        return try await self.turns.take(key.id) { () throws(FolderError) in
            try await self.onThread { () throws(FolderError) in try await body(objects) }
        }
    }

    /// Runs `body` on a thread that may block.
    // What runs where its caller does would begin where the caller is, and move at the next suspension only.
    func onThread<Result: Sendable>(
        _ body: @concurrent @Sendable () async throws(FolderError) -> Result
    ) async throws(FolderError) -> Result {
        try await withTaskExecutorPreference(self.threads) { () throws(FolderError) in try await body() }
    }
}

extension FolderObjects {
    fileprivate func engineHasIndex() async throws(FolderError) -> Bool {
        try await FolderError.translating { try await self.engine.header(of: self.key.id) != nil }
    }

    /// Deletes the pages that an interrupted save has left: they follow each other from the one that the index would have
    /// had next. The last goes first, so that those that remain can be found.
    func deleteOrphans(after index: FolderIndex) async throws(FolderError) {
        var end = index.nextPage
        while try await self.hasPage(end) { end += 1 }
        while end > index.nextPage {
            end -= 1
            try await self.delete(end)
        }
    }

    func hasPage(_ page: UInt64) async throws(FolderError) -> Bool {
        try await FolderError.translating { try await self.engine.header(of: self.key.pageName(page).id) != nil }
    }
}
