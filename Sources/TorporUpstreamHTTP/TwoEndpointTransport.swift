import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import TorporCore
import TorporProtocol
package import TorporUpstream

/// Talks to a server over HTTP as of revision 2024-11-05: all that the server says comes on one stream of events, which
/// a GET opens, and each message to it is a POST to where the first event of that stream says (2024-11-05, transports,
/// HTTP with SSE).
///
/// The stream is the conversation: when it ends, so does everything, and nothing can be gone on with. There is no
/// session id, and the server is taken leave of by ending the stream.
package final class TwoEndpointTransport: UpstreamTransport {
    /// Touched on the event loop alone.
    struct Loop {
        var receiver: (any UpstreamReceiver)?
        var stream: TwoEndpointStream?
        /// Where messages go; `nil` until the server has said so.
        var endpoint: String?
        /// What is to be sent when that is known, or when the handshake is done.
        var waiting: [UpstreamMessage] = []
        /// The last message of the handshake is on its way: what comes after it waits.
        var isGreeting = false
        /// The messages under way.
        var posts: [ObjectIdentifier: TwoEndpointPost] = [:]
        /// Fulfilled when reading goes on; `nil` while it does.
        var readOn: EventLoopPromise<Void>?
        var holdsStream = false
        var isClosed = false
    }

    private let client: HTTPUpstreamClient
    private let settings: HTTPUpstreamSettings
    private let eventLoop: any EventLoop
    private let loop: NIOLoopBoundBox<Loop>
    private let unsentBytes: UnsentBytes
    private let isClosed: EventLoopPromise<Void>

    /// How long the server may take to take a message. Its answer to a request comes on the stream, at its time.
    private static let postTimeLimit = TimeAmount.seconds(30)

    package let hasStreams = false

    init(_ client: HTTPUpstreamClient, _ settings: HTTPUpstreamSettings, on eventLoop: any EventLoop) {
        self.client = client
        self.settings = settings
        self.unsentBytes = UnsentBytes(limit: settings.unsentMax)
        self.eventLoop = eventLoop
        self.loop = NIOLoopBoundBox.makeBoxSendingValue(Loop(), eventLoop: eventLoop)
        self.isClosed = eventLoop.makePromise()
    }

    package func open(_ receiver: any UpstreamReceiver) {
        self.eventLoop.execute {
            guard !self.loop.value.isClosed else { return }
            self.loop.value.receiver = receiver
            self.openStream()
        }
    }

    private func openStream() {
        guard self.client.takeStream(to: self.settings.host) else {
            return self.end(UpstreamError(.overloaded, "As many streams to the server are open as there may be."))
        }
        self.loop.value.holdsStream = true
        var headers = self.settings.ownHeaders
        headers.add(name: "Accept", value: "text/event-stream")
        let stream = TwoEndpointStream(self, messageMax: self.settings.messageMax)
        do {
            let request = try HTTPClient.Request(url: self.settings.url, method: .GET, headers: headers)
            self.loop.value.stream = stream
            stream.began(
                self.client.http.execute(request: request, delegate: stream, eventLoop: .delegate(on: self.eventLoop)))
        } catch {
            self.end(UpstreamError(.refused, "\"\(self.settings.url.prefix(80))\" is no URL of a server."))
        }
    }

    // MARK: Sending

    package func send(_ message: UpstreamMessage) -> Bool {
        let isTaken = self.unsentBytes.take(message.body.count)
        if isTaken { self.eventLoop.execute { self.post(message) } }
        return isTaken
    }

    /// Nothing is left to do: messages are on their way when they are taken.
    package func flush() {}

    /// Requests have no streams of their own.
    package func closeStream(of request: RequestNumber) {}

    /// There is nothing to begin.
    package func opened(_ server: UpstreamServer) {}

    private func sent(_ bytes: Int) { self.unsentBytes.giveBack(bytes) }

    private func post(_ message: UpstreamMessage) {
        guard !self.loop.value.isClosed else { return self.sent(message.body.count) }
        guard let endpoint = self.loop.value.endpoint, !self.loop.value.isGreeting else {
            return self.loop.value.waiting.append(message)
        }
        var headers = self.settings.ownHeaders
        headers.add(name: "Content-Type", value: "application/json")
        let post = TwoEndpointPost(self, message)
        let request: HTTPClient.Request
        do {
            request = try HTTPClient.Request(
                url: endpoint, method: .POST, headers: headers, body: .byteBuffer(ByteBuffer(bytes: message.body)))
        } catch {
            self.sent(message.body.count)
            return self.end(UpstreamError(.protocolFault, "What the server names as its endpoint is no URL."))
        }
        self.loop.value.isGreeting = message.method == "notifications/initialized"
        self.loop.value.posts[ObjectIdentifier(post)] = post
        post.began(
            self.client.http.execute(
                request: request, delegate: post, eventLoop: .delegate(on: self.eventLoop),
                deadline: .now() + Self.postTimeLimit))
    }

    private func postWaiting() {
        let waiting = self.loop.value.waiting
        self.loop.value.waiting = []
        for message in waiting { self.post(message) }
    }

    /// A message is with the server, or is not going to be.
    func ended(_ post: TwoEndpointPost, _ error: UpstreamError?) {
        guard self.loop.value.posts.removeValue(forKey: ObjectIdentifier(post)) != nil else { return }
        self.sent(post.message.body.count)
        if let error {
            // Of the conversation: the server does not know it any more, so its stream is of no use.
            if error.code == .sessionLost { return self.end(UpstreamError(.ended, error.message)) }
            if case .request(let number) = post.message.kind {
                self.loop.value.receiver?.requestFailed(number, error)
            }
        }
        guard post.message.method == "notifications/initialized" else { return }
        self.loop.value.isGreeting = false
        self.postWaiting()
    }

    // MARK: Receiving

    /// The server says where messages are to go.
    func heard(endpoint: [UInt8]) {
        // It does so once.
        guard self.loop.value.endpoint == nil, !self.loop.value.isClosed else { return }
        do throws(UpstreamError) {
            self.loop.value.endpoint = try EndpointReference.resolve(
                String(decoding: endpoint, as: UTF8.self), against: self.settings.url)
            self.postWaiting()
        } catch {
            self.end(error)
        }
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

    // MARK: The end

    /// The stream has ended, or is of no use: so is the conversation.
    func end(_ error: UpstreamError) {
        let receiver = self.loop.value.receiver
        self.loop.value.receiver = nil
        receiver?.ended(error)
        self.finish()
    }

    package func close() { self.eventLoop.execute { self.finish() } }

    private func finish() {
        guard !self.loop.value.isClosed else { return }
        self.loop.value.isClosed = true
        self.loop.value.receiver = nil
        for message in self.loop.value.waiting { self.sent(message.body.count) }
        self.loop.value.waiting = []
        let posts = self.loop.value.posts.values
        self.loop.value.posts = [:]
        for post in posts { self.sent(post.message.body.count) }
        if self.loop.value.holdsStream { self.client.releaseStream(to: self.settings.host) }
        self.loop.value.readOn.take()?.succeed()
        // However they end: nothing of them is left then.
        let ends = (posts.map { $0.cancel() } + [self.loop.value.stream?.cancel()]).compactMap { $0 }
        EventLoopFuture.andAllComplete(ends, on: self.eventLoop).cascade(to: self.isClosed)
    }

    package func closed() async {
        try? await self.isClosed.futureResult.get()  // It never fails.
    }
}
