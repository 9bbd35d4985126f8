/// Where the HTTP headers lie that the protocol defines, as ranges into the bytes that also hold the body.
///
/// Values are trimmed of surrounding blanks. A transport without headers (stdio, in memory) has none of this.
package struct MessageHeaders: Sendable, Equatable {
    package var protocolVersion: Range<Int>?
    package var method: Range<Int>?
    package var name: Range<Int>?
    package var sessionID: Range<Int>?

    package init(
        protocolVersion: Range<Int>? = nil, method: Range<Int>? = nil, name: Range<Int>? = nil,
        sessionID: Range<Int>? = nil
    ) {
        self.protocolVersion = protocolVersion
        self.method = method
        self.name = name
        self.sessionID = sessionID
    }
}
