import ArgumentParser
import Foundation
import TorporFuzzing

struct MinimiseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "minimise", abstract: "Makes a failing input smaller and plainer.",
        discussion: """
            Writes the smallest input that fails in the same way to FILE.min. Each attempt that may trap runs in a \
            process of its own.
            """)

    @Argument(help: "The target.") var target: FuzzTarget
    @Argument(help: "A file with an input that fails.", completion: .file()) var file: String

    func run() throws {
        let input = [UInt8](try Data(contentsOf: URL(filePath: self.file)))
        let output = self.file + ".min"
        let smallest: [UInt8]
        switch try Attempt(self.target, input, at: output) {
        case .holds: throw ValidationError("every property holds for this input; there is nothing to minimise")
        case .breaks(let property):
            smallest = Minimiser.minimise(input) { candidate in
                do throws(PropertyViolation) {
                    _ = try self.target.check(candidate)
                    return false
                } catch {
                    return error.property == property
                }
            }
        case .traps:
            smallest = Minimiser.minimise(input) { candidate in
                if case .traps? = try? Attempt(self.target, candidate, at: output) { true } else { false }
            }
        }
        try Data(smallest).write(to: URL(filePath: output))
        print("\(output): \(smallest.count) bytes of \(input.count): \"\(escaped(smallest))\"")
    }

    /// What comes of an input, seen from another process.
    private enum Attempt {
        case holds, breaks(String), traps

        init(_ target: FuzzTarget, _ input: [UInt8], at path: String) throws {
            try Data(input).write(to: URL(filePath: path))
            let process = try Process.run(itself, arguments: ["replay", target.name, path]) { $0.silence() }
            process.waitUntilExit()
            guard process.terminationReason == .exit else {
                self = .traps
                return
            }
            do throws(PropertyViolation) {
                _ = try target.check(input)  // The other process came through it, so this one will.
                self = .holds
            } catch {
                self = .breaks(error.property)
            }
        }
    }
}

/// This program's file.
let itself = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()

extension Process {
    /// Runs a program.
    /// - Parameter prepare: Changes the process before it starts.
    static func run(_ program: URL, arguments: [String], prepare: (Process) -> Void) throws -> Process {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        // A trap is an expected end here; its backtrace would take seconds.
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        prepare(process)
        try process.run()
        return process
    }

    func silence() {
        self.standardOutput = FileHandle.nullDevice
        self.standardError = FileHandle.nullDevice
    }
}
