import CSQLite
import TorporCore
import TorporStore

extension Writer {
    /// Carries out a batch as one transaction; see ``StateStore/commit(_:)``.
    func commit(_ batch: CommitBatch) -> Result<[CommitOutcome], StoreError> {
        guard !batch.objects.isEmpty else { return .success([]) }
        let connection: WriterConnection
        switch self.ready() {
        case .success(let ready): connection = ready
        case .failure(let error): return .failure(error)
        }
        if let error = self.logIsTooLong() { return .failure(error) }
        let fences = self.shared.fences
        var unacceptable: [Int: CommitRefusal] = [:]
        while true {
            var work = CommitWork(
                batch, fences: fences, unacceptable: unacceptable, tombstonesMax: self.configuration.tombstonesMax)
            var isCommitting = false
            do throws(SQLiteFailure) {
                try connection.begin.run()
                try work.write(to: connection)
                isCommitting = true
                try connection.commit.run()
                self.checkpointIfDue()
                return .success(work.outcomes)
            } catch {
                connection.connection.rollBack()
                if error.meaning == .ofTheObject, let offender = work.current {
                    // It fails alone: the others are written again without it.
                    unacceptable[offender] = CommitRefusal(.unacceptable, error.text)
                    continue
                }
                return self.outcomes(of: work, after: error, isCommitting: isCommitting)
            }
        }
    }

    private func outcomes(
        of work: CommitWork, after failure: SQLiteFailure, isCommitting: Bool
    ) -> Result<[CommitOutcome], StoreError> {
        let count = work.batch.objects.count
        switch failure.meaning {
        case .locked:
            return .failure(StoreError(.unavailable, "the database is locked by another program"))
        case .full:
            // The commit is what SQLite writes last: where there was no room, it is not there.
            let refusal = CommitRefusal(.full, "there is no room for it: \(failure.text)")
            return .success(Array(repeating: .refused(refusal), count: count))
        case .unwritable:
            let refusal = CommitRefusal(.unwritable, "the database cannot be written: \(failure.text)")
            return .success(Array(repeating: .refused(refusal), count: count))
        case .ofTheObject, .other:
            self.drop(after: failure)
            guard isCommitting else {
                return .failure(StoreError(.unavailable, "the database cannot be written: \(failure.text)"))
            }
            return .success(work.outcomes.map { $0 == .committed ? .unknown : $0 })
        }
    }

    /// Another program reads, and has not stopped while the log grew to its bound.
    private func logIsTooLong() -> StoreError? {
        guard let log = self.connection?.log, log.bytes >= self.configuration.logBytesMax else { return nil }
        self.checkpoint(SQLITE_CHECKPOINT_RESTART)
        guard log.bytes >= self.configuration.logBytesMax else { return nil }
        return StoreError(
            .unavailable,
            "the database's log has \(log.bytes) bytes and cannot be emptied: another program reads the database")
    }
}
