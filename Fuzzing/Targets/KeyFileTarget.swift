import Torpor
import TorporCore
import TorporProtocol

extension FuzzTarget {
    /// The first key of a key file seals, every key opens, and no refusal tells a key.
    static let keyFile = FuzzTarget(
        "key-file", shape: .lines,
        dictionary: [
            "1789000000 ", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
            "# ", "-1 ", "+1 ", "9223372036854775808 ", "\r\n",
        ]
    ) { input throws(PropertyViolation) in
        try file.with(input) { path throws(PropertyViolation) in
            let keys: SealingKeys
            do throws(KeyFileError) {
                keys = try KeyFile(path: path).load()
            } catch {
                let reason = error.description.replacing(path, with: "")
                for word in String(decoding: input, as: UTF8.self).split(whereSeparator: \.isWhitespace)
                where word.utf8.count >= 40 {
                    try require(!reason.contains(word), "a refusal tells no key", reason)
                }
                return reason.filter { !$0.isNumber }
            }
            let secrets = String(decoding: input, as: UTF8.self).split(separator: "\n")
                .filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").last }
            try require(!secrets.isEmpty, "a key file has a key")
            let token = TokenKeys.tokens[0].token
            let sealed = Array(token.sealed(by: keys).utf8)
            try require(
                SessionToken.open(sealed, with: keys, lifetime: TokenKeys.lifetime) == token,
                "what the first key seals opens")
            for text in secrets {
                guard let secret = Base64.decodeURLSafe(Array(text.utf8)), secret.count == 32 else {
                    throw PropertyViolation("only keys of 256 bits are taken")
                }
                let older = token.sealed(by: TokenKeys.keys(of: secret))
                let opened = SessionToken.open(Array(older.utf8), with: keys, lifetime: TokenKeys.lifetime)
                try require(opened == token, "every key of the file opens")
            }
            return "\(min(secrets.count, 3)) keys"
        }
    }
}

private let file = ScratchFile()
