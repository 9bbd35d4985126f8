import Synchronization

/// Which sessions agents used, in the order of their uses: what a cache of their state has to cope with.
package final class SessionRecording: Sendable {
    /// Later uses are left out.
    package static let usesMax = 1_000_000

    private struct Use {
        var session: UInt32
        var bytes: UInt32
    }

    private struct State {
        var uses: [Use] = []
        var sessionCount: UInt32 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// A session has been opened.
    /// - Returns: Its number.
    func open() -> UInt32 {
        self.state.withLock { state in
            state.sessionCount += 1
            return state.sessionCount
        }
    }

    /// A session has been used.
    /// - Parameter bytes: What its client has sent in it so far.
    func use(_ session: UInt32, bytes: Int) {
        self.state.withLock { state in
            guard state.uses.count < Self.usesMax else { return }
            state.uses.append(Use(session: session, bytes: UInt32(clamping: bytes)))
        }
    }

    /// A line for each use: the session's number, and the bytes that its client had sent in it by then.
    package var text: String {
        let uses = self.state.withLock { $0.uses }
        var text = "# Sessions of torpor soak, in the order of their uses: number, bytes sent in it so far\n"
        for use in uses { text += "\(use.session) \(use.bytes)\n" }
        return text
    }
}
