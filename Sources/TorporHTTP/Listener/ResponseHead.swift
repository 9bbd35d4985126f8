import NIOCore
import TorporJSON
import TorporProtocol

/// Writes the heads of answers straight into the outgoing buffer.
enum ResponseHead {
    /// Fields that some answers carry beside the usual ones.
    struct Extras {
        var sessionID: String?
        var retryAfterSeconds: Int?
        var challenge = false
        var allow: StaticString?
        /// The origin of a web page that may read the answer, as bytes.
        var origin: ArraySlice<UInt8>?
        var isPreflight = false
    }

    /// What follows the head.
    enum Body {
        /// JSON of so many bytes, or nothing.
        case bytes(Int)
        /// Events, in chunks; without chunks, until the connection closes.
        case events(hasChunks: Bool)
        /// A stream that ends without an event.
        case noEvents
    }

    static func write(
        _ buffer: inout ByteBuffer, status: Int, body: Body, date: [UInt8], keepsAlive: Bool, extras: Extras
    ) {
        self.writeStatus(&buffer, status)
        buffer.writeBytes(date)
        switch body {
        case .bytes(let count):
            if count > 0 { buffer.writeStaticString("Content-Type: application/json\r\n") }
            // 204 and 202 have no body; only 204 may not say so.
            if status != 204 {
                buffer.writeStaticString("Content-Length: ")
                self.writeDecimal(&buffer, count)
                buffer.writeStaticString("\r\n")
            }
        case .events(let hasChunks):
            self.writeEventFields(&buffer)
            if hasChunks { buffer.writeStaticString("Transfer-Encoding: chunked\r\n") }
        case .noEvents:
            self.writeEventFields(&buffer)
            buffer.writeStaticString("Content-Length: 0\r\n")
        }
        if !keepsAlive { buffer.writeStaticString("Connection: close\r\n") }
        self.writeExtras(&buffer, extras)
        buffer.writeStaticString("\r\n")
    }

    /// Nobody on the way may keep the events back (2026-07-28, transports, responses).
    private static func writeEventFields(_ buffer: inout ByteBuffer) {
        buffer.writeStaticString(
            "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n")
    }

    private static func writeStatus(_ buffer: inout ByteBuffer, _ status: Int) {
        switch status {
        case 200: buffer.writeStaticString("HTTP/1.1 200 OK\r\n")
        case 202: buffer.writeStaticString("HTTP/1.1 202 Accepted\r\n")
        default:
            buffer.writeStaticString("HTTP/1.1 ")
            self.writeDecimal(&buffer, status)
            buffer.writeStaticString(" ")
            buffer.writeStaticString(self.reason(status))
            buffer.writeStaticString("\r\n")
        }
    }

    private static func writeExtras(_ buffer: inout ByteBuffer, _ extras: Extras) {
        if let id = extras.sessionID { buffer.writeString("Mcp-Session-Id: \(id)\r\n") }
        if let seconds = extras.retryAfterSeconds { buffer.writeString("Retry-After: \(seconds)\r\n") }
        if extras.challenge { buffer.writeStaticString("WWW-Authenticate: Bearer\r\n") }
        if let allow = extras.allow {
            buffer.writeStaticString("Allow: ")
            buffer.writeStaticString(allow)
            buffer.writeStaticString("\r\n")
        }
        guard let origin = extras.origin else { return }
        buffer.writeStaticString("Access-Control-Allow-Origin: ")
        buffer.writeBytes(origin)
        buffer.writeStaticString(
            "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: Mcp-Session-Id, WWW-Authenticate, Retry-After\r\n")
        guard extras.isPreflight else { return }
        buffer.writeStaticString("Access-Control-Allow-Methods: POST, GET, DELETE\r\nAccess-Control-Max-Age: 600\r\n")
        buffer.writeStaticString(
            "Access-Control-Allow-Headers: Content-Type, Accept, Authorization, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID\r\n"
        )
    }

    private static func writeDecimal(_ buffer: inout ByteBuffer, _ number: Int) {
        var digits: (UInt64, Int) = (0, 0)
        var rest = number
        // At most ten digits, so two words would do; numbers here are far below.
        if number < 100_000_000 {
            repeat {
                digits.0 = digits.0 << 8 | UInt64(0x30 + rest % 10)
                digits.1 += 1
                rest /= 10
            } while rest > 0
            for _ in 0..<digits.1 {
                buffer.writeInteger(UInt8(truncatingIfNeeded: digits.0))
                digits.0 >>= 8
            }
        } else {
            buffer.writeString(String(number))
        }
    }

    static func reason(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 202: "Accepted"
        case 204: "No Content"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Unknown"
        }
    }
}
