package import TorporProtocol

/// A request to a foreign server.
package struct UpstreamRequest: Sendable {
    package var method: String
    package var params: UpstreamParams
    /// How long the server may take, without the time in which it waits for an answer of its own.
    package var timeLimit: Duration
    /// For a modern server: what the one on whose behalf this is can do; `nil` for what the session was opened with.
    package var capabilities: ClientCapabilities?
    /// For a modern server: what it may log during the request; `nil` for what
    /// ``UpstreamSession/setLevel(_:timeLimit:)`` said last.
    package var logLevel: LogLevel?
    /// The arguments that go into headers as well, over HTTP.
    package var mirrored: [MirroredArgument] = []

    package init(_ method: String, _ params: UpstreamParams = .none, timeLimit: Duration) {
        self.method = method
        self.params = params
        self.timeLimit = timeLimit
    }
}
