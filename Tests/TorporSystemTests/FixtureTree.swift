import Glibc
import TorporSystem

/// Files below a temporary folder that is removed afterwards, for what the kernel would say elsewhere.
struct FixtureTree {
    let root: SystemRoot
    private let folder: String

    /// Lays out `files`, by path such as `/proc/meminfo`, and gives the root that they are seen below.
    static func with<Result>(_ files: [String: String], _ body: (FixtureTree) throws -> Result) throws -> Result {
        let tree = try FixtureTree()
        defer { tree.remove() }
        for (path, text) in files { try tree.write(text, to: path) }
        return try body(tree)
    }

    /// An empty one, to be removed by who made it.
    init() throws {
        var template = Array("/tmp/torpor-system-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FixtureError(path: "/tmp", number: errno) }
        self.folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.root = SystemRoot(self.folder)
    }

    /// Writes a file, in place of one that is there.
    func write(_ text: String, to path: String) throws {
        try self.makeFolders(above: path)
        guard let file = fopen(self.folder + path, "w") else { throw FixtureError(path: path, number: errno) }
        defer { fclose(file) }
        guard fputs(text, file) >= 0 else { throw FixtureError(path: path, number: errno) }
    }

    func link(_ path: String, to target: String) throws {
        try self.makeFolders(above: path)
        guard symlink(target, self.folder + path) == 0 else { throw FixtureError(path: path, number: errno) }
    }

    func remove() { Self.remove(self.folder) }

    private func makeFolders(above path: String) throws {
        var folder = self.folder
        for name in path.split(separator: "/").dropLast() {
            folder += "/\(name)"
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw FixtureError(path: folder, number: errno) }
        }
    }

    private static func remove(_ folder: String) {
        let root = SystemRoot(folder)
        for name in root.names(in: "") ?? [] {
            if unlink("\(folder)/\(name)") != 0 { self.remove("\(folder)/\(name)") }
        }
        rmdir(folder)
    }
}

private struct FixtureError: Error {
    let path: String
    let number: Int32
}
