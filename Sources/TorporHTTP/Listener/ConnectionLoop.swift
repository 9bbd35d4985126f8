import CoreMetrics
import Metrics
import NIOCore
import Synchronization
import Torpor
import TorporCore

/// What an event loop looks after: it has time limits, and ends when the listener stops.
protocol LoopMember: AnyObject {
    /// Called once a second.
    func checkTimeLimits()
    /// Begins nothing further, and closes when nothing is under way.
    func drain()
    /// Ends with an answer to whatever is waited for.
    func cutShort()
}

/// What the connections of one event loop share. Used on that loop only, hence without locks.
final class ConnectionLoop {
    let eventLoop: any EventLoop
    /// Seconds since the loop began to tick: the clock of all time limits, so that requests read none.
    private(set) var tick = 0
    /// The `Date` field of answers.
    private(set) var date: [UInt8] = []
    /// The calls that run for connections of this loop, also for those that are gone.
    var calls: [UInt64: RunningCall] = [:]
    private var connections: [ObjectIdentifier: any LoopMember] = [:]
    /// Connections beyond the limits that are being told so; at most ``turnedAwayMax``.
    var turnedAwayCount = 0
    /// Whether connections begin no further request.
    private(set) var isDraining = false
    private var nextCall: UInt64 = 0
    private var ticking: RepeatedTask?
    private var drained: EventLoopPromise<Void>?
    private let heartbeat: Heartbeat?
    /// How long a call may run.
    private let callTicks: Int
    /// How calls come back to the loop.
    let returns: CallReturns
    /// Where calls run that do nothing but wait.
    private let taskExecutor: EventLoopTaskExecutor
    // Nothing is called from within it that comes back to it; checking that costs each request hundreds of instructions.
    @exclusivity(unchecked) private var turns = LoopTurns<LoopWork>()
    /// Whether ``handleNext()`` will be called.
    @exclusivity(unchecked) private var turnsAreDue = false
    private var nextLook: NextLook?
    private let buffers: ByteBudget
    private var bound: NIOLoopBound<ConnectionLoop> { NIOLoopBound(self, eventLoop: self.eventLoop) }
    /// Swept once a second, by one of the loops.
    private let sweep: (@Sendable () -> Void)?
    private let lag: Timer
    private let deferrals: Counter
    private var expectedTickNanoseconds: Int64 = 0

    private static let tickInterval = TimeAmount.seconds(1)
    /// The most connections beyond the limits that are open only to be told so.
    static let turnedAwayMax = 64

    init(
        _ eventLoop: any EventLoop, callTicks: Int, buffers: ByteBudget, heartbeat: Heartbeat?,
        sweep: (@Sendable () -> Void)?
    ) {
        self.eventLoop = eventLoop
        self.buffers = buffers
        self.sweep = sweep
        self.callTicks = callTicks
        self.returns = CallReturns(eventLoop)
        self.taskExecutor = EventLoopTaskExecutor(eventLoop)
        self.heartbeat = heartbeat
        self.lag = Timer(label: "torpor_event_loop_lag_seconds")
        self.deferrals = Counter(label: "torpor_loop_deferrals_total")
        self.date = HTTPDate.field(secondsSince1970: Int(SystemTime.wallTime().milliseconds / 1_000))
    }

    /// Begins to tick.
    /// - Returns: Fails when the process has no descriptors left.
    @discardableResult
    func start() -> EventLoopFuture<Void> {
        self.expectedTickNanoseconds = SystemTime.monotonicNanoseconds() + Self.tickInterval.nanoseconds
        let bound = self.bound
        self.returns.belong(to: bound)
        self.ticking = self.eventLoop.scheduleRepeatedTask(initialDelay: Self.tickInterval, delay: Self.tickInterval) {
            _ in
            bound.value.beat()
        }
        return NextLook.open(on: self.eventLoop) { bound.value.handleNext() }
            .map { bound.value.nextLook = $0?.value }
    }

