/// The bounds of one conversation with a foreign server.
package struct UpstreamLimits: Sendable, Equatable {
    /// The longest message of the server, in bytes; a longer one is dropped without being held. Default 16 MiB.
    package var messageMax = 16 << 20
    /// Our requests that may be under way at once; one more is refused. Default 256.
    package var requestsMax = 256
    /// Requests of the server that may be under way at once; one more is answered with an error. Default 32.
    package var asksMax = 32
    /// Bytes of those requests, as their messages were long. Default 16 MiB.
    package var askBytesMax = 16 << 20
    /// How long the requests of a server for one call may keep that call's time limit from running. Default 15 minutes.
    package var askedTimeMax: Duration = .seconds(900)
    /// Faults without a good message between them that end the conversation. Default 100.
    package var faultsInARowMax = 100
    /// How long a server may be silent to the question which era it speaks, before it is taken for a legacy one as
    /// well. Default 5 seconds.
    package var probeTimeLimit: Duration = .seconds(5)
    /// Resources that may be subscribed to at once, of a modern server. Default 1,024.
    package var subscriptionsMax = 1_024
    /// Notices of one request that may wait for its observer; progress is then left out, logs are dropped. Default 64.
    package var noticesMax = 64
    /// Bytes of those notices, as their messages were long; one alone may be longer. Default 1 MiB.
    package var noticeBytesMax = 1 << 20
    /// Bytes of answers that were not taken yet, above which no more is read from the server. Default 32 MiB.
    package var untakenBytesMax = 32 << 20
    /// Entries of one list, over all its pages. Default 10,000.
    package var listEntriesMax = 10_000
    /// Bytes of all pages of one list. Default 8 MiB.
    package var listBytesMax = 8 << 20

    package init() {}
}
