import Glibc

/// What a child sees of the machine, held by bubblewrap (`bwrap`): everything to read, and nothing to write but its
/// folder.
///
/// Its processes are numbered apart from all others, `/tmp` is empty and its own, and it cannot signal, trace or see
/// what runs outside. Memory, processes and descriptors are ``ChildLimits``' to hold, in a sandbox or not.
package struct ChildSandbox: Sendable, Equatable {
    /// Whether it may use the network.
    package var isNetworkKept: Bool
    /// Folders that it may change, absolute paths. Its directory is always one of them.
    package var writable: [String]
    /// Folders that look empty to it, and files that do; absolute paths, such as where Torpor's keys and store are.
    package var hidden: [String]

    package init(isNetworkKept: Bool = true, writable: [String] = [], hidden: [String] = []) {
        self.isNetworkKept = isNetworkKept
        self.writable = writable
        self.hidden = hidden
    }

    /// Where bubblewrap is; `nil` when it is not installed.
    package static func find(in path: String = ChildCommand.defaultPath) -> String? {
        path.split(separator: ":").lazy.map { "\($0)/bwrap" }.first { access($0, X_OK) == 0 }
    }

    /// A command that runs `arguments` in the sandbox.
    /// - Throws: ``ChildError/Code/sandboxMissing``, with what to install.
    func command(
        _ arguments: [String], directory: String, in path: String = ChildCommand.defaultPath
    ) throws(ChildError) -> [String] {
        guard let program = Self.find(in: path) else {
            throw ChildError(
                .sandboxMissing,
                "a sandbox is asked for, and bubblewrap is not installed: install it (apt-get install bubblewrap, "
                    + "dnf install bubblewrap, apk add bubblewrap), or turn the sandbox off")
        }
        return self.command(arguments, directory: directory, bubblewrap: program)
    }

    /// The command, with bubblewrap at this path. Later options cover what earlier ones show.
    func command(_ arguments: [String], directory: String, bubblewrap: String) -> [String] {
        var command = [bubblewrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
        for path in self.hidden {
            var status = stat()
            // What is not there needs no hiding, and could not be hidden: all is read-only.
            guard stat(path, &status) == 0 else { continue }
            command += status.st_mode & S_IFMT == S_IFDIR ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path]
        }
        for path in [directory] + self.writable { command += ["--bind", path, path] }
        command += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if !self.isNetworkKept { command.append("--unshare-net") }
        return command + ["--die-with-parent", "--new-session", "--chdir", directory, "--"] + arguments
    }
}
