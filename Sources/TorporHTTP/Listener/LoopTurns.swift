import DequeModule
import Torpor
import TorporCore

/// What an event loop handles next, requests and answers of calls, while several callers share it.
///
/// A loop handles all that has arrived before it looks at its sockets again: a request that comes behind those of sixty
/// connections of another caller would wait for all of them. So, while more than one caller is about, it handles a few
/// between two looks; the others wait, and callers take turns. A caller that has the loop to itself never waits.
struct LoopTurns<Work> {
    /// What is handled between two looks at the sockets.
    static var lookMax: Int { 16 }
    /// How long a caller counts as being about after its last request. In ticks.
    static var aboutTicks: Int { 5 }
    /// Lines that are kept although nobody stands in them, so that they need not be made anew.
    private static var restingMax: Int { 64 }

    /// What waits of one caller.
    private final class Line {
        let caller: CallerName
        var waiting: Deque<Work> = []

        init(_ caller: CallerName) { self.caller = caller }
    }

    private var lines: [CallerName: Line] = [:]
    /// The lines in which something waits, in the order of their turns.
    private var ring: Deque<Line> = []
    /// Handled since the last look.
    private var handledCount = 0
    /// Who was handled last.
    private var latest: CallerName?
    private var sharedUntilTick = 0

    /// What waits, of all callers.
    private(set) var waitingCount = 0
    /// Lines that there are, empty ones among them.
    var lineCount: Int { self.lines.count }
    /// Whether no more is handled before the next look.
    var isFull: Bool { self.handledCount >= Self.lookMax }

    /// Whether something is handled now. What is not is kept until ``next()`` gives it back; a connection has one request
    /// at most, and a call one answer, which are their bound.
    mutating func begins(_ work: @autoclosure () -> Work, of caller: CallerName, tick: Int) -> Bool {
        if caller != self.latest {
            if self.latest != nil { self.sharedUntilTick = tick + Self.aboutTicks }
            self.latest = caller
        }
        guard tick < self.sharedUntilTick else { return true }
        guard self.isFull || !self.ring.isEmpty else {
            self.handledCount += 1
            return true
        }
        let line = self.line(of: caller)
        if line.waiting.isEmpty { self.ring.append(line) }
        line.waiting.append(work())
        self.waitingCount += 1
        return false
    }

    private mutating func line(of caller: CallerName) -> Line {
        if let line = self.lines[caller] { return line }
        let line = Line(caller)
        self.lines[caller] = line
        return line
    }

    /// The loop has looked at its sockets, so that more may be handled.
    mutating func looked() { self.handledCount = 0 }

    /// What is handled next: the first in the line whose turn it is.
    /// - Returns: `nil` when nothing waits, or no more is handled before the next look.
    mutating func next() -> Work? {
        guard !self.isFull, let line = self.ring.popFirst() else { return nil }
        guard let work = line.waiting.popFirst() else { preconditionFailure("something waits in a line of the ring") }
        if !line.waiting.isEmpty {
            self.ring.append(line)
        } else if self.lines.count > Self.restingMax {
            self.lines[line.caller] = nil
        }
        self.waitingCount -= 1
        self.handledCount += 1
        return work
    }

    /// All that waits; its turns will not come.
    mutating func removeAll() -> [Work] {
        defer { self = LoopTurns() }
        return self.ring.flatMap(\.waiting)
    }
}

/// Names a caller to the event loops. Two callers that happen to have one name share their turns, which is all.
struct CallerName: Hashable {
    private let bits: Int

    init(_ caller: Caller) { self.bits = caller.hashValue }
}

/// What waits for its caller's turn on an event loop.
enum LoopWork {
    case request(WaitingRequest)
    /// The call of this name has returned.
    case answer(UInt64, PendingCall.End)
}

/// A request that has arrived as a whole.
struct WaitingRequest {
    let connection: MCPConnection
    let message: IncomingMessage
    let dispatcher: Dispatcher
    let exchange: MCPConnection.Exchange
    /// The request's share of the common budget.
    let reservedBytes: Int
}
