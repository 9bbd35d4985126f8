import DequeModule
import Synchronization

/// A transport whose other end is in the same process, for tests: what is sent waits for ``next()``, and what the
/// server says is said with ``say(_:stream:)``.
package final class MemoryTransport: UpstreamTransport {
    private struct State {
        var receiver: (any UpstreamReceiver)?
        var sent: Deque<UpstreamMessage> = []
        var reader: CheckedContinuation<UpstreamMessage?, Never>?
        var closers: [CheckedContinuation<Void, Never>] = []
        var closedStreams: [RequestNumber] = []
        var isReading = true
        var isFull = false
        var isClosed = false
    }

    private let state = Mutex(State())
    package let hasStreams: Bool

    package init(hasStreams: Bool = false) { self.hasStreams = hasStreams }

    // MARK: The server's end

    /// The next message that was sent to the server; `nil` when the conversation has ended.
    package func next() async -> UpstreamMessage? {
        await withCheckedContinuation { continuation in
            let known = self.state.withLock { state -> UpstreamMessage?? in
                if let message = state.sent.popFirst() { return message }
                if state.isClosed { return .some(nil) }
                precondition(state.reader == nil, "one reader at a time")
                state.reader = continuation
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// The server says this.
    package func say(_ text: String, stream: RequestNumber? = nil) {
        self.receiver?.received(IncomingMessage(Array(text.utf8), stream: stream))
    }

    /// A message of the server is lost on the way, being too long.
    package func sayTooMuch(for request: RequestNumber?) {
        self.receiver?.received(IncomingMessage(tooLongFor: request))
    }

    /// A request cannot be brought to the server.
    package func fail(_ request: RequestNumber, _ error: UpstreamError) { self.receiver?.requestFailed(request, error) }

    /// The server goes away.
    package func end(_ error: UpstreamError = UpstreamError(.ended, "The server has gone.")) {
        let receiver = self.receiver
        self.finish()
        receiver?.ended(error)
    }

    /// Whether messages are still taken.
    package func setFull(_ isFull: Bool) { self.state.withLock { $0.isFull = isFull } }

    package var closedStreams: [RequestNumber] { self.state.withLock { $0.closedStreams } }
    package var isReading: Bool { self.state.withLock { $0.isReading } }
    package var isClosed: Bool { self.state.withLock { $0.isClosed } }

    private var receiver: (any UpstreamReceiver)? { self.state.withLock { $0.receiver } }

    // MARK: The client's end

    package func open(_ receiver: any UpstreamReceiver) { self.state.withLock { $0.receiver = receiver } }

    package func send(_ message: UpstreamMessage) -> Bool {
        let (isTaken, reader) = self.state.withLock { state in
            if state.isFull { return (false, nil as CheckedContinuation<UpstreamMessage?, Never>?) }
            if state.isClosed { return (true, nil) }
            if let reader = state.reader.take() { return (true, reader) }
            state.sent.append(message)
            return (true, nil)
        }
        reader?.resume(returning: message)
        return isTaken
    }

    package func flush() {}
    package func closeStream(of request: RequestNumber) { self.state.withLock { $0.closedStreams.append(request) } }
    package func opened(_ server: UpstreamServer) {}
    package func setReading(_ isReading: Bool) { self.state.withLock { $0.isReading = isReading } }
    package func close() { self.finish() }

    private func finish() {
        let (reader, closers) = self.state.withLock { state in
            state.isClosed = true
            state.receiver = nil
            defer { state.closers = [] }
            return (state.reader.take(), state.closers)
        }
        reader?.resume(returning: nil)
        for closer in closers { closer.resume() }
    }

    package func closed() async {
        await withCheckedContinuation { continuation in
            let isClosed = self.state.withLock { state in
                if !state.isClosed { state.closers.append(continuation) }
                return state.isClosed
            }
            if isClosed { continuation.resume() }
        }
    }
}
