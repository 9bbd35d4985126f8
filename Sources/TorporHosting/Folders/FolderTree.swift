import Glibc

/// Opens what lies below a folder: name by name, each by a descriptor of its folder, and never through a link. So
/// whatever somebody does to the tree meanwhile, nothing outside it is reached.
///
/// The folders on the way to the last path stay open, since the next path mostly begins alike.
final class FolderTree {
    let root: Descriptor
    private var open: [(name: [UInt8], folder: Descriptor)] = []

    init(_ root: Descriptor) { self.root = root }

    convenience init(at path: String) throws(FolderError) {
        do throws(SystemFailure) {
            self.init(try Descriptor.folder(at: path))
        } catch {
            throw FolderError(error, "The folder \(path) cannot be opened")
        }
    }

    func folder(_ path: FolderPath) throws(SystemFailure) -> Descriptor {
        let names = path == .root ? [] : path.names
        var depth = 0
        while depth < min(names.count, self.open.count), self.open[depth].name == names[depth] { depth += 1 }
        self.open.removeLast(self.open.count - depth)
        for name in names[depth...] {
            let folder = try (self.open.last?.folder ?? self.root).openFolder(name)
            self.open.append((name, folder))
        }
        return self.open.last?.folder ?? self.root
    }

    /// Opens a file, or makes it.
    func file(_ path: FolderPath, _ flags: Int32, mode: mode_t = 0) throws(SystemFailure) -> Descriptor {
        try self.folder(path.parent).open(path.name, flags, mode: mode)
    }

    /// Lets go of the folders that are open below the root.
    func rest() { self.open = [] }
}
