/// Who is calling: the subject of a verified token, and who vouches for it.
///
/// Two principals are the same only when both parts are. Names that a client tells about itself (`clientInfo`) never
/// make a principal.
public struct Principal: Hashable, Sendable {
    /// The subject, unique within its issuer.
    public let subject: String
    /// Who issued the token; `token-file` for static tokens.
    public let issuer: String

    public init(subject: String, issuer: String) {
        self.subject = subject
        self.issuer = issuer
    }
}

extension Principal: CustomStringConvertible {
    public var description: String { "\(self.subject)@\(self.issuer)" }
}
