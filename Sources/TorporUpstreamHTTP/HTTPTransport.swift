import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization
import TorporCore
import TorporProtocol
package import TorporUpstream

/// Talks to a server over Streamable HTTP, in either era: each message is a POST of its own, and a request's answer
/// comes as JSON or as a stream of events (transports, Streamable HTTP).
///
/// A legacy server's session is kept: its id goes with every message, and it is taken leave of at the end, whatever the
/// reason for that is. A stream that a legacy server breaks off before the answer is gone on with where it offers that
/// (2025-11-25, resumability).
package final class HTTPTransport: UpstreamTransport {
    /// Touched on the event loop alone.
    struct Loop {
        var receiver: (any UpstreamReceiver)?
        /// Everything under way.
        var exchanges: [ObjectIdentifier: Exchange] = [:]
        /// Requests under way, by their numbers.
        var requests: [RequestNumber: Exchange] = [:]
        /// Requests whose streams are to be gone on with, when their time comes.
        var resuming: [RequestNumber: Scheduled<Void>] = [:]
        var session: String?
        /// What both sides speak, once that is known.
        var revision: ProtocolRevision?
        /// The last message of the handshake is on its way: what comes after it waits.
        var isGreeting = false
        var waiting: [UpstreamMessage] = []
        var stream = StandingStream()
        /// Fulfilled when reading goes on; `nil` while it does.
        var readOn: EventLoopPromise<Void>?
        var isClosed = false
    }

    let client: HTTPUpstreamClient
    let settings: HTTPUpstreamSettings
    let host: String
    let eventLoop: any EventLoop
    let loop: NIOLoopBoundBox<Loop>
    private let unsentBytes: UnsentBytes
    private let isOlder = Atomic<Bool>(false)
    private let isClosed: EventLoopPromise<Void>

    package let hasStreams = true

    init(_ client: HTTPUpstreamClient, _ settings: HTTPUpstreamSettings, on eventLoop: any EventLoop) {
        self.client = client
        self.settings = settings
        self.unsentBytes = UnsentBytes(limit: settings.unsentMax)
        self.host = settings.host
        self.eventLoop = eventLoop
        self.loop = NIOLoopBoundBox.makeBoxSendingValue(Loop(), eventLoop: eventLoop)
        self.isClosed = eventLoop.makePromise()
    }

    package func open(_ receiver: any UpstreamReceiver) {
        self.eventLoop.execute { self.loop.value.receiver = receiver }
    }

    // MARK: Sending

    package func send(_ message: UpstreamMessage) -> Bool {
        let isTaken = self.unsentBytes.take(message.body.count)
        if isTaken { self.eventLoop.execute { self.post(message) } }
        return isTaken
    }

    /// Nothing is left to do: messages are on their way when they are taken.
    package func flush() {}

    private func post(_ message: UpstreamMessage) {
        guard !self.loop.value.isClosed else { return self.sent(message.body.count) }
        guard !self.loop.value.isGreeting else { return self.loop.value.waiting.append(message) }
        if message.method == "initialize" { self.loop.value.session = nil }
        let exchange: Exchange
        switch message.kind {
        case .request(let number):
            let isListening = message.method == "subscriptions/listen"
            guard !isListening || self.client.takeStream(to: self.host) else {
                self.sent(message.body.count)
                let error = UpstreamError(.overloaded, "As many streams to the server are open as there may be.")
                self.loop.value.receiver?.requestFailed(number, error)
                return
            }
            exchange = self.exchange(
                .request(number, isInitialize: message.method == "initialize"), size: message.body.count,
                holdsStream: isListening)
            self.loop.value.requests[number] = exchange
        case .notification where message.method == "notifications/initialized":
            self.loop.value.isGreeting = true
            exchange = self.exchange(.greeting, size: message.body.count)
        case .notification, .answer: exchange = self.exchange(.message, size: message.body.count)
        }
        // Who waits for a request ends it at its time; nobody waits for the others.
        let deadline: NIODeadline? = exchange.number == nil ? .now() + .seconds(30) : nil
        self.start(exchange, .POST, self.headers(of: message), ByteBuffer(bytes: message.body), deadline: deadline)
    }

    func exchange(_ purpose: Exchange.Purpose, size: Int = 0, holdsStream: Bool = false) -> Exchange {
        Exchange(
            purpose, size: size, session: self.loop.value.session, holdsStream: holdsStream, transport: self,
            messageMax: self.settings.messageMax)
    }

    func start(
        _ exchange: Exchange, _ method: HTTPMethod, _ headers: HTTPHeaders, _ body: ByteBuffer? = nil,
        deadline: NIODeadline? = nil
    ) {
        let request: HTTPClient.Request
        do {
            request = try HTTPClient.Request(
                url: self.settings.url, method: method, headers: headers, body: body.map { .byteBuffer($0) })
        } catch {
            self.sent(exchange.size)
            if exchange.holdsStream { self.client.releaseStream(to: self.host) }
            if let number = exchange.number {
                self.loop.value.requests[number] = nil
                self.loop.value.receiver?.requestFailed(
                    number, UpstreamError(.refused, "\"\(self.settings.url.prefix(80))\" is no URL of a server."))
            }
            return
        }
        self.loop.value.exchanges[ObjectIdentifier(exchange)] = exchange
        exchange.began(
            self.client.http.execute(
                request: request, delegate: exchange, eventLoop: .delegate(on: self.eventLoop), deadline: deadline))
    }

    /// So many bytes do not wait any more.
    func sent(_ bytes: Int) { self.unsentBytes.giveBack(bytes) }

    // MARK: Header fields

    private func headers(of message: UpstreamMessage) -> HTTPHeaders {
        var headers = self.ownHeaders
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Accept", value: "application/json, text/event-stream")
        guard let revision = message.revision else { return headers }
        self.addSession(revision, to: &headers)
        guard revision.era == .modern, !message.method.isEmpty else { return headers }
        headers.add(name: "Mcp-Method", value: message.method)
        if let name = message.name { headers.add(name: "Mcp-Name", value: HeaderValue.text(name)) }
        for argument in message.arguments {
            headers.add(name: "Mcp-Param-\(argument.header)", value: HeaderValue.text(argument.value))
        }
        return headers
    }

    var ownHeaders: HTTPHeaders { self.settings.ownHeaders }

    /// The revision, from that on that has a header for it, and the session.
    func addSession(_ revision: ProtocolRevision, to headers: inout HTTPHeaders) {
        if revision >= .v2025_06_18 { headers.add(name: "MCP-Protocol-Version", value: revision.rawValue) }
        guard revision.era == .legacy, let session = self.loop.value.session else { return }
        headers.add(name: "Mcp-Session-Id", value: session)
    }

    // MARK: An older server

    /// Whether the server has answered `initialize` as one of 2024-11-05 would, which takes no POST where it has its
    /// stream: ``TwoEndpointTransport`` may reach it (2025-03-26, transports, backwards compatibility).
    package var mayBeOlder: Bool { self.isOlder.load(ordering: .relaxed) }

    /// The server has refused `initialize`.
    func refused(initialize status: HTTPResponseStatus) {
        if [400, 404, 405].contains(status.code) { self.isOlder.store(true, ordering: .relaxed) }
    }

    // MARK: Receiving

    /// The server has begun a session, with or without an id.
    func began(session: String?) {
        // An id is visible ASCII (2025-11-25, transports, session management); anything else cannot be sent back.
        let isUsable = session.map { !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } } ?? false
        self.loop.value.session = isUsable ? session : nil
    }

    func received(_ message: IncomingMessage) { self.loop.value.receiver?.received(message) }

    /// Fulfilled when more may be read.
    var mayReadOn: EventLoopFuture<Void> {
        self.loop.value.readOn?.futureResult ?? self.eventLoop.makeSucceededVoidFuture()
    }

    package func setReading(_ isReading: Bool) {
        self.eventLoop.execute {
            if isReading {
                self.loop.value.readOn.take()?.succeed()
            } else if self.loop.value.readOn == nil, !self.loop.value.isClosed {
                self.loop.value.readOn = self.eventLoop.makePromise()
            }
        }
    }

    /// An exchange is over.
    func ended(_ exchange: Exchange, _ error: UpstreamError?) {
        guard self.loop.value.exchanges.removeValue(forKey: ObjectIdentifier(exchange)) != nil else { return }
        exchange.afterAnswer?.cancel()
        if exchange.holdsStream { self.client.releaseStream(to: self.host) }
        switch exchange.purpose {
        case .request(let number, _): self.requestEnded(number, exchange, error)
        case .greeting:
            self.loop.value.isGreeting = false
            let waiting = self.loop.value.waiting
            self.loop.value.waiting = []
            for message in waiting { self.post(message) }
            self.openStream()
        case .stream: self.streamEnded(exchange, error)
        case .message, .farewell: break
        }
    }

    private func requestEnded(_ number: RequestNumber, _ exchange: Exchange, _ error: UpstreamError?) {
        guard self.loop.value.requests[number] === exchange else { return }
        self.loop.value.requests[number] = nil
        if exchange.isAnswered { return }
        if self.resume(number, exchange, error) { return }
        self.loop.value.receiver?.requestFailed(
            number,
            error
                ?? UpstreamError(exchange.hasEvents ? .ended : .protocolFault, "The server ended its answer too early.")
        )
    }

    package func closeStream(of request: RequestNumber) {
        self.eventLoop.execute {
            self.loop.value.resuming.removeValue(forKey: request)?.cancel()
            guard let exchange = self.loop.value.requests.removeValue(forKey: request) else { return }
            self.cancel(exchange)
        }
    }

    func cancel(_ exchange: Exchange) {
        guard self.loop.value.exchanges.removeValue(forKey: ObjectIdentifier(exchange)) != nil else { return }
        exchange.afterAnswer?.cancel()
        if exchange.holdsStream { self.client.releaseStream(to: self.host) }
        exchange.cancel()
    }

    // MARK: The session

    package func opened(_ server: UpstreamServer) {
        self.eventLoop.execute {
            self.loop.value.revision = server.revision
            if !self.loop.value.isGreeting { self.openStream() }
        }
    }

    // MARK: The end

    package func close() {
        self.eventLoop.execute {
            guard !self.loop.value.isClosed else { return }
            self.loop.value.isClosed = true
            self.loop.value.receiver = nil
            for timer in self.loop.value.resuming.values { timer.cancel() }
            self.loop.value.resuming = [:]
            for message in self.loop.value.waiting { self.sent(message.body.count) }
            self.loop.value.waiting = []
            self.loop.value.stream.retry?.cancel()
            for exchange in self.loop.value.exchanges.values { self.cancel(exchange) }
            self.loop.value.requests = [:]
            self.loop.value.readOn.take()?.succeed()
            self.takeLeave()
        }
    }

    /// Tells a legacy server that its session is over.
    private func takeLeave() {
        let revision = self.loop.value.revision ?? .newestLegacy
        guard revision.era == .legacy, self.loop.value.session != nil else { return self.isClosed.succeed() }
        var headers = self.ownHeaders
        self.addSession(revision, to: &headers)
        let exchange = self.exchange(.farewell)
        self.start(
            exchange, .DELETE, headers,
            deadline: .now() + .nanoseconds(self.settings.farewellTimeLimit.wholeNanoseconds))
        guard let task = exchange.task else { return self.isClosed.succeed() }
        // Whatever the answer is: more cannot be done.
        task.futureResult.whenComplete { _ in self.isClosed.succeed() }
    }

    package func closed() async {
        try? await self.isClosed.futureResult.get()  // It never fails.
    }
}
