import Glibc
import Torpor

/// A token file that goes when it is no longer needed.
final class TemporaryTokens: Sendable {
    let path: String

    init(_ principals: [String]) throws {
        self.path = "/tmp/torpor-tokens-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let lines = principals.map { "\($0) \(TestOptions.token(of: $0))\n" }
        try PrivateFile.write(lines.joined(), to: self.path, mayReplace: false)
    }

    deinit { unlink(self.path) }
}
