/// What streams to clients may hold. Reaching a limit is an answer to the one who reaches it.
public struct StreamLimits: Sendable {
    /// Messages of one stream that wait for its client; then whoever writes waits. A larger message may wait alone.
    /// Default 16 KiB.
    public var queueMax = ByteCount.kibibytes(16)
    /// Messages of one stream of a session kept for a client that comes back; older ones are forgotten. 0 turns
    /// resumption off. Default 64 KiB.
    public var replayMax = ByteCount.kibibytes(64)
    /// The bytes of all streams together; beyond it log messages and progress are dropped, and questions fail. Default
    /// 64 MiB.
    public var totalMax = ByteCount.mebibytes(64)
    /// The largest message beside an answer: a log message, a question. Default 256 KiB.
    public var messageMax = ByteCount.kibibytes(256)
    /// How long what a session's stream said last is kept for a client that comes back. Default 2 min.
    public var resumeGrace = Duration.seconds(120)
    /// When a client whose connection is closed on purpose should come back. Default 1 s.
    public var retryAfter = Duration.seconds(1)

    /// Streams of one session that are open or can be resumed; one more GET is answered 429. Default 8.
    public var streamsMax = 8
    /// Open `subscriptions/listen` of one principal, or of one address of anonymous callers; one more is answered 429.
    /// Default 1,000.
    public var listensMax = 1_000
    /// Sessions that hold preferences or streams. The coldest one that holds nothing but preferences is ended for a new
    /// one; if there is none, the new one is answered 503. Default 100,000.
    public var sessionsMax = 100_000
    /// URIs that one session, or one listen request, may subscribe to. Default 1,000.
    public var subscriptionsMax = 1_000
    /// The bytes of these URIs. Default 64 KiB.
    public var subscriptionBytesMax = ByteCount.kibibytes(64)
    /// Questions to the client of one session that wait for an answer. Default 32.
    public var questionsMax = 32
    /// How long a client may take to repeat a request with what it was asked for (2026-07-28). Default 1 h.
    public var answerWithin = Duration.seconds(3_600)
    /// The messages of one batch (2025-03-26). Default 100.
    public var batchMax = 100
    /// Log messages of one call within a second; further ones are dropped. Default 200.
    public var logsPerSecondMax = 200

    public init() {}

    var requestStream: StreamBuffer.Limits { StreamBuffer.Limits(queueBytesMax: self.queueMax.bytes) }
    var resumableStream: StreamBuffer.Limits {
        StreamBuffer.Limits(queueBytesMax: self.queueMax.bytes, replayBytesMax: self.replayMax.bytes)
    }
}
