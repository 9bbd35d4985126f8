package import TorporCore
import TorporEngine

/// What one stored folder may have, and what saving and restoring may take.
package struct FolderLimits: Sendable, Equatable {
    /// Bytes of all files together. Default 64 MiB.
    package var bytesMax: ByteCount
    /// Files, folders, and whatever else lies in it. Default 10,000.
    package var entriesMax: Int
    /// Names in a path. Default 32.
    package var depthMax: Int
    /// Bytes of a path, from the folder on. Default 1,024.
    package var pathMax: Int
    /// Bytes of a part, the unit in which files are stored. Default 256 KiB.
    package var partMax: Int
    /// Bytes of the parts in one page, each counted with 64 bytes more. Default 2 MiB. Memory for one page is taken from
    /// that for state while a folder is saved or restored.
    package var pageMax: Int
    /// Bytes of the index: its paths, 40 for each of them, and 28 for each part. Default 4 MiB.
    package var indexMax: Int
    /// Folders that are saved, restored or deleted at once. Default 4; others wait.
    package var operationsMax: Int
    /// How many may wait. Default 1,000; one more is refused.
    package var waitingMax: Int

    /// - Precondition: Limits are positive.
    package init(
        bytesMax: ByteCount = .mebibytes(64), entriesMax: Int = 10_000, depthMax: Int = 32, pathMax: Int = 1_024,
        partMax: Int = 256 << 10, pageMax: Int = 2 << 20, indexMax: Int = 4 << 20, operationsMax: Int = 4,
        waitingMax: Int = 1_000
    ) {
        precondition(bytesMax.bytes > 0 && entriesMax > 0 && depthMax > 0 && pathMax > 0, "limits are positive")
        precondition(partMax > 0 && pageMax >= partMax + Self.partOverhead, "a page has room for a part")
        precondition(indexMax > 0 && operationsMax > 0 && waitingMax >= 0, "limits are positive")
        self.bytesMax = bytesMax
        self.entriesMax = entriesMax
        self.depthMax = depthMax
        self.pathMax = pathMax
        self.partMax = partMax
        self.pageMax = pageMax
        self.indexMax = indexMax
        self.operationsMax = operationsMax
        self.waitingMax = waitingMax
    }

    /// What a part takes of its page beside its bytes.
    static let partOverhead = 64

    /// These limits, with pages and an index that are objects within the engine's limits.
    func within(_ limits: EngineLimits) -> FolderLimits {
        var fitting = self
        let room = limits.memory.objectMax.bytes / 2
        fitting.pageMax = min(self.pageMax, max(room, 2 * Self.partOverhead))
        fitting.partMax = min(self.partMax, fitting.pageMax - Self.partOverhead)
        fitting.indexMax = min(self.indexMax, room)
        fitting.pagePartsMax = min(self.pagePartsMax, limits.storage.objectValuesMax)
        return fitting
    }

    /// How many parts a page has at most: not more than an object has values.
    private(set) var pagePartsMax = 10_000
}
