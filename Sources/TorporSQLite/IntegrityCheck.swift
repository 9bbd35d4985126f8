import CSQLite
import TorporSystem

/// Reads a whole database in the background and looks for damage, yielding the processor and the disk to all others.
///
/// It is one long transaction, so the log cannot begin anew meanwhile: the writer interrupts it when that matters.
final class IntegrityCheck: Sendable {
    enum Result: Equatable {
        case passed
        case failed([String])
        case interrupted
    }

    private struct State {
        /// Of the connection that checks; others may only interrupt it.
        var handle: OpaquePointer?
        var isRunning = false
        var isInterrupted = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let monitor = Monitor(State())

    /// Begins, on a thread of its own.
    /// - Parameter report: Called once, on that thread, before ``end()`` returns.
    func start(path: String, cacheBytes: Int, report: @escaping @Sendable (Result) -> Void) {
        self.monitor.withLock { $0.isRunning = true }
        let hasStarted = startDetachedThread(named: "torpor-check", stackBytes: workStackBytes) {
            torpor_yield_to_others()
            report(self.run(path: path, cacheBytes: cacheBytes))
            self.finish()
        }
        if !hasStarted { self.finish() }
    }

    private func run(path: String, cacheBytes: Int) -> Result {
        do throws(SQLiteFailure) {
            let connection = try Connection(path: path, isReader: true, busyMilliseconds: 100, cacheBytes: cacheBytes)
            let mayRun = self.monitor.withLock { state in
                state.handle = connection.handle
                return !state.isInterrupted
            }
            // Before the connection is closed.
            defer { self.monitor.withLock { $0.handle = nil } }
            guard mayRun else { return .interrupted }
            var findings: [String] = []
            try connection.withStatement("PRAGMA quick_check(10)") { row throws(SQLiteFailure) in
                while try row.step() { findings.append(row.text(0)) }
            }
            return findings == ["ok"] ? .passed : .failed(findings)
        } catch {
            return error.kind == SQLITE_INTERRUPT ? .interrupted : .failed([error.text])
        }
    }

    private func finish() {
        let waiting = self.monitor.withLock { state in
            state.isRunning = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Makes it stop soon, if it runs.
    func interrupt() {
        self.monitor.withLock { state in
            state.isInterrupted = true
            if let handle = state.handle { sqlite3_interrupt(handle) }
        }
    }

    /// Interrupts it, and returns when it has ended.
    func end() async {
        self.interrupt()
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isRunning = self.monitor.withLock { state in
                if state.isRunning { state.waiting.append(continuation) }
                return state.isRunning
            }
            if !isRunning { continuation.resume() }
        }
    }
}
