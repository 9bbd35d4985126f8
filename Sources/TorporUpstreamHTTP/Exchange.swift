import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TorporProtocol
import TorporUpstream

/// Takes the answer to one HTTP request in, as it comes.
///
/// Everything but the initializer runs on the transport's event loop.
final class Exchange: HTTPClientResponseDelegate, @unchecked Sendable {
    // Safe: its state is touched on one event loop alone, which the client calls delegates on.

    enum Purpose {
        /// A request of ours, or the rest of its answer.
        case request(RequestNumber, isInitialize: Bool)
        /// A notification, or an answer to the server.
        case message
        /// `notifications/initialized`.
        case greeting
        /// The stream of a legacy server for what belongs to no request.
        case stream
        case farewell
    }

    /// What is being read.
    fileprivate enum Body {
        case head
        case events(ServerSentEventParser)
        case json([UInt8])
        /// Of an answer that is no success; only so much of it as an error can need.
        case refusal([UInt8])
        /// Nothing that matters.
        case dropped
    }

    private static let refusalMax = 64 << 10

    let purpose: Purpose
    let size: Int
    /// The session that the request named.
    let session: String?
    /// Whether it counts among the streams that stay open.
    let holdsStream: Bool
    private let transport: HTTPTransport
    private let messageMax: Int
    private var body = Body.head
    private(set) var status = HTTPResponseStatus.ok
    private(set) var task: HTTPClient.Task<Void>?
    private(set) var lastEventID: String?
    private(set) var retryMilliseconds: Int?
    /// Whether anything has come since the request was made.
    private(set) var hasEvents = false
    private(set) var isAnswered = false
    /// How often in a row the request's stream was gone on with for nothing, before this.
    private(set) var failuresInARow = 0
    /// Ends the stream when its request was answered long enough ago.
    var afterAnswer: Scheduled<Void>?
    private var isOver = false
    private var isSent = false

    init(
        _ purpose: Purpose, size: Int, session: String?, holdsStream: Bool, transport: HTTPTransport, messageMax: Int
    ) {
        self.purpose = purpose
        self.size = size
        self.session = session
        self.holdsStream = holdsStream
        self.transport = transport
        self.messageMax = messageMax
    }

    func began(_ task: HTTPClient.Task<Void>) { self.task = task }

    /// It is the rest of a stream that has ended too early.
    func goesOn(from exchange: Exchange, failuresInARow: Int) {
        self.lastEventID = exchange.lastEventID
        self.retryMilliseconds = exchange.retryMilliseconds
        self.failuresInARow = failuresInARow
    }

    /// Nothing more of it is wanted.
    func cancel() {
        self.isOver = true
        self.noteSent()
        self.task?.cancel()
    }

    var number: RequestNumber? {
        if case .request(let number, _) = self.purpose { number } else { nil }
    }

    // MARK: What goes

    func didSendRequest(task: HTTPClient.Task<Void>) { self.noteSent() }

    /// Its bytes do not wait any more, whether they were sent or not.
    private func noteSent() {
        guard !self.isSent else { return }
        self.isSent = true
        self.transport.sent(self.size)
    }

    // MARK: What comes

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        guard !self.isOver else { return task.eventLoop.makeSucceededVoidFuture() }
        self.status = head.status
        let type = head.headers.first(name: "Content-Type")?.lowercased() ?? ""
        switch (head.status.code, self.purpose) {
        case (200, .request), (200, .stream):
            if type.hasPrefix("text/event-stream") {
                self.body = .events(ServerSentEventParser(eventBytesMax: self.messageMax))
            } else if type.hasPrefix("application/json") {
                self.body = .json([])
            } else {
                self.body = .refusal([])
            }
        case (200...299, .message), (200...299, .greeting), (_, .farewell): self.body = .dropped
        default: self.body = .refusal([])
        }
        if case .request(_, isInitialize: true) = self.purpose, head.status == .ok {
            self.transport.began(session: head.headers.first(name: "Mcp-Session-Id"))
        }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        guard !self.isOver else { return task.eventLoop.makeSucceededVoidFuture() }
        switch self.body {
        case .head, .dropped: break
        case .events(var parser):
            self.body = .head  // So that the parser is the only owner of what it holds.
            let events: [ServerSentEventParser.Event]
            do {
                events = try parser.parse(Array(buffer: buffer))
            } catch {
                self.fail(self.tooLarge)
                break
            }
            self.body = .events(parser)
            for event in events { self.take(event) }
        case .json(var held):
            self.body = .head
            guard held.count + buffer.readableBytes <= self.messageMax else {
                self.fail(self.tooLarge)
                break
            }
            held.append(contentsOf: buffer.readableBytesView)
            self.body = .json(held)
        case .refusal(var held):
            self.body = .head
            held.append(contentsOf: buffer.readableBytesView.prefix(Self.refusalMax - held.count))
            self.body = .refusal(held)
        }
        return self.transport.mayReadOn
    }

    private func take(_ event: ServerSentEventParser.Event) {
        self.hasEvents = true
        if let id = event.id { self.lastEventID = id.isEmpty ? nil : id }
        if let retry = event.retryMilliseconds { self.retryMilliseconds = retry }
        guard !event.data.isEmpty, event.name == "message", !self.isOver else { return }
        var data = event.data
        data.replaceLineEnds()
        self.deliver(data)
    }

    private func deliver(_ bytes: [UInt8]) {
        let message = IncomingMessage(bytes, stream: self.number)
        if let number, message.answeredRequest == number {
            self.isAnswered = true
            self.transport.answered(self)
        }
        self.transport.received(message)
    }

    private var tooLarge: UpstreamError {
        UpstreamError(.tooLarge, "The server's answer is larger than the limit of \(self.messageMax) bytes.")
    }

    /// Gives the rest up.
    private func fail(_ error: UpstreamError) {
        guard !self.isOver else { return }
        self.cancel()
        self.transport.ended(self, error)
    }

    // MARK: Its end

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        guard !self.isOver else { return }
        self.isOver = true
        self.noteSent()
        var error: UpstreamError?
        switch self.body {
        case .head, .dropped, .events: break
        case .json(var bytes):
            bytes.replaceLineEnds()
            self.deliver(bytes)
        case .refusal(let bytes): error = self.refused(bytes)
        }
        self.transport.ended(self, error)
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        guard !self.isOver else { return }
        self.isOver = true
        self.noteSent()
        self.transport.ended(self, UpstreamError(transport: error, hasBegun: self.body.hasBegun))
    }

    /// Why the server did not do what it was asked to. What it says as JSON-RPC goes the way of answers.
    private func refused(_ bytes: [UInt8]) -> UpstreamError? {
        let code = self.status.code
        if code == 404, self.session != nil {
            return UpstreamError(.sessionLost, "The server has forgotten its session.")
        }
        if case .request(_, isInitialize: true) = self.purpose { self.transport.refused(initialize: self.status) }
        if code != 401, code != 403, let number, let answer = RefusalBody.answer(bytes, to: number) {
            self.deliver(answer)
            return nil
        }
        guard !(200...299).contains(code) else {
            return UpstreamError(.refused, "The server answers neither with JSON nor with an event stream.")
        }
        return UpstreamError(status: self.status)
    }
}

extension Exchange.Body {
    fileprivate var hasBegun: Bool {
        if case .head = self { false } else { true }
    }
}
