package import Foundation

/// The inputs that a target starts from: one file each, in `Fuzzing/Corpora/<target>/`.
package enum Corpus {
    /// The corpora that belong to the sources.
    package static let folder: URL = {
        var folder = URL(filePath: #filePath)  // Fuzzing/Targets/Engine/Corpus.swift
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder.appending(path: "Corpora")
    }()

    /// The inputs of a target, ordered by file name.
    /// - Throws: when the folder or a file cannot be read.
    package static func inputs(of target: FuzzTarget, in folder: URL = Corpus.folder) throws -> [[UInt8]] {
        let files = try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: target.name), includingPropertiesForKeys: nil)
        return try files.sorted { $0.lastPathComponent < $1.lastPathComponent }
            .filter { !$0.lastPathComponent.hasPrefix(".") }
            .map { [UInt8](try Data(contentsOf: $0)) }
    }
}
