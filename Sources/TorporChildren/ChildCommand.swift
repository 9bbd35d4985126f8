import Glibc

/// What to run as a child, where, and with how much.
package struct ChildCommand: Sendable {
    /// The program and its arguments. A program without a slash is looked for in the `PATH` of ``environment``.
    package var arguments: [String]
    /// All of the child's environment: nothing is inherited. See
    /// ``RuntimeProfile/environment(inheriting:places:cap:)``.
    package var environment: [String: String]
    /// The directory to run in, an absolute path.
    package var directory: String
    package var limits: ChildLimits
    /// What the child may see; `nil`: all that Torpor's user may.
    package var sandbox: ChildSandbox?

    package init(
        arguments: [String], environment: [String: String], directory: String, limits: ChildLimits,
        sandbox: ChildSandbox? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.limits = limits
        self.sandbox = sandbox
    }
}

extension ChildCommand {
    /// Where programs are looked for without a `PATH`.
    package static let defaultPath = "/usr/local/bin:/usr/bin:/bin"

    /// The path of a program as `execvp` would find it, in the child's environment and directory.
    /// - Throws: ``ChildError/Code/programNotFound``, ``ChildError/Code/programNotExecutable`` or
    ///   ``ChildError/Code/invalidCommand``.
    package static func find(
        _ program: String, environment: [String: String], directory: String
    ) throws(ChildError) -> String {
        guard !program.isEmpty else { throw ChildError(.invalidCommand, "the command is empty: name a program") }
        if program.contains("/") {
            let path = program.hasPrefix("/") ? program : "\(directory)/\(program)"
            guard let fault = Self.fault(of: path) else { return path }
            throw fault
        }
        let path = environment["PATH"] ?? Self.defaultPath
        var inaccessible: ChildError?
        for folder in path.split(separator: ":") where folder.hasPrefix("/") {
            let candidate = "\(folder)/\(program)"
            guard let fault = Self.fault(of: candidate) else { return candidate }
            if fault.code == .programNotExecutable { inaccessible = fault }
        }
        throw inaccessible
            ?? ChildError(
                .programNotFound,
                "\(program) is not installed where it is looked for: no folder of the PATH \(path) has it")
    }

    /// Why a file cannot be run; `nil` when, as far as one can see, it can.
    private static func fault(of path: String) -> ChildError? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            return errno == ENOENT || errno == ENOTDIR
                ? ChildError(.programNotFound, "there is no program \(path)")
                : ChildError(.programNotExecutable, "\(path) cannot be reached: \(errorText(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else {
            return ChildError(.programNotExecutable, "\(path) is no program that may be run: chmod +x makes it one")
        }
        return nil
    }
}
