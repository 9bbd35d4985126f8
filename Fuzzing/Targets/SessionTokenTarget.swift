import Crypto
package import Torpor
import TorporCore
import TorporProtocol

extension FuzzTarget {
    /// Of all texts only those that were sealed open, and they open to what was sealed.
    static let sessionToken = FuzzTarget(
        "session-token", lengthMax: 200,
        dictionary: ["A", "_", "-", "=", "==", "+", "/", "AQ"]
    ) { input throws(PropertyViolation) in
        let opened = SessionToken.open(input, with: TokenKeys.sealing, lifetime: TokenKeys.lifetime)
        let sealed = TokenKeys.tokens.first { Array($0.sealed.utf8) == input }
        guard let opened else {
            try require(sealed == nil, "what was sealed opens", escaped(input))
            return input.count == SessionToken.textCount ? "refused" : "refused for its length"
        }
        try require(sealed != nil, "only what was sealed opens", escaped(input))
        try require(sealed?.token == opened, "a token opens to what was sealed", "\(opened)")
        return "opened"
    }
}

/// Keys that are the same in every process, and what they have sealed.
package enum TokenKeys {
    private static let newest = SymmetricKey(data: [UInt8](repeating: 1, count: 32))
    private static let older = SymmetricKey(data: [UInt8](repeating: 2, count: 32))

    static let sealing = SealingKeys([newest, older])
    /// How long the tokens are honoured.
    static let lifetime = Duration.seconds(3_600)

    /// Keys of one secret of 32 bytes.
    static func keys(of secret: [UInt8]) -> SealingKeys { SealingKeys([SymmetricKey(data: secret)]) }

    /// Tokens that open under ``sealing``, of every revision; the seeds of the corpus are theirs.
    package static let tokens: [(token: SessionToken, sealed: String)] = ProtocolRevision.allCases.flatMap { revision in
        [(UInt128(1), newest), (UInt128.max, older)].map { id, key in
            let created = WallTime(milliseconds: id == 1 ? 0 : 1_790_000_000_000)
            let token = SessionToken(
                id: id, created: created, revision: revision,
                capabilities: ClientCapabilities(rawValue: id == 1 ? 0 : .max),
                owner: id == 1 ? OwnerDigest(nil) : OwnerDigest(bits: .max), store: 7, expiry: created + lifetime)
            return (token, token.sealed(by: SealingKeys([key])))
        }
    }
}
