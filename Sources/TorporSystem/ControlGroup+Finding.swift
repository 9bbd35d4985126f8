extension ControlGroup {
    /// The control group of this process; `nil` without one, or when none of its files can be seen.
    ///
    /// The process knows its path in each hierarchy, and which part of the hierarchy is mounted where. In a container both
    /// are told as seen from inside, from outside, or mixed; where they do not fit together the top of the mount is taken,
    /// which is what container runtimes put there.
    package static func current(_ root: SystemRoot = .machine) -> ControlGroup? {
        guard let lines = root.lines("/proc/self/cgroup"), let mountLines = root.lines("/proc/self/mountinfo") else {
            return nil
        }
        let memberships = lines.compactMap { Membership($0) }
        let mounts = mountLines.compactMap { Mount($0) }
        let unified = memberships.first { $0.isUnified }.flatMap { membership in
            Self.folders(of: membership.path, in: mounts.filter { $0.kind == "cgroup2" }, root)
        }
        let pressureFolder = unified?.first.flatMap { Self.isMachine($0, root) ? nil : $0 }
        if let membership = memberships.first(where: { $0.controllers.contains("memory") }) {
            // Bound to the first version, the controller is not in the second one, mounted or not.
            let memoryMounts = mounts.filter { $0.kind == "cgroup" && $0.options.contains("memory") }
            guard let folders = Self.folders(of: membership.path, in: memoryMounts, root) else { return nil }
            return ControlGroup(version: .one, folders: folders, pressureFolder: pressureFolder, root: root)
        }
        guard let unified else { return nil }
        return ControlGroup(version: .two, folders: unified, pressureFolder: pressureFolder, root: root)
    }

    /// The folder of this process's group in the first version's hierarchy of a controller such as `pids`; `nil` when the
    /// controller is not in the first version, or its files cannot be seen.
    package static func folder(ofController name: String, root: SystemRoot) -> String? {
        guard let lines = root.lines("/proc/self/cgroup"), let mountLines = root.lines("/proc/self/mountinfo"),
            let membership = lines.lazy.compactMap({ Membership($0) }).first(where: {
                $0.controllers.contains { $0 == name }
            })
        else { return nil }
        let mounts = mountLines.compactMap { Mount($0) }
            .filter { $0.kind == "cgroup" && $0.options.contains { $0 == name } }
        return Self.folders(of: membership.path, in: mounts, root)?.first
    }

    /// The root of the whole machine lacks the file that every other group has.
    private static func isMachine(_ folder: String, _ root: SystemRoot) -> Bool {
        root.names(in: folder)?.contains("cgroup.events") != true
    }

    /// The folder of the group at `path` and those around it up to the top of a mount, the group's own first.
    private static func folders(of path: String, in mounts: [Mount], _ root: SystemRoot) -> [String]? {
        // The mount that shows most of the hierarchy; of equals the last one, which lies on top of the others.
        let around = mounts.reversed().filter { $0.contains(path) }.sorted { $0.root.utf8.count < $1.root.utf8.count }
        for mount in around {
            let folders = mount.folders(downTo: path)
            guard let own = folders.first, root.names(in: own) != nil else { continue }
            return folders
        }
        guard let top = mounts.last(where: { root.names(in: $0.point) != nil }) else { return nil }
        return [top.point]
    }

    /// A line of `/proc/self/cgroup`: `4:memory:/path`, in the second version `0::/path`.
    private struct Membership {
        let isUnified: Bool
        let controllers: [Substring]
        let path: String

        init?(_ line: Substring) {
            // The path may have colons of its own.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[2].hasPrefix("/") else { return nil }
            self.isUnified = parts[0] == "0" && parts[1].isEmpty
            self.controllers = parts[1].split(separator: ",")
            self.path = String(parts[2])
        }
    }

    /// A line of `/proc/self/mountinfo`.
    private struct Mount {
        /// What of the hierarchy is mounted.
        let root: String
        /// Where.
        let point: String
        /// The type of the file system.
        let kind: Substring
        /// Of the file system; the first version names its controllers there.
        let options: [Substring]

        init?(_ line: Substring) {
            let fields = line.split(separator: " ")
            // Behind the sixth field there are none, one or more optional ones, ended by a dash.
            guard fields.count > 6, let dash = fields[6...].firstIndex(of: "-"), fields.count > dash + 3,
                let root = Self.unescaped(fields[3]), let point = Self.unescaped(fields[4])
            else { return nil }
            self.root = root
            self.point = point
            self.kind = fields[dash + 1]
            self.options = fields[dash + 3].split(separator: ",")
        }

        /// Whether the path lies in it, as far as it leads down: one with `..` left the process's own view.
        func contains(_ path: String) -> Bool {
            guard self.root == "/" || path == self.root || path.hasPrefix(self.root + "/") else { return false }
            return !self.rest(of: path).contains("..")
        }

        /// - Precondition: ``contains(_:)`` is true.
        func folders(downTo path: String) -> [String] {
            var folders = [self.point]
            for name in self.rest(of: path) {
                folders.append("\(folders[folders.count - 1])/\(name)")
            }
            return folders.reversed()
        }

        private func rest(of path: String) -> [Substring] {
            (self.root == "/" ? path[...] : path.dropFirst(self.root.count)).split(separator: "/")
        }

        /// Blanks and the like are written as a backslash and three octal digits.
        private static func unescaped(_ field: Substring) -> String? {
            guard field.contains("\\") else { return String(field) }
            var bytes: [UInt8] = []
            var rest = Array(field.utf8)[...]
            while let byte = rest.popFirst() {
                guard byte == UInt8(ascii: "\\") else {
                    bytes.append(byte)
                    continue
                }
                let digits = rest.prefix(3)
                guard digits.count == 3, let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8), code > 0
                else { return nil }
                bytes.append(code)
                rest = rest.dropFirst(3)
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