    /// Ends the ticks, and the wait of ``drain()`` for calls that ignore their cancellation. Nothing of the loop is
    /// used any more.
    func stop() {
        self.returns.close()
        self.nextLook?.close()
        self.ticking?.cancel()
        self.heartbeat?.end()
        self.drained?.succeed()
        self.drained = nil
    }

    /// Measures how late the loop is, lets every connection look at its time limits, and ends calls that run for too
    /// long.
    private func beat() {
        let now = SystemTime.monotonicNanoseconds()
        self.lag.recordNanoseconds(max(0, now - self.expectedTickNanoseconds))
        self.expectedTickNanoseconds = now + Self.tickInterval.nanoseconds
        self.heartbeat?.beat(at: UInt64(now))
        self.date = HTTPDate.field(secondsSince1970: Int(SystemTime.wallTime().milliseconds / 1_000))
        self.tick += 1
        self.sweep?()
        for connection in Array(self.connections.values) { connection.checkTimeLimits() }
        // Also those whose connection is gone.
        for call in self.calls.values where self.tick - call.startTick >= self.callTicks { call.task.cancel() }
    }

    func add(_ connection: any LoopMember) { self.connections[ObjectIdentifier(connection)] = connection }

    func remove(_ connection: any LoopMember) {
        self.connections[ObjectIdentifier(connection)] = nil
        self.noteDrained()
    }

    /// Runs a call off the loop, unless it does little but wait: then it saves the ways to the pool and back, which are
    /// most of what it costs.
    /// - Parameters:
    ///   - caller: Whose call it is.
    ///   - connection: Waits for its answer.
    ///   - channel: Gets the answer when no connection does.
    ///   - reservedBytes: The request's share of the common budget, released when the call has returned.
    func run(
        _ call: PendingCall, of caller: CallerName, for connection: MCPConnection?, channel: MessageChannel? = nil,
        reservedBytes: Int
    ) -> RunningCall {
        self.nextCall += 1
        let name = self.nextCall
        let (returns, bound) = (self.returns, self.bound)
        // Owned by the loop, see `RunningCall.task`.
        let task = Task(executorPreference: call.mayRunOnLoop ? self.taskExecutor : call.executor) {
            let end = await call.run(over: returns, as: name)
            if let channel, case .reply(let reply) = end, !reply.body.isEmpty {
                // A channel that has closed, or has no room, is one that nobody reads.
                try? await channel.output.send(reply.body)
            }
            returns.execute { bound.value.callReturned(name, of: caller, end) }
        }
        call.runs(in: task)
        let running = RunningCall(
            name: name, call: call, task: task, startTick: self.tick, reservedBytes: reservedBytes,
            connection: connection)
        self.calls[name] = running
        return running
    }

    /// A call has returned, whether or not anybody still waits for it.
    private func callReturned(_ name: UInt64, of caller: CallerName, _ end: PendingCall.End) {
        if self.begins(.answer(name, end), of: caller) { self.answer(name, end) }
    }

    private func answer(_ name: UInt64, _ end: PendingCall.End) {
        guard let ended = self.calls.removeValue(forKey: name) else { preconditionFailure("a call ends once") }
        self.buffers.release(ended.reservedBytes)
        ended.connection?.callEnded(name, end)
        self.noteDrained()
    }

    /// A call has something to say before its answer.
    func opened(_ stream: MessageStream, of name: UInt64) {
        // A call that has returned was found to have a stream then.
        guard let call = self.calls[name], let connection = call.connection else { return stream.abandonUnlessRead() }
        connection.opened(call)
    }

    // MARK: Turns

    /// Requests and answers that wait for their callers' turns.
    var waitingCount: Int { self.turns.waitingCount }

