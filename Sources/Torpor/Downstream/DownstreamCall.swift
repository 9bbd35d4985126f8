import TorporCore

extension Call {
    /// The way to a declared ``Downstream``.
    /// - Precondition: The server declares a downstream of this name.
    public func downstream(_ name: String) -> DownstreamCall {
        guard let gate = self.dispatcher.table.downstreams[name] else {
            preconditionFailure("the server declares no downstream \(name)")
        }
        return DownstreamCall(call: self, gate: gate)
    }

    /// Whom the call is counted for.
    package var caller: Caller { Caller(self.operation.message) }
}

/// Calls to a ``Downstream`` on behalf of one call of a client.
public struct DownstreamCall: Sendable {
    let call: Call
    package let gate: DownstreamGate

    /// The name under which the downstream was declared.
    public var name: String { self.gate.name }
    public var limits: DownstreamLimits { self.gate.limits }

    /// Makes a call to the downstream: runs `body`, unless the downstream is left alone or too busy.
    ///
    /// As many bodies run at once as ``DownstreamLimits/runningMax`` says; further ones wait for their turns. When the
    /// time is over, or nobody waits for the client's call any more, `body` is cancelled. It keeps its place until it
    /// has returned, which is waited for: it must heed cancellation, as clients of the network do.
    ///
    /// A failure of a retryable run is tried again after a pause, if the downstream's retry budget has room and its
    /// breaker lets it. The place is given up during the pause.
    /// - Parameters:
    ///   - isRetryable: Whether `body` may be done twice and have the effect of once. Default `false`.
    ///   - judge: What an error of `body` says of the downstream; called after each error but `CancellationError`. See
    ///     ``DownstreamVerdict/init(of:)`` for the default.
    ///   - body: Does nothing but this call: it counts against the limits of the downstream, with all that it does.
    /// - Returns: What `body` returned.
    /// - Throws: ``DownstreamError`` with ``DownstreamError/Code/open``, ``DownstreamError/Code/busy`` or
    ///   ``DownstreamError/Code/callerBusy``: `body` was not run. With ``DownstreamError/Code/timedOut``: it was
    ///   cancelled. Else the error of the last `body` as it is, or `CancellationError`.
    public func run<Result: Sendable>(
        isRetryable: Bool = false,
        judge: @escaping @Sendable (any Error) -> DownstreamVerdict = { DownstreamVerdict(of: $0) },
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await self.gate.run(
            for: self.call.caller, isRetryable: isRetryable, logger: self.call.logger, judge: judge, body)
    }
}

/// What an error says of the downstream that it came from.
public enum DownstreamVerdict: Sendable, Equatable {
    /// The downstream is at fault: it cannot be reached, failed, or took too long. Counts for its breaker; a retryable
    /// run tries again, after `retryAfter` if that is longer than the usual pause.
    case failed(retryAfter: Duration? = nil)
    /// The downstream works and refused the request. Does not count against it; a retryable run tries again only when a
    /// `retryAfter` is given.
    case refused(retryAfter: Duration? = nil)

    /// The verdict by default: ``ToolError``, ``MCPError``, ``StateError`` and ``DownstreamError``, by which a handler
    /// speaks to its own client or of another place, are `refused`, and so is what ends a run to ask the client. All
    /// else is `failed`.
    public init(of error: any Error) {
        switch error {
        case is ToolError, is MCPError, is StateError, is DownstreamError, is InputRequired: self = .refused()
        default: self = .failed()
        }
    }
}
