import Torpor
import TorporCore
import TorporHTTP

extension FuzzTarget {
    /// Whoever a token file names may call with that token and no other, and no refusal tells a token.
    static let tokenFile = FuzzTarget(
        "token-file", shape: .lines,
        dictionary: [
            "alice", "0123456789abcdef", "sha256:", "# ", " ", "\t", "\n", "\r\n",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ]
    ) { input throws(PropertyViolation) in
        let tokens = credentials(in: input)
        return try file.with(input) { path throws(PropertyViolation) in
            let tokenFile: TokenFile
            do throws(TokenFileError) {
                tokenFile = try TokenFile(path: path)
            } catch {
                let reason = error.description.replacing(path, with: "")
                for token in tokens.map(\.token) where token.utf8.count >= 16 {
                    try require(!reason.contains(token), "a refusal tells no token", reason)
                }
                return reason.filter { !$0.isNumber }
            }
            try require(tokenFile.count == tokens.count, "every line counts once", "\(tokenFile.count)")
            for (subject, token) in tokens where !token.utf8.starts(with: "sha256:".utf8) {
                let found = tokenFile.principal(of: Array(token.utf8))
                try require(
                    found?.issuer == TokenFile.issuer && found?.subject.utf8.elementsEqual(subject.utf8) == true,
                    "a token is its principal's", "\(found?.description ?? "nil"), \(subject)")
            }
            for token in tokens.map(\.token) {
                for other in [token + "a", String(token.unicodeScalars.dropLast()), token.uppercased() + "~"]
                where !tokens.contains(where: { $0.token.utf8.elementsEqual(other.utf8) }) {
                    try require(
                        tokenFile.principal(of: Array(other.utf8)) == nil, "any other token is nobody's", other)
                }
            }
            return "\(min(tokens.count, 3)) tokens"
        }
    }
}

private let file = ScratchFile()

/// What a file says if it is one: on each line a principal and a token.
private func credentials(in input: [UInt8]) -> [(subject: String, token: String)] {
    input.split(separator: UInt8(ascii: "\n")).compactMap { line in
        let parts = line.split { " \t\r".utf8.contains($0) }.map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 2, parts[0].utf8.first != UInt8(ascii: "#") else { return nil }
        return (parts[0], parts[1])
    }
}
