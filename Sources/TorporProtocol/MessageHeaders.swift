/// Where the HTTP headers lie that the protocol defines, as ranges into the bytes that also hold the body.
///
/// Values are trimmed of surrounding blanks. A transport without headers (stdio, in memory) has none of this.
package struct MessageHeaders: Sendable, Equatable {
    package var protocolVersion: Range<Int>?
    package var method: Range<Int>?
    package var name: Range<Int>?
    package var sessionID: Range<Int>?
    /// `Last-Event-ID`, of a client that goes on with a stream.
    package var lastEventID: Range<Int>?
    /// The `Mcp-Param-*` headers in order, normally none.
    package var parameters: [Parameter] = []

    /// One `Mcp-Param-*` header: its name without that prefix, and its value.
    package struct Parameter: Sendable, Equatable {
        package let name: Range<Int>
        package let value: Range<Int>

        package init(name: Range<Int>, value: Range<Int>) {
            self.name = name
            self.value = value
        }
    }

    package init(
        protocolVersion: Range<Int>? = nil, method: Range<Int>? = nil, name: Range<Int>? = nil,
        sessionID: Range<Int>? = nil, lastEventID: Range<Int>? = nil, parameters: [Parameter] = []
    ) {
        self.protocolVersion = protocolVersion
        self.method = method
        self.name = name
        self.sessionID = sessionID
        self.lastEventID = lastEventID
        self.parameters = parameters
    }
}
