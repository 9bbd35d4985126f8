import Synchronization
import TorporCore
import TorporEncoding
import TorporEngine

/// Whether the running code is a step that happens once.
enum Step {
    @TaskLocal static var isRunning = false
}

extension Call {
    /// Does something that must not happen twice: a charge, a letter, an order; and returns its result.
    ///
    ///     let receipt = try await call.once("charge-card") { try await bank.charge(order) }
    ///     let rating = try await call.ask("rating", .form("How was it?", as: Rating.self))
    ///
    /// From 2026-07-28 on a handler that asks its client runs again from its beginning when the answer has come. A step
    /// that has a result is not done again: its result is returned. Before the step begins, that it begins is durable, so
    /// that a step whose end nobody saw is not begun again either. Inside it may change state; it may not ask.
    ///
    /// In a session a handler waits for answers and runs once; there is nothing to record.
    /// - Parameters:
    ///   - key: Names the step within the handler; the same in every run. 1 to 128 bytes.
    ///   - body: Throws a ``ToolError`` to say that the step was not done: then another run may do it. After any other
    ///     error nobody knows.
    /// - Throws: What `body` throws. ``StateError/Code/outcomeUnknown`` when an earlier run began the step and its
    ///   result is not known.
    public func once<Result: Codable & Sendable>(
        _ key: String, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        precondition(!key.isEmpty && key.utf8.count <= 128, "a step's key has 1 to 128 bytes")
        precondition(!Step.isRunning, "a step has no steps")
        guard self.operation.isModern, self.dispatcher.state != nil else {
            return try await Step.$isRunning.withValue(true) { try await body() }
        }
        let record = self.runRecord
        let stepKey = Self.stepPrefix + Array(key.utf8)
        let earlier = try await self.translated {
            try await record.use.update(record.name) { transaction -> [UInt8]? in
                let earlier = try transaction.value(stepKey)
                if earlier == nil { transaction.set(stepKey, Self.begun) }
                return earlier
            }
        }
        self.operation.output.withLock { $0.hasDoneSteps = true }
        if let earlier {
            guard earlier != Self.begun else {
                throw StateError(
                    .outcomeUnknown,
                    "An earlier attempt at this began the step \"\(key)\", and nobody knows whether it was done. Look before you try again."
                )
            }
            return try StateDecoder.decode(Result.self, from: earlier, in: 1..<earlier.count)
        }
        try await self.durable()
        do {
            let result = try await Step.$isRunning.withValue(true) { try await body() }
            let bytes = [Self.doneMark] + (try StateEncoder.encode(result))
            try await self.translated { try await record.use.update(record.name) { $0.set(stepKey, bytes) } }
            return result
        } catch let error as ToolError {
            try await self.translated { try await record.use.update(record.name) { $0.remove(stepKey) } }
            throw error
        }
    }

    private static let stepPrefix = Array("step/".utf8)
    private static let roundKey = Array("round".utf8)
    private static let begun: [UInt8] = [0]
    private static let doneMark: UInt8 = 1
    /// How long the record of a run is kept beyond the time in which its client may come back.
    private static let recordMargin = Duration.seconds(3_600)

    /// Notes a change that would happen again if the handler ran again, unless it is part of a step.
    func noteChange(_ action: String) {
        if !Step.isRunning { self.beginUnrepeatable(action) }
    }

    /// Where the run's steps are recorded.
    private var runRecord: (name: ObjectName, use: StateUse) {
        let account = self.account
        let run = self.dispatcher.currentInterview(self.operation).run
        let name = ObjectName(
            self.service.runObject(run, account), .run, account: account,
            retention: self.dispatcher.streams.answerWithin + Self.recordMargin)
        return (name, self.stateUse)
    }

    /// Redeems the state that the client brought, if its run has done steps: that works once.
    func redeemState() async throws {
        guard let round = self.operation.output.withLock({ $0.interview?.round }), round > 0,
            self.dispatcher.state != nil
        else { return }
        let record = self.runRecord
        let isFirst = try await self.translated {
            try await record.use.update(record.name) { transaction in
                let redeemed = try transaction.value(Self.roundKey).map { UInt32(bigEndianBytes: $0) } ?? 0
                if redeemed < round { transaction.set(Self.roundKey, round.bigEndianBytes) }
                return redeemed < round
            }
        }
        guard isFirst else {
            throw MCPError.invalidParams(
                "This requestState has been redeemed, and what it led to must not happen twice. Make the request again without it."
            )
        }
    }

    /// Forgets the steps of a run that has ended without a question: nobody can come back to it.
    func forgetSteps() async throws {
        let (hasDoneSteps, round) = self.operation.output.withLock { ($0.hasDoneSteps, $0.interview?.round ?? 0) }
        guard hasDoneSteps, round == 0 else { return }
        let record = self.runRecord
        try await self.translated { try await self.service.engine.delete(record.name, tombstone: nil) }
    }

    /// Runs `body` with errors of the engine as those of this module.
    private func translated<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as EngineError {
            throw StateError(error)
        }
    }
}
