/// One request: its head and body bytes in one array; everything else is ranges into it.
package struct HTTPRequest: Sendable, Equatable {
    /// The head as sent, then the body without chunked framing.
    package var bytes: [UInt8]
    package var head: HTTPRequestHead
    /// Where the body lies in `bytes`; empty when there is none.
    package var body: Range<Int>

    package init(bytes: [UInt8], head: HTTPRequestHead, body: Range<Int>) {
        self.bytes = bytes
        self.head = head
        self.body = body
    }
}
