import ArgumentParser
import Glibc
import Testing
import Torpor
import TorporHTTP

@testable import TorporCLI

@Suite struct KeysCommandTests {
    /// Rotates a file whose keys were replaced so many days ago.
    private func rotate(_ arguments: [String], replacedDaysAgo days: [Int]) throws -> Int {
        let path = "/tmp/torpor-keys-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        let now = Int(time(nil))
        // A key is replaced when the one in the line before is made; nobody sees when the last one was made.
        var lines = days.map { "\(now - $0 * 86_400) \(Self.secret)" }
        lines.append("1 \(Self.secret)")
        try PrivateFile.write(lines.joined(separator: "\n"), to: path, mayReplace: false)
        try KeysCommand.RotateCommand.parse(["--key-file", path] + arguments).run()
        let text = try PrivateFile.read(path, sizeMax: .mebibytes(1))
        return text.split(separator: "\n").count { !$0.hasPrefix("#") }
    }

    private static let secret = String(repeating: "A", count: 43)

    @Test func aKeyIsKeptForAsLongAsStateOfASessionThatItSealed() throws {
        // The new one, the one that it replaces, and the one that was replaced six days ago.
        #expect(try self.rotate([], replacedDaysAgo: [6, 8]) == 3)
        let command = try KeysCommand.RotateCommand.parse(["--key-file", "x"])
        let served = try ServeConfiguration(ConfigurationSources(flags: [:], environment: [:], file: nil))
        #expect(Duration(parsing: command.retention) == served.state.retention)
        #expect(served.state.retention >= served.sessionLifetime)
    }

    @Test func howLongIsSaid() throws {
        #expect(try self.rotate(["--retention", "24h"], replacedDaysAgo: [6, 8]) == 2)
        #expect(try self.rotate(["--retention", "30d"], replacedDaysAgo: [6, 8]) == 4)
    }

    @Test(arguments: ["", "7", "-1d", "0s"])
    func whatIsNoDurationIsRefused(text: String) {
        #expect(throws: (any Error).self) { try self.rotate(["--retention=\(text)"], replacedDaysAgo: [1]) }
    }
}
