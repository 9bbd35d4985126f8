import DequeModule

/// Decides what one stream to a client holds: messages that wait to be sent, and of those sent the newest, for a client
/// that comes back.
///
/// Holds no task, clock or socket. Bytes are bounded while adding: a message enters only where it fits, or in the place
/// of older ones.
package struct StreamBuffer: Sendable {
    package struct Limits: Sendable, Equatable {
        /// Messages that wait for an attached reader. One larger message may wait alone. In bytes.
        package var queueBytesMax: Int
        /// Messages kept for a reader that comes back, sent or not; 0 for streams that cannot be resumed. The newest
        /// message is kept whatever its size until it has been sent. In bytes.
        package var replayBytesMax: Int

        package init(queueBytesMax: Int, replayBytesMax: Int = 0) {
            precondition(queueBytesMax > 0 && replayBytesMax >= 0, "a stream holds at least one message")
            self.queueBytesMax = queueBytesMax
            self.replayBytesMax = replayBytesMax
        }
    }

    package struct Entry: Sendable, Equatable {
        /// Counts the stream's messages from 1.
        package let sequence: UInt32
        package let message: [UInt8]
        /// Names what the message tells; while it waits, another of the same key adds nothing.
        package let key: ChangeKey?
    }

    package enum Append: Equatable, Sendable {
        /// It waits to be sent; the reader, if there is one, has to be woken.
        case stored
        /// A message of the same key waits already.
        case merged
        /// The reader is slow: try again when there is room.
        case full
        /// Nobody will read it.
        case closed
    }

    package enum Next: Equatable, Sendable {
        case message(Entry)
        /// Everything has been sent; more may come.
        case nothing
        /// Everything has been sent and nothing will come.
        case ended
        /// The reader is asked to leave and to come back after so many milliseconds.
        case released(retryMilliseconds: Int)
        /// Another reader has taken its place.
        case superseded
    }

    private enum Reader: Equatable {
        /// Nobody has read yet; somebody will.
        case expected
        /// Reads now. The number tells readers apart.
        case attached(UInt32)
        /// Has left. Next: `attached`, if the stream can be resumed.
        case detached
    }

    /// What an entry takes beside its message. In bytes.
    private static let entryOverhead = 64

    private let limits: Limits
    private var entries: Deque<Entry> = []
    /// How many of `entries`, from the front, have been sent.
    private var sentCount = 0
    private var waitingBytes = 0
    private var lastSequence: UInt32 = 0
    private var waitingKeys: Set<ChangeKey> = []
    private var reader = Reader.expected
    private var readerCount: UInt32 = 0
    private var retryMilliseconds: Int?
    /// Whether everything has been said.
    package private(set) var hasEnded = false

    /// Bytes held, entries' overhead included.
    package private(set) var bytes = 0

    package init(limits: Limits) { self.limits = limits }

    package var isResumable: Bool { self.limits.replayBytesMax > 0 }
    package var isAttached: Bool { if case .attached = self.reader { true } else { false } }
    /// Whether everything has been said and sent.
    package var isDrained: Bool { self.hasEnded && self.sentCount == self.entries.count }
    /// Whether nothing can be said any more.
    package var isClosed: Bool { self.hasEnded || (self.reader == .detached && !self.isResumable) }

    // MARK: The writer

    /// Whether a message of `count` bytes could be taken now.
    package func hasRoom(for count: Int) -> Bool {
        self.reader == .detached || self.waitingBytes == 0
            || self.waitingBytes + Self.size(count) <= self.limits.queueBytesMax
    }

    package mutating func append(_ message: [UInt8], key: ChangeKey? = nil) -> Append {
        guard !self.isClosed else { return .closed }
        if let key, self.waitingKeys.contains(key) { return .merged }
        // What has a key is short, and bounded by the number of keys.
        guard key != nil || self.hasRoom(for: message.count) else { return .full }
        self.store(message, key)
        return .stored
    }

    /// Ends the stream, with a last message that is taken whatever waits before it.
    /// - Returns: `false` when it had ended before; then nothing changes.
    package mutating func end(with message: [UInt8]?) -> Bool {
        guard !self.hasEnded else { return false }
        if let message, !self.isClosed { self.store(message, nil) }
        self.hasEnded = true
        return true
    }

    private mutating func store(_ message: [UInt8], _ key: ChangeKey?) {
        let size = Self.size(message.count)
        if self.isResumable { self.makeRoomToReplay(size) }
        // A channel may live for more messages than are counted. Then places before the turn are gone.
        self.lastSequence &+= 1
        self.entries.append(Entry(sequence: self.lastSequence, message: message, key: key))
        if let key { self.waitingKeys.insert(key) }
        self.bytes += size
        self.waitingBytes += size
    }

    /// Forgets the oldest messages: those that were sent, and while nobody reads, others too.
    private mutating func makeRoomToReplay(_ size: Int) {
        while self.bytes + size > self.limits.replayBytesMax, !self.entries.isEmpty {
            guard self.sentCount > 0 || self.reader == .detached else { return }
            self.forgetFirst()
        }
    }

    private mutating func forgetFirst() {
        let entry = self.entries.removeFirst()
        let size = Self.size(entry.message.count)
        self.bytes -= size
        if self.sentCount > 0 {
            self.sentCount -= 1
        } else {
            self.waitingBytes -= size
            if let key = entry.key { self.waitingKeys.remove(key) }
        }
    }

    private static func size(_ count: Int) -> Int { count + Self.entryOverhead }

    // MARK: The reader

    /// A reader arrives; one that was there is superseded.
    /// - Parameter sequence: The last message that it has seen; `nil` when it goes on where the stream stands.
    /// - Returns: Its number, for ``next(_:)`` and ``detach(_:)``; `nil` when messages after `sequence` are gone, or
    ///   there never was such a message.
    package mutating func attach(after sequence: UInt32?) -> UInt32? {
        if let sequence {
            let first = self.entries.first?.sequence ?? self.lastSequence &+ 1
            guard sequence <= self.lastSequence, sequence &+ 1 >= first else { return nil }
            self.rewind(to: Int(sequence &+ 1 - first))
        }
        self.readerCount &+= 1
        // The first reader may be asked to leave before it has come.
        if self.reader != .expected { self.retryMilliseconds = nil }
        self.reader = .attached(self.readerCount)
        return self.readerCount
    }

    /// Makes the entries from `index` on wait again.
    private mutating func rewind(to index: Int) {
        self.sentCount = index
        self.waitingBytes = 0
        self.waitingKeys = []
        for entry in self.entries.dropFirst(index) {
            self.waitingBytes += Self.size(entry.message.count)
            if let key = entry.key { self.waitingKeys.insert(key) }
        }
    }

    /// The bytes of the message that comes next; 0 when none waits.
    package var nextCount: Int {
        self.sentCount < self.entries.count ? self.entries[self.sentCount].message.count : 0
    }

    package mutating func next(_ number: UInt32) -> Next {
        guard self.reader == .attached(number) else { return .superseded }
        if self.sentCount < self.entries.count {
            let entry = self.entries[self.sentCount]
            let size = Self.size(entry.message.count)
            self.waitingBytes -= size
            if let key = entry.key { self.waitingKeys.remove(key) }
            if self.isResumable {
                self.sentCount += 1
                // What is larger than the bound is kept until it has been sent, and no longer.
                while self.bytes > self.limits.replayBytesMax, self.sentCount > 0 { self.forgetFirst() }
            } else {
                self.entries.removeFirst()
                self.bytes -= size
            }
            return .message(entry)
        }
        if let retryMilliseconds = self.retryMilliseconds {
            return .released(retryMilliseconds: retryMilliseconds)
        }
        return self.hasEnded ? .ended : .nothing
    }

    /// Asks the reader to leave and to come back after a while.
    /// - Returns: Whether there is a reader, and the stream can be resumed.
    package mutating func release(retryMilliseconds: Int) -> Bool {
        guard self.isResumable, self.isAttached || self.reader == .expected else { return false }
        self.retryMilliseconds = retryMilliseconds
        return true
    }

    /// The reader that was expected will not come.
    package mutating func abandonUnlessRead() {
        guard self.reader == .expected else { return }
        self.leave()
    }

    /// A reader has left. What it did not read is kept if the stream can be resumed, and dropped otherwise.
    package mutating func detach(_ number: UInt32) {
        guard self.reader == .attached(number) else { return }
        self.leave()
    }

    private mutating func leave() {
        self.reader = .detached
        self.retryMilliseconds = nil
        guard !self.isResumable else { return }
        self.entries = []
        self.waitingKeys = []
        self.bytes = 0
        self.waitingBytes = 0
    }
}

/// Names a change to a subscriber, so that a slow reader is told of it once.
package struct ChangeKey: Hashable, Sendable {
    package let subscriber: UInt64
    package let name: String

    package init(subscriber: UInt64, name: String) {
        self.subscriber = subscriber
        self.name = name
    }
}
