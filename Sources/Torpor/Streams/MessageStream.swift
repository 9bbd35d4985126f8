import Synchronization

/// Messages on their way to one client: of a call, a subscription, a session, or a whole channel.
///
/// Any task may write; one reader, the transport, takes the messages when the client reads. Everything that leaves a
/// call leaves through here, so this is where it will wait for what it reveals to be durable.
package final class MessageStream: Sendable {
    /// How a stream that can be resumed names its messages.
    package struct Identity: Sendable {
        let session: UInt128
        let number: UInt64
        let keys: SealingKeys
        let worker: UInt32
        /// Whether the stream begins with an event that has nothing but an id (from 2025-11-25).
        package let isPrimed: Bool

        /// What a client sends as `Last-Event-ID` to go on after a message.
        package func eventID(after sequence: UInt32) -> String {
            SealedName(worker: self.worker, number: self.number, part: sequence)
                .text(for: .event, in: self.session, by: self.keys)
        }
    }

    private struct State {
        var buffer: StreamBuffer
        var wake: (@Sendable () -> Void)?
        var writers: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var nextWriter: UInt64 = 0
        /// When it ended, or lost its reader: in seconds of the dispatcher's sweep.
        var idleSince: Int?
    }

    /// `nil` for streams that cannot be resumed.
    package let identity: Identity?
    private let budget: ByteBudget
    private let state: Mutex<State>

    init(limits: StreamBuffer.Limits, identity: Identity? = nil, budget: ByteBudget) {
        self.identity = identity
        self.budget = budget
        self.state = Mutex(State(buffer: StreamBuffer(limits: limits)))
    }

    deinit { self.budget.release(self.state.withLock { $0.buffer.bytes }) }

    // MARK: Writing

    /// Why a message was not taken.
    package enum Refusal: Error, Sendable {
        /// Nobody reads the stream any more, and nobody will.
        case closed
        /// All streams together hold as many bytes as they may.
        case overloaded
    }

    /// Adds a message; waits while the client is slow.
    /// - Throws: ``Refusal``, or `CancellationError` when the task was cancelled while waiting.
    package func send(_ message: [UInt8]) async throws {
        while try self.append(message, key: nil) == .full { try await self.room(for: message.count) }
    }

    /// Adds a message, if there is room at once or one of its key waits already.
    @discardableResult
    package func offer(_ message: [UInt8], key: ChangeKey? = nil) -> Bool {
        // Refused is what the caller asks about.
        switch try? self.append(message, key: key) {
        case .stored, .merged: true
        case .full, .closed, nil: false
        }
    }

    private func append(_ message: [UInt8], key: ChangeKey?) throws(Refusal) -> StreamBuffer.Append {
        let (outcome, wake) = try self.change(adding: message.count) { state in
            state.buffer.append(message, key: key)
        }
        if outcome == .closed { throw .closed }
        if outcome == .stored { wake?() }
        return outcome
    }

    /// Ends the stream with a last message, unless it has ended already.
    /// - Parameter short: Said in its stead when all streams together hold as much as they may; a few hundred bytes.
    /// - Returns: Whether this ended it.
    @discardableResult
    package func end(with message: [UInt8]? = nil, orShort short: [UInt8]? = nil) -> Bool {
        let isFirst: Bool
        let wake: (@Sendable () -> Void)?
        do {
            (isFirst, wake) = try self.change(adding: message?.count ?? 0) { $0.buffer.end(with: message) }
        } catch {
            let grown: Int
            (isFirst, wake, grown) = self.state.withLock { state in
                let before = state.buffer.bytes
                return (state.buffer.end(with: short), state.wake, state.buffer.bytes - before)
            }
            self.budget.take(grown)
        }
        if isFirst { wake?() }
        self.resumeWriters()
        return isFirst
    }

    /// Changes the buffer and keeps the common budget in step with its bytes.
    private func change<Outcome: Sendable>(
        adding count: Int, _ body: (inout State) -> Outcome
    ) throws(Refusal) -> (Outcome, (@Sendable () -> Void)?) {
        // More than the entry can take; what it does not take is given back.
        let reserved = count + 128
        guard self.budget.reserve(reserved) else { throw .overloaded }
        let (outcome, wake, grown) = self.state.withLock { state in
            let before = state.buffer.bytes
            let outcome = body(&state)
            return (outcome, state.wake, state.buffer.bytes - before)
        }
        self.budget.release(reserved - grown)
        return (outcome, wake)
    }

    private func room(for count: Int) async throws {
        let name = self.state.withLock { state in
            state.nextWriter += 1
            return state.nextWriter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isLate = self.state.withLock { state in
                    if Task.isCancelled || state.buffer.hasRoom(for: count) || state.buffer.isClosed { return true }
                    state.writers[name] = continuation
                    return false
                }
                guard isLate else { return }
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    continuation.resume()
                }
            }
        } onCancel: {
            self.state.withLock { $0.writers.removeValue(forKey: name) }?.resume(throwing: CancellationError())
        }
    }

    private func resumeWriters() {
        let writers = self.state.withLock { state in
            defer { state.writers = [:] }
            return state.writers
        }
        for writer in writers.values { writer.resume() }
    }

    // MARK: Reading

    /// Becomes the stream's reader.
    /// - Parameters:
    ///   - sequence: The last message that the client has seen, if it comes back.
    ///   - wake: Called, on any thread, when there may be something to take.
    /// - Returns: The reader's number; `nil` when the stream cannot go on after `sequence`.
    package func attach(after sequence: UInt32? = nil, wake: @escaping @Sendable () -> Void) -> UInt32? {
        let (number, superseded) = self.state.withLock { state in
            let number = state.buffer.attach(after: sequence)
            guard number != nil else { return (number, nil as (@Sendable () -> Void)?) }
            state.idleSince = nil
            defer { state.wake = wake }
            return (number, state.wake)
        }
        superseded?()
        return number
    }

    /// The bytes of the message that comes next; 0 when none waits.
    package var nextCount: Int { self.state.withLock { $0.buffer.nextCount } }

    /// Takes the next message.
    package func next(_ reader: UInt32) -> StreamBuffer.Next {
        let (next, freed, hasWriters) = self.state.withLock { state in
            let before = state.buffer.bytes
            let next = state.buffer.next(reader)
            return (next, before - state.buffer.bytes, !state.writers.isEmpty)
        }
        self.budget.release(freed)
        if hasWriters { self.resumeWriters() }
        return next
    }

    /// The reader has gone.
    package func detach(_ reader: UInt32) {
        let freed = self.state.withLock { state in
            let before = state.buffer.bytes
            state.buffer.detach(reader)
            if !state.buffer.isAttached { state.wake = nil }
            return before - state.buffer.bytes
        }
        self.budget.release(freed)
        self.resumeWriters()
    }

    /// Nobody will read, unless somebody does already or comes back: what is written is kept if the stream can be
    /// resumed, and dropped otherwise.
    package func abandonUnlessRead() {
        let freed = self.state.withLock { state in
            let before = state.buffer.bytes
            state.buffer.abandonUnlessRead()
            return before - state.buffer.bytes
        }
        self.budget.release(freed)
        self.resumeWriters()
    }

    /// Asks the reader to close the connection and the client to come back later.
    package func release(retryMilliseconds: Int) {
        let wake = self.state.withLock { state in
            state.buffer.release(retryMilliseconds: retryMilliseconds) ? state.wake : nil
        }
        wake?()
    }

    // MARK: What becomes of it

    /// Whether everything has been said and sent.
    var isDrained: Bool { self.state.withLock { $0.buffer.isDrained } }
    package var isAttached: Bool { self.state.withLock { $0.buffer.isAttached } }
    var isClosed: Bool { self.state.withLock { $0.buffer.isClosed } }

    /// Whether nobody needs the stream any more: everything has been said, or a standalone stream has no reader, and it
    /// has been so for `grace` seconds.
    func isForgettable(at second: Int, grace: Int, isStandalone: Bool) -> Bool {
        self.state.withLock { state in
            guard state.buffer.hasEnded || (isStandalone && !state.buffer.isAttached) else {
                state.idleSince = nil
                return false
            }
            guard let since = state.idleSince else {
                state.idleSince = second
                return false
            }
            return second - since >= grace
        }
    }
}
