import TorporCore

// What the connection takes of the bytes that all connections share.
extension MCPConnection {
    /// Requests and answers up to this size need no share of the common budget: they are bounded by the number of
    /// connections. In bytes.
    static let smallMax = 16 << 10

    /// What an event, or an answer of a connection that is no stream, of `count` bytes takes from the common budget.
    static func share(of count: Int) -> Int { count > Self.smallMax ? count : 0 }

    /// What a request or its whole answer takes from the common budget. The streams of a connection are many, so all of
    /// their bytes count.
    func wholeShare(of count: Int) -> Int { self.isStream ? count : Self.share(of: count) }

    /// Changes this connection's share of the common budget to `count` bytes.
    /// - Returns: `false`, and nothing has changed, when that is more than there is.
    @discardableResult
    func reserveForBody(_ count: Int) -> Bool {
        guard count != self.reservedForBody else { return true }
        if count > self.reservedForBody {
            guard self.listener.buffers.reserve(count - self.reservedForBody) else { return false }
        } else {
            self.listener.buffers.release(self.reservedForBody - count)
        }
        self.reservedForBody = count
        return true
    }

    /// Hands the request's share of the common budget to a call that outlives it.
    func takeShareOfBody() -> Int {
        defer { self.reservedForBody = 0 }
        return self.reservedForBody
    }

    /// Adds to this connection's share of the common budget what an answer takes.
    func reserveForAnswer(_ count: Int) -> Bool {
        guard self.listener.buffers.reserve(count) else { return false }
        self.reservedForAnswer += count
        return true
    }

    func releaseAnswer() {
        self.listener.buffers.release(self.reservedForAnswer)
        self.reservedForAnswer = 0
    }
}
