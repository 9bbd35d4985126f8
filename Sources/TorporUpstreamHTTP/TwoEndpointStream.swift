import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TorporProtocol
import TorporUpstream

/// The stream of a ``TwoEndpointTransport``: takes in what the server says, as it comes.
///
/// Everything runs on the transport's event loop.
final class TwoEndpointStream: HTTPClientResponseDelegate, @unchecked Sendable {
    // Safe: its state is touched on one event loop alone, which the client calls delegates on.

    private let transport: TwoEndpointTransport
    private let messageMax: Int
    /// `nil` until the head has come that begins a stream.
    private var parser: ServerSentEventParser?
    private var refusal: UpstreamError?
    private var task: HTTPClient.Task<Void>?
    private var isOver = false

    init(_ transport: TwoEndpointTransport, messageMax: Int) {
        self.transport = transport
        self.messageMax = messageMax
    }

    func began(_ task: HTTPClient.Task<Void>) { self.task = task }

    /// Nothing more of it is wanted.
    /// - Returns: Fulfilled when nothing is left of it.
    func cancel() -> EventLoopFuture<Void>? {
        self.isOver = true
        self.task?.cancel()
        return self.task?.futureResult
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let type = head.headers.first(name: "Content-Type")?.lowercased() ?? ""
        if head.status != .ok {
            self.refusal = UpstreamError(status: head.status)
        } else if type.hasPrefix("text/event-stream") {
            self.parser = ServerSentEventParser(eventBytesMax: self.messageMax)
        } else {
            self.refusal = UpstreamError(.refused, "The server answers a GET without an event stream.")
        }
        // What else it says of that is not waited for.
        if let refusal { self.end(refusal) }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        guard !self.isOver, var parser = self.parser.take() else { return task.eventLoop.makeSucceededVoidFuture() }
        let events: [ServerSentEventParser.Event]
        do {
            events = try parser.parse(Array(buffer: buffer))
        } catch {
            // Where the next event begins is unknown.
            self.end(
                UpstreamError(
                    .tooLarge, "The server sent more at once than the limit of \(self.messageMax) bytes."))
            return task.eventLoop.makeSucceededVoidFuture()
        }
        self.parser = parser
        for event in events { self.take(event) }
        return self.transport.mayReadOn
    }

    private func take(_ event: ServerSentEventParser.Event) {
        guard !self.isOver, !event.data.isEmpty else { return }
        switch event.name {
        case "endpoint": self.transport.heard(endpoint: event.data)
        case "message":
            var data = event.data
            data.replaceLineEnds()
            self.transport.received(IncomingMessage(data))
        default: break
        }
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        self.end(UpstreamError(.ended, "The server has ended its stream, and the conversation with it."))
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        self.end(UpstreamError(transport: error, hasBegun: self.parser != nil))
    }

    private func end(_ error: UpstreamError) {
        guard !self.isOver else { return }
        self.isOver = true
        self.transport.end(error)
    }
}

/// A message of a ``TwoEndpointTransport`` on its way to the server.
final class TwoEndpointPost: HTTPClientResponseDelegate, @unchecked Sendable {
    // Safe: its state is touched on one event loop alone, which the client calls delegates on.

    let message: UpstreamMessage
    private let transport: TwoEndpointTransport
    private var status = HTTPResponseStatus.accepted
    private var task: HTTPClient.Task<Void>?
    private var isOver = false

    init(_ transport: TwoEndpointTransport, _ message: UpstreamMessage) {
        self.transport = transport
        self.message = message
    }

    func began(_ task: HTTPClient.Task<Void>) { self.task = task }

    /// - Returns: Fulfilled when nothing is left of it.
    func cancel() -> EventLoopFuture<Void>? {
        self.isOver = true
        self.task?.cancel()
        return self.task?.futureResult
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        self.status = head.status
        return task.eventLoop.makeSucceededVoidFuture()
    }

    // What the body says comes on the stream, too, if it is of the protocol.
    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        switch self.status.code {
        case 200...299: self.end(nil)
        case 404, 410: self.end(UpstreamError(.sessionLost, "The server does not know the conversation any more."))
        default: self.end(UpstreamError(status: self.status))
        }
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        self.end(UpstreamError(transport: error, hasBegun: false))
    }

    private func end(_ error: UpstreamError?) {
        guard !self.isOver else { return }
        self.isOver = true
        self.transport.ended(self, error)
    }
}
