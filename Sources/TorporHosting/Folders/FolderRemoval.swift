import Glibc

extension Descriptor {
    /// Removes everything that lies in this folder, however deep, through no link and with two descriptors.
    ///
    /// A folder that has folders in it gives them to this one first, so that nothing is ever deep. Nobody else may change
    /// the folder meanwhile.
    func empty() throws(SystemFailure) {
        var moves: UInt64 = 0
        while true {
            let names = try self.names(limit: 1_000)
            if names.isEmpty { return }
            for name in names {
                // What was moved here is in the way of nothing: its names begin as no other does.
                if try self.removeUnlessFolder(name) { continue }
                try self.flatten(name, &moves)
                try self.remove(name, isFolder: true)
            }
        }
    }

    /// - Returns: `false` when it is a folder.
    private func removeUnlessFolder(_ name: [UInt8]) throws(SystemFailure) -> Bool {
        do throws(SystemFailure) {
            try self.remove(name)
            return true
        } catch {
            // Linux says EISDIR, POSIX EPERM.
            guard error.number == EISDIR || error.number == EPERM, try self.status(of: name).isFolder else {
                throw error
            }
            return false
        }
    }

    /// Removes the files of a folder in this one, and moves its folders here.
    private func flatten(_ name: [UInt8], _ moves: inout UInt64) throws(SystemFailure) {
        let folder = try self.openAsOwner(name)
        while true {
            let inner = try folder.names(limit: 1_000)
            if inner.isEmpty { return }
            for name in inner {
                if try folder.removeUnlessFolder(name) { continue }
                // An empty one needs no move; one that may not be written cannot be moved.
                _ = try folder.openAsOwner(name)
                do throws(SystemFailure) {
                    try folder.remove(name, isFolder: true)
                } catch {
                    guard error.number == ENOTEMPTY || error.number == EEXIST else { throw error }
                    try folder.moveOut(name, to: self, &moves)
                }
            }
        }
    }

    /// Opens a folder in this one of which this process's user is the owner, and gives all rights to it.
    func openAsOwner(_ name: [UInt8]) throws(SystemFailure) -> Descriptor {
        do throws(SystemFailure) {
            let folder = try self.openFolder(name)
            guard fchmod(folder.number, 0o700) == 0 else { throw .last }
            return folder
        } catch {
            guard error.number == EACCES else { throw error }
            // Only its owner may, and a link in its place is not followed.
            guard
                (name + [0]).withUnsafeBytes({
                    fchmodat(
                        self.number, $0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o700,  // Not empty.
                        AT_SYMLINK_NOFOLLOW)
                }) == 0
            else { throw error }
            return try self.openFolder(name)
        }
    }

    private func moveOut(_ name: [UInt8], to top: Descriptor, _ moves: inout UInt64) throws(SystemFailure) {
        while true {
            moves += 1
            let newName = Array(".removed-\(moves)".utf8)
            do throws(SystemFailure) {
                _ = try top.status(of: newName)
            } catch {
                guard error.number == ENOENT else { throw error }
                return try self.rename(name, to: newName, in: top)
            }
        }
    }
}
