import ArgumentParser
import Foundation
import TorporFuzzing
import TorporTestSupport

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Fuzzes a target.",
        discussion: """
            Without --guided: mutations by seed, without coverage; the last line is a row of the table. With --guided, \
            in a build with libFuzzer: coverage decides what is kept; what follows -- goes to libFuzzer. An input that \
            breaks a property, or at which the target traps, is written to the folder of findings, and the exit status \
            is 1.
            """)

    @Argument(help: "The target.") var target: FuzzTarget
    @Option(help: "How long, in seconds.") var seconds = 60
    @Option(help: "The seed; drawn, and printed, unless it is given.") var seed: UInt64?
    @Option(help: "Where findings are written.", completion: .directory) var findings = ".build/fuzz/findings"
    @Flag(help: "Let libFuzzer decide, by coverage.") var guided = false
    @Flag(help: .hidden) var worker = false
    @Argument(parsing: .postTerminator, help: "Arguments of libFuzzer.") var libFuzzerArguments: [String] = []

    func run() throws {
        guard self.seconds > 0 else { throw ValidationError("--seconds must be positive") }
        if self.guided {
            try GuidedRun.run(self.target, arguments: self.libFuzzerArguments)
        } else if self.worker {
            try self.work()
        } else {
            try self.supervise()
        }
    }

    private var lastInput: String { "\(self.findings)/\(self.target.name).last" }

    /// Runs the campaign in another process, so that a trap leaves somebody to tell of it.
    private func supervise() throws {
        try FileManager.default.createDirectory(atPath: self.findings, withIntermediateDirectories: true)
        let seed = self.seed ?? UInt64.random(in: 0...(.max))
        print("\(self.target.name): seed \(seed)")
        fflush(nil)  // Before what the other process prints.
        let process = try Process.run(
            itself,
            arguments: [
                "run", self.target.name, "--seconds", "\(self.seconds)", "--seed", "\(seed)", "--findings",
                self.findings, "--worker",
            ]
        ) { _ in }
        process.waitUntilExit()
        defer { try? FileManager.default.removeItem(atPath: self.lastInput) }  // It may never have been made.
        if process.terminationReason == .uncaughtSignal {
            let input = try LastInput.read(self.lastInput)
            try self.report(input, "trap, signal \(process.terminationStatus)")
        }
        guard process.terminationStatus == 0, process.terminationReason == .exit else { throw ExitCode.failure }
    }

    private func work() throws {
        let lastInput = try LastInput(at: self.lastInput)
        let clock = ContinuousClock()
        let start = clock.now
        let end = start + .seconds(self.seconds)
        do throws(Campaign.Finding) {
            var campaign = try Campaign(
                self.target, corpus: Self.corpus(of: self.target), seed: self.seed ?? 0, willCheck: lastInput.note)
            while clock.now < end { try campaign.step(willCheck: lastInput.note) }
            let seconds = (clock.now - start).components.seconds
            print("| \(self.target.name) | \(campaign.executionCount) | \(seconds) | \(campaign.corpusCount) | | 0 |")
        } catch {
            try self.report(error.input, error.violation.description)
            throw ExitCode.failure
        }
    }

    private static func corpus(of target: FuzzTarget) -> [[UInt8]] {
        do {
            return try Corpus.inputs(of: target)
        } catch {
            print("\(target.name): no corpus, starting from nothing: \(error)")
            return []
        }
    }

    private func report(_ input: [UInt8], _ reason: String) throws {
        let name = String(SeededGenerator(seededBy: input).state, radix: 16)
        let path = "\(self.findings)/\(self.target.name)-\(name)"
        try Data(input).write(to: URL(filePath: path))
        print("\(self.target.name): \(reason)\n  input: \"\(escaped(input))\"\n  written to \(path)")
    }
}
