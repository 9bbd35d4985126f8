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

extension Principal {
    /// Byte for byte: subjects that merely look alike are different.
    public static func == (left: Principal, right: Principal) -> Bool {
        left.subject.utf8.elementsEqual(right.subject.utf8) && left.issuer.utf8.elementsEqual(right.issuer.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        for part in [self.subject, self.issuer] {
            hasher.combine(part.utf8.count)
            for byte in part.utf8 { hasher.combine(byte) }
        }
    }
}

extension Principal: CustomStringConvertible {
    public var description: String { "\(self.subject)@\(self.issuer)" }
}
