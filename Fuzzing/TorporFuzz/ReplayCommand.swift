import ArgumentParser
import Foundation
import TorporFuzzing

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Checks inputs from files, each once.",
        discussion: "Says what came of each. Exits with 1 when a property does not hold; a trap ends it as it would.")

    @Argument(help: "The target.") var target: FuzzTarget
    @Argument(help: "Files, each with one input.", completion: .file()) var files: [String]

    func run() throws {
        var isBroken = false
        for file in self.files {
            let input = [UInt8](try Data(contentsOf: URL(filePath: file)))
            do {
                print("\(file): \(try self.target.check(input))")
            } catch {
                print("\(file): \(error)\n  input: \"\(escaped(input))\"")
                isBroken = true
            }
        }
        if isBroken { throw ExitCode.failure }
    }
}
