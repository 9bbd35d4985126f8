import CWarden
import Glibc

/// A command as the warden reads it: see `struct torpor_plan`.
struct ChildPlan {
    /// The largest plan, in bytes. What a program may be given of arguments and environment is less on most systems.
    static let bytesMax = 8 << 20

    let bytes: [UInt8]

    /// - Parameter limits: Of each process; `nil` leaves one as it is.
    /// - Throws: ``ChildError/Code/invalidCommand``, ``ChildError/Code/programNotFound``,
    ///   ``ChildError/Code/programNotExecutable``, ``ChildError/Code/directoryMissing``,
    ///   ``ChildError/Code/sandboxMissing``.
    init(_ command: ChildCommand, dataMax: Int?, processesMax: Int?) throws(ChildError) {
        guard command.directory.hasPrefix("/") else {
            throw ChildError(.invalidCommand, "the directory \(command.directory) is not an absolute path")
        }
        guard let name = command.arguments.first else {
            throw ChildError(.invalidCommand, "the command is empty: name a program")
        }
        var arguments = command.arguments
        var program = try ChildCommand.find(
            name, environment: command.environment, directory: command.directory)
        if let sandbox = command.sandbox {
            arguments[0] = program
            arguments = try sandbox.command(arguments, directory: command.directory)
            program = arguments[0]
        }
        for (name, _) in command.environment where name.isEmpty || name.contains("=") {
            throw ChildError(.invalidCommand, "the environment variable \"\(name)\" has a name that none can have")
        }
        let variables = command.environment.map { "\($0.key)=\($0.value)" }.sorted()
        let header = torpor_plan(
            magic: TORPOR_PLAN_MAGIC, arguments: UInt32(arguments.count), variables: UInt32(variables.count),
            reserved: 0, data_bytes_max: dataMax.map(UInt64.init) ?? .max,
            processes_max: processesMax.map(UInt64.init) ?? .max, open_files_max: UInt64(command.limits.openFiles))
        var bytes = withUnsafeBytes(of: header) { Array($0) }
        for string in [program, command.directory] + arguments + variables {
            guard !string.utf8.contains(0) else {
                throw ChildError(.invalidCommand, "the command or its environment holds a NUL, which ends every text")
            }
            guard bytes.count + string.utf8.count < Self.bytesMax else {
                throw ChildError(.invalidCommand, "the command and its environment are longer than 8 MiB")
            }
            bytes.append(contentsOf: string.utf8)
            bytes.append(0)
        }
        self.bytes = bytes
    }
}
