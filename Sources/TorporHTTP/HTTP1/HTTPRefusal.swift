/// Why a request is refused before it is understood.
///
/// Where the next request would begin is unknown after a refusal, so the connection is closed once it is answered.
package struct HTTPRefusal: Error, Equatable, Sendable {
    /// The HTTP status to answer with: 400, 413, 414, 417, 431, 501 or 505.
    package let status: Int
    /// One sentence for people. A constant: it never holds bytes of the request.
    package let reason: String

    package init(status: Int, reason: StaticString) {
        self.status = status
        self.reason = reason.description
    }
}

extension HTTPRefusal {
    /// The request breaks the grammar of HTTP/1.1, or could be read in two ways.
    static func malformed(_ reason: StaticString) -> HTTPRefusal { HTTPRefusal(status: 400, reason: reason) }
    /// The body is, or declares itself, larger than ``HTTPLimits/bodyBytesMax``.
    static var bodyTooLarge: HTTPRefusal { HTTPRefusal(status: 413, reason: "The body is too large.") }
    /// The request target is longer than ``HTTPLimits/targetBytesMax``.
    static var targetTooLong: HTTPRefusal { HTTPRefusal(status: 414, reason: "The request target is too long.") }
    /// The fields take more than ``HTTPLimits/headBytesMax``.
    static var fieldsTooLarge: HTTPRefusal { HTTPRefusal(status: 431, reason: "The header fields are too large.") }
    /// There are more fields than ``HTTPLimits/fieldCountMax``.
    static var tooManyFields: HTTPRefusal { HTTPRefusal(status: 431, reason: "There are too many header fields.") }
}