    /// Whether something is to be handled now. Otherwise it will be when its caller's turn has come.
    func begins(_ work: @autoclosure () -> LoopWork, of caller: CallerName) -> Bool {
        let begins = self.turns.begins(work(), of: caller, tick: self.tick)
        if !begins { self.deferrals.increment() }
        if self.turns.isFull, !self.turnsAreDue {
            self.turnsAreDue = true
            let bound = self.bound
            // After everything that the present look has brought.
            self.eventLoop.execute { bound.value.handleNext() }
        }
        return begins
    }

    /// Handles that whose turns have come.
    private func handleNext() {
        self.turns.looked()
        while let work = self.turns.next() {
            switch work {
            case .request(let request): request.connection.turnCame(request)
            case .answer(let name, let end): self.answer(name, end)
            }
        }
        // Then more may wait, or it was the last.
        self.turnsAreDue = self.turns.isFull
        if self.turnsAreDue, self.nextLook?.expect() != true {
            let bound = self.bound
            self.eventLoop.scheduleTask(in: .microseconds(1)) { bound.value.handleNext() }
        }
        self.noteDrained()
    }

    // MARK: Stopping

    /// Lets no connection begin another request, and closes those that wait for one.
    /// - Returns: fulfilled when no connection and no call is left.
    func drain() -> EventLoopFuture<Void> {
        let promise = self.eventLoop.makePromise(of: Void.self)
        self.drained = promise
        self.isDraining = true
        for connection in Array(self.connections.values) { connection.drain() }
        self.noteDrained()
        return promise.futureResult
    }

    /// Answers every running call with an error that invites a retry, cancels it, and closes everything.
    func cutShort() {
        for connection in Array(self.connections.values) { connection.cutShort() }
        for work in self.turns.removeAll() {
            switch work {
            case .request(let request): self.buffers.release(request.reservedBytes)
            case .answer(let name, let end): self.answer(name, end)
            }
        }
        for call in self.calls.values { call.task.cancel() }
        self.noteDrained()
    }

    private func noteDrained() {
        // Requests may wait for their turns although their clients have gone.
        guard let drained = self.drained, self.connections.isEmpty, self.calls.isEmpty, self.turns.waitingCount == 0
        else { return }
        self.drained = nil
        drained.succeed()
    }
}

/// A call that runs off the event loop.
struct RunningCall {
    let name: UInt64
    let call: PendingCall
    /// Ends with the call; the loop keeps it until then, cancels it when nobody may wait any longer, and drains by
    /// waiting for it.
    let task: Task<Void, Never>
    let startTick: Int
    /// The request's share of the common budget.
    let reservedBytes: Int
    /// Waits for its answer; `nil` for a call of a channel.
    let connection: MCPConnection?
}

/// The way of calls back to their event loop, closed before the loop shuts down: a handler that ignores its
/// cancellation returns later.
final class CallReturns: CallCarrier {
    private let eventLoop: any EventLoop
    private let isOpen = Mutex(true)
    /// Set before the first call runs.
    private let loop = Mutex<NIOLoopBound<ConnectionLoop>?>(nil)

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Runs `body` on the loop, unless it is too late.
    func execute(_ body: @escaping @Sendable () -> Void) {
        self.isOpen.withLock { isOpen in
            if isOpen { self.eventLoop.execute(body) }
        }
    }

    func belong(to loop: NIOLoopBound<ConnectionLoop>) { self.loop.withLock { $0 = loop } }

    func open(_ stream: MessageStream, of call: UInt64) {
        guard let loop = self.loop.withLock({ $0 }) else { return stream.abandonUnlessRead() }
        self.execute { loop.value.opened(stream, of: call) }
    }

    func cancel(_ call: UInt64) {
        guard let loop = self.loop.withLock({ $0 }) else { return }
        self.execute { loop.value.calls[call]?.task.cancel() }
    }

    /// On return nothing more is brought to the loop.
    func close() {
        self.isOpen.withLock { $0 = false }
        self.loop.withLock { $0 = nil }
    }
}
