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
        Self.areEqual(left.subject, right.subject) && Self.areEqual(left.issuer, right.issuer)
    }

    private static func areEqual(_ left: String, _ right: String) -> Bool {
        left.utf8Span.span.withUnsafeBytes { left in
            right.utf8Span.span.withUnsafeBytes { right in
                left.count == right.count && left.elementsEqual(right)
            }
        }
    }

    public func hash(into hasher: inout Hasher) {
        Self.hash(self.subject, into: &hasher)
        Self.hash(self.issuer, into: &hasher)
    }

    private static func hash(_ part: String, into hasher: inout Hasher) {
        hasher.combine(part.utf8.count)
        part.utf8Span.span.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension Principal: CustomStringConvertible {
    public var description: String { "\(self.subject)@\(self.issuer)" }
}
