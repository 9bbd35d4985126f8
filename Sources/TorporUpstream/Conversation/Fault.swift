/// What a server can send that the protocol does not have. Contained: it harms no request but the one it belongs to.
package enum Fault: Sendable, Hashable, CaseIterable {
    /// Text that is no JSON; often a line that was meant for a log.
    case notJSON
    /// JSON that is no JSON-RPC message.
    case notMessage
    /// A message longer than the limit.
    case tooLong
    /// An answer to an id that was never asked, or that has been answered.
    case unknownAnswer
    /// An answer whose result is no object, or whose error is none.
    case badAnswer
    /// A request that a server of this revision may not make, or under an id that is still in use.
    case unexpectedRequest
    /// A notification whose parameters are not what its method needs.
    case badNotification
}

/// How often each fault was met.
package struct FaultCounts: Sendable, Equatable {
    private var counts: [Fault: Int] = [:]

    package init() {}

    package subscript(fault: Fault) -> Int { self.counts[fault] ?? 0 }
    package var total: Int { self.counts.values.reduce(0, +) }

    mutating func add(_ fault: Fault) { self.counts[fault, default: 0] += 1 }
}
