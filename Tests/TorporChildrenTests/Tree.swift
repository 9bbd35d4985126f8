import Glibc
import Testing
import TorporSystem

/// Files below a temporary folder that is removed afterwards, for what a kernel would show elsewhere.
final class Tree {
    let root: SystemRoot
    let folder: String

    init(_ files: [String: String]) throws {
        var template = Array("/tmp/torpor-children-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        self.folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.root = SystemRoot(self.folder)
        for (path, text) in files { try self.write(text, to: path) }
    }

    deinit { Self.remove(self.folder) }

    func write(_ text: String, to path: String) throws {
        var folder = self.folder
        for name in path.split(separator: "/").dropLast() {
            folder += "/\(name)"
            try #require(mkdir(folder, 0o700) == 0 || errno == EEXIST)
        }
        let file = try #require(fopen(self.folder + path, "w"))
        fputs(text, file)
        fclose(file)
    }

    func text(_ path: String) -> String? { self.root.text(path) }

    private static func remove(_ folder: String) {
        for name in SystemRoot(folder).names(in: "") ?? [] where unlink("\(folder)/\(name)") != 0 {
            self.remove("\(folder)/\(name)")
        }
        rmdir(folder)
    }
}
