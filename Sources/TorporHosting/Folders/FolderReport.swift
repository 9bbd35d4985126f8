/// What came of saving or restoring a folder.
package struct FolderReport: Sendable, Equatable {
    /// Counts the saves that changed something; 0 while nothing is stored.
    package var generation: UInt64 = 0
    /// What is stored.
    package var files = 0
    package var folders = 0
    package var bytes = 0
    /// Parts that a save has stored anew, and their bytes.
    package var partsWritten = 0
    package var bytesWritten = 0
    /// What lies in the folder and was not stored.
    package var leftOut = LeftOut()
}

/// What lies in a folder and was not stored: how much, and what comes first.
package struct LeftOut: Sendable, Equatable {
    package enum Reason: String, Sendable, CaseIterable {
        case symbolicLink = "symbolic link"
        /// It has other names, which may lie anywhere.
        case hardLink = "hard link"
        /// A device, a socket or a pipe.
        case special = "no file"
        case foreignOwner = "belongs to somebody else"
        /// Something is mounted there.
        case otherFileSystem = "on another file system"
        /// What was stored of a file before is kept.
        case unreadable = "cannot be read"
        /// What was stored of it before is kept.
        case changing = "changed while it was read"
    }

    package struct Entry: Sendable, Equatable {
        package var path: FolderPath
        package var reason: Reason
    }

    /// How many entries are told.
    package static let entriesMax = 10

    package private(set) var count = 0
    /// The first of them.
    package private(set) var entries: [Entry] = []

    package init() {}

    mutating func add(_ path: FolderPath, _ reason: Reason) {
        self.count += 1
        if self.entries.count < Self.entriesMax { self.entries.append(Entry(path: path, reason: reason)) }
    }
}

extension LeftOut: CustomStringConvertible {
    /// `2 left out: a/link (symbolic link), b (no file)`
    package var description: String {
        guard self.count > 0 else { return "nothing left out" }
        let list = self.entries.map { "\($0.path) (\($0.reason.rawValue))" }.joined(separator: ", ")
        return "\(self.count) left out: \(list)\(self.count > self.entries.count ? ", …" : "")"
    }
}
