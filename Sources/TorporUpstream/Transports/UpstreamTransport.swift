/// Carries messages to a foreign server and back.
///
/// Everything is told to one receiver, one message at a time and in the order of their arrival.
package protocol UpstreamTransport: AnyObject, Sendable {
    /// Whether each request has a stream of its own, on which its answer and what belongs to it come.
    var hasStreams: Bool { get }

    /// Begins to carry. Called once, before anything else; the receiver may be called before it returns.
    func open(_ receiver: any UpstreamReceiver)

    /// Takes a message to send with the next ``flush()``; never waits, and never calls the receiver before it returns.
    ///
    /// The order of requests and notifications is kept where they share a stream.
    /// - Returns: `false` when too much waits to be sent already; then the message is not sent.
    func send(_ message: UpstreamMessage) -> Bool

    /// Sends what was taken. Never waits for the server; not to be called under a lock, which it may outlast.
    func flush()

    /// The rest of what comes on the request's own stream is not wanted.
    func closeStream(of request: RequestNumber)

    /// The handshake is done, for the first time or anew: a transport may have something of its own to begin now.
    func opened(_ server: UpstreamServer)

    /// Stops or resumes reading from the server, so that what waits here stays bounded.
    func setReading(_ isReading: Bool)

    /// Begins to end the conversation, in whatever way the server expects it; nothing more is told to the receiver.
    /// Never waits; doing it twice changes nothing.
    func close()

    /// Returns when everything that belongs to the transport is closed. To be called after ``close()``.
    func closed() async
}

/// Hears what a transport brings. Never called again after the transport has ended.
package protocol UpstreamReceiver: AnyObject, Sendable {
    func received(_ message: IncomingMessage)
    /// The request could not be brought to the server, or its answer not back.
    func requestFailed(_ request: RequestNumber, _ error: UpstreamError)
    /// Nothing more comes. The last call.
    func ended(_ error: UpstreamError)
}
