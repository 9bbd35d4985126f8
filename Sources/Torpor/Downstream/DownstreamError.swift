import TorporCore

/// Why a call to a ``Downstream`` failed.
///
/// A handler that does not catch it ends its call: with a retryable error of the server when the call was not made,
/// with a tool error for the model otherwise.
public struct DownstreamError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String { case open, busy, callerBusy, timedOut, failed, refused, tooLarge, unreadable }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The downstream has failed so often that it is left alone for a while. The call was not made; try again
        /// later.
        public static let open = Code(.open)
        /// As many calls run and wait as may, or the call has waited for too long. It was not made; try again.
        public static let busy = Code(.busy)
        /// This caller has as many calls waiting as it may. The call was not made; try again.
        public static let callerBusy = Code(.callerBusy)
        /// No answer within ``DownstreamLimits/durationMax``. Nobody knows whether the call took effect.
        public static let timedOut = Code(.timedOut)
        /// The downstream cannot be reached or says that it failed. Nobody knows whether the call took effect.
        public static let failed = Code(.failed)
        /// The downstream works and refused the request. Trying the same again does not help.
        public static let refused = Code(.refused)
        /// The answer is larger than may be. The call may have taken effect.
        public static let tooLarge = Code(.tooLarge)
        /// The answer is not what was expected. The call may have taken effect.
        public static let unreadable = Code(.unreadable)

        public var description: String { self.value.rawValue }
    }

    public let code: Code
    /// The name under which the downstream was declared.
    public let downstream: String
    /// What happened and what to do, for a model or a person to read. Holds nothing of requests and answers.
    public let message: String
    /// After how long trying again makes sense, as far as that is known.
    public let retryAfter: Duration?
    /// For the log: never shown to clients.
    public let underlying: (any Error)?

    public var description: String { self.message }

    /// Whether the call was not made, so that the same may be tried again.
    public var isRetryable: Bool { [.open, .busy, .callerBusy].contains(self.code) }

    package init(
        _ code: Code, of downstream: String, _ message: String, retryAfter: Duration? = nil,
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.downstream = downstream
        self.message = message
        self.retryAfter = retryAfter
        self.underlying = underlying
    }
}

extension DownstreamError {
    init(open name: String, retryAfter: Duration) {
        self.init(
            .open, of: name,
            "\(name) keeps failing, so it is left alone for a while. Try again in \(retryAfter.secondsText).",
            retryAfter: retryAfter)
    }

    init(queueFull name: String) {
        self.init(
            .busy, of: name, "Too many calls wait for \(name). Try again in a second.", retryAfter: .seconds(1))
    }

    init(callerQueueFull name: String) {
        self.init(
            .callerBusy, of: name, "Too many calls of this caller wait for \(name). Wait for one to end.",
            retryAfter: .seconds(1))
    }

    init(expired name: String, after wait: Duration) {
        self.init(
            .busy, of: name, "\(name) is busy: the call waited \(wait.text) for its turn. Try again in a second.",
            retryAfter: .seconds(1))
    }

    init(timedOut name: String, after duration: Duration) {
        self.init(
            .timedOut, of: name,
            "\(name) did not answer within \(duration.text). Whether the request took effect is not known.")
    }
}

extension Duration {
    /// Whole seconds, at least one, for sentences.
    package var secondsText: String { Duration.seconds(max(1, self.secondsRoundedUp)).text }
}

extension Refusal {
    /// What a client program is told: to try again, when the call was not made.
    init(_ error: DownstreamError) {
        let seconds = error.retryAfter.map { max(1, $0.secondsRoundedUp) }
        var data: JSONObject = ["downstream": .string(error.downstream), "reason": .string("\(error.code)")]
        if let seconds { data["retryAfterSeconds"] = .number(JSONNumber(seconds)) }
        self.init(
            !error.isRetryable ? 200 : error.code == .callerBusy ? 429 : 503, .internalError, error.message,
            data: .object(data), retryAfterSeconds: error.isRetryable ? seconds : nil)
    }
}
