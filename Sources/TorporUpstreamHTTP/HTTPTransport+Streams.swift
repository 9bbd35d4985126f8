import NIOCore
import NIOHTTP1
import TorporProtocol
import TorporUpstream

/// The stream on which a legacy server says what belongs to no request.
struct StandingStream {
    var exchange: Exchange?
    /// When it is opened again.
    var retry: Scheduled<Void>?
    var failuresInARow = 0
    /// Where the server may go on.
    var lastEventID: String?
    /// The server has none, or has forgotten the session.
    var isRefused = false
}

extension HTTPTransport {
    /// The longest wait before a stream is opened again.
    private static var retryMax: TimeAmount { .seconds(60) }
    /// Tries to go on with a request's stream that bring nothing, until it is given up.
    private static var resumptionsMax: Int { 5 }
    /// How long a stream may stay open when its request was answered.
    private static var afterAnswer: TimeAmount { .seconds(5) }

    // MARK: The standing stream

    /// Opens the stream of a legacy session (2025-11-25, transports, listening for messages).
    func openStream() {
        guard self.settings.hasStream, !self.loop.value.isClosed, let revision = self.loop.value.revision,
            revision.era == .legacy
        else { return }
        // A session that was begun anew has another one.
        if let old = self.loop.value.stream.exchange {
            guard old.session != self.loop.value.session else { return }
            self.cancel(old)
        }
        self.loop.value.stream.retry?.cancel()
        if self.loop.value.stream.isRefused || self.loop.value.stream.exchange != nil {
            self.loop.value.stream = StandingStream()
        }
        guard self.client.takeStream(to: self.host) else { return self.reopenStream(after: Self.retryMax) }
        let exchange = self.exchange(.stream, holdsStream: true)
        self.loop.value.stream.exchange = exchange
        self.start(exchange, .GET, self.streamHeaders(revision, lastEventID: self.loop.value.stream.lastEventID))
    }

    private func streamHeaders(_ revision: ProtocolRevision, lastEventID: String?) -> HTTPHeaders {
        var headers = self.ownHeaders
        headers.add(name: "Accept", value: "text/event-stream")
        self.addSession(revision, to: &headers)
        if let lastEventID { headers.add(name: "Last-Event-ID", value: lastEventID) }
        return headers
    }

    func streamEnded(_ exchange: Exchange, _ error: UpstreamError?) {
        guard self.loop.value.stream.exchange === exchange else { return }
        self.loop.value.stream.exchange = nil
        if let id = exchange.lastEventID { self.loop.value.stream.lastEventID = id }
        if let error, error.code != .ended, error.code != .unavailable, error.code != .overloaded {
            // 405 where the server has no stream, 404 where it has forgotten the session, which the next request
            // learns.
            self.loop.value.stream.isRefused = true
            return
        }
        let stream = self.loop.value.stream
        self.loop.value.stream.failuresInARow = exchange.hasEvents ? 0 : stream.failuresInARow + 1
        let delay = exchange.retryMilliseconds.map { TimeAmount.milliseconds(Int64($0)) }
        self.reopenStream(after: delay ?? .seconds(1 << min(stream.failuresInARow, 6)))
    }

    private func reopenStream(after delay: TimeAmount) {
        let delay = min(max(delay, .milliseconds(100)), Self.retryMax)
        self.loop.value.stream.retry = self.eventLoop.scheduleTask(in: delay) { self.openStream() }
    }

    // MARK: Streams of requests

    /// A request was answered. Its stream should end now; one that does not is ended here, which costs its connection.
    func answered(_ exchange: Exchange) {
        exchange.afterAnswer = self.eventLoop.scheduleTask(in: Self.afterAnswer) { self.cancel(exchange) }
    }

    /// Goes on with a request's stream that has ended before the answer, where the server offers that.
    /// - Returns: `false` when it does not, or when it has brought nothing for too long.
    func resume(_ number: RequestNumber, _ exchange: Exchange, _ error: UpstreamError?) -> Bool {
        guard let revision = self.loop.value.revision, revision.era == .legacy, !self.loop.value.isClosed,
            let lastEventID = exchange.lastEventID, error == nil || error?.code == .ended || error?.code == .unavailable
        else { return false }
        let failures = exchange.hasEvents ? 0 : exchange.failuresInARow + 1
        guard failures < Self.resumptionsMax else { return false }
        let delay = TimeAmount.milliseconds(Int64(exchange.retryMilliseconds ?? 1_000))
        let wait = min(max(delay, .milliseconds(10)), Self.retryMax)
        self.loop.value.resuming[number] = self.eventLoop.scheduleTask(in: wait) {
            self.loop.value.resuming[number] = nil
            let next = self.exchange(.request(number, isInitialize: false))
            next.goesOn(from: exchange, failuresInARow: failures)
            self.loop.value.requests[number] = next
            self.start(next, .GET, self.streamHeaders(revision, lastEventID: lastEventID))
        }
        return true
    }
}
