import Logging
import Synchronization
import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

@testable import TorporHosting

/// Which hosted servers are left alone when they keep failing, and what calls are told then.
@Suite struct CallBreakerTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A breaker at a time that the test moves.
    private final class Trial: Sendable {
        let breaker: CallBreaker
        private let time: Clock

        init(_ limits: CircuitBreakerLimits = CircuitBreakerLimits(failuresMax: 3)) {
            let clock = Clock()
            self.time = clock
            self.breaker = CallBreaker("crm", limits: limits, logger: logger, now: { clock.now }, jitter: { 1 })
        }

        func pass(milliseconds: Int64) { self.time.pass(milliseconds) }

        /// A call that ends so.
        func call(_ id: UInt64, in child: ChildNumber, _ error: UpstreamError.Code?) throws(Refusal) {
            try self.breaker.admit(HostCallID(id))
            if let error {
                self.breaker.failed(HostCallID(id), in: child, UpstreamError(error, "A test."))
            } else {
                self.breaker.ended(HostCallID(id), .success)
            }
        }
    }

    private final class Clock: Sendable {
        private let nanoseconds = Atomic<Int64>(0)
        var now: Instant { Instant(nanoseconds: self.nanoseconds.load(ordering: .relaxed)) }
        func pass(_ milliseconds: Int64) { self.nanoseconds.add(milliseconds * 1_000_000, ordering: .relaxed) }
    }

    /// Numbers of children, as a host gives them.
    private static func children(_ count: Int) -> [ChildNumber] {
        var machine = HostStateMachine(limits: HostLimits(childrenMax: count, accountChildrenMax: count))
        return (0..<count).map { index in
            let action = machine.call(
                HostCallID(UInt64(index)), for: HostKey(.session, bits: UInt128(index)), of: .principal(1),
                now: Instant(nanoseconds: 0))
            guard case .wait(let actions) = action, case .start(let child, _, _)? = actions.first else {
                preconditionFailure("there is room for every child")
            }
            return child
        }
    }

    @Test(arguments: [UpstreamError.Code.timedOut, .unavailable, .sessionLost])
    func aPlaceThatFailsIsLeftAloneAndCallersAreToldWhichAndForHowLong(code: UpstreamError.Code) throws {
        let trial = Trial()
        let child = Self.children(1)[0]
        for id in 1...3 as ClosedRange<UInt64> { try trial.call(id, in: child, code) }
        #expect(trial.breaker.standing == .open)
        trial.pass(milliseconds: 500)
        let refusal = #expect(throws: Refusal.self) { try trial.breaker.check() }
        #expect(refusal?.status == 503 && refusal?.retryAfterSeconds == 1)
        #expect(
            refusal?.error.message
                == "The call was not made: calls of crm have kept failing for 1s, so it is left alone for a while. "
                + "Try again in 1s.")
        #expect(refusal?.error.data?["reason"] == "open" && refusal?.error.data?["server"] == "crm")
        #expect(throws: Refusal.self) { try trial.call(4, in: child, nil) }
        // After a second one call is tried. It fails; after two more one succeeds.
        trial.pass(milliseconds: 500)
        try trial.breaker.check()
        try trial.call(5, in: child, code)
        #expect(trial.breaker.standing == .open)
        trial.pass(milliseconds: 2_000)
        try trial.breaker.admit(HostCallID(6))
        #expect(throws: Refusal.self) { try trial.call(7, in: child, nil) }
        trial.breaker.ended(HostCallID(6), .success)
        #expect(trial.breaker.standing == .closed)
        try trial.call(8, in: child, nil)
    }

    @Test(arguments: [UpstreamError.Code.answered, .tooLarge, .unauthorized, .refused, .overloaded, .protocolFault])
    func whatAPlaceAnswersOrWasNotAskedIsNoFailure(code: UpstreamError.Code) throws {
        let trial = Trial()
        let child = Self.children(1)[0]
        for id in 1...50 as ClosedRange<UInt64> { try trial.call(id, in: child, code) }
        #expect(trial.breaker.standing == .closed)
    }

    @Test func aChildThatEndsIsOneFailureHoweverManyCallsItTakesWithIt() throws {
        let trial = Trial()
        let children = Self.children(3)
        var id: UInt64 = 0
        for (index, child) in children.enumerated() {
            #expect(trial.breaker.standing == .closed)
            let calls = (0..<16).map { HostCallID(id + UInt64($0)) }
            for call in calls { try trial.breaker.admit(call) }
            for call in calls {
                trial.breaker.failed(call, in: child, UpstreamError(index == 1 ? .closed : .ended, "A test."))
            }
            id += 16
        }
        #expect(trial.breaker.standing == .open, "three have ended")
    }

    @Test func aSuccessBetweenKeepsItClosedUntilTooLargeAShareFails() throws {
        let trial = Trial()
        let child = Self.children(1)[0]
        for id in 1...19 as ClosedRange<UInt64> {
            try trial.call(id, in: child, id % 3 == 0 ? nil : .timedOut)
            #expect(trial.breaker.standing == .closed)
        }
        try trial.call(20, in: child, .timedOut)
        #expect(trial.breaker.standing == .open)
    }

    @Test func aTrialThatDoesNotEndLetsAnotherOneThroughAfterAWhile() throws {
        let trial = Trial()
        let child = Self.children(1)[0]
        for id in 1...3 as ClosedRange<UInt64> { try trial.call(id, in: child, .timedOut) }
        trial.pass(milliseconds: 1_000)
        try trial.breaker.admit(HostCallID(4))
        trial.pass(milliseconds: 9_999)
        #expect(throws: Refusal.self) { try trial.breaker.check() }
        trial.pass(milliseconds: 1)
        try trial.breaker.check()
        try trial.call(5, in: child, nil)
        #expect(trial.breaker.standing == .closed)
        // What the first one says now says nothing any more.
        trial.breaker.failed(HostCallID(4), in: child, UpstreamError(.timedOut, "A test."))
        #expect(trial.breaker.standing == .closed)
    }

    @Test func aCallThatIsGivenUpSaysNothing() throws {
        let trial = Trial()
        let child = Self.children(1)[0]
        for id in 1...3 as ClosedRange<UInt64> { try trial.call(id, in: child, .timedOut) }
        trial.pass(milliseconds: 1_000)
        try trial.breaker.admit(HostCallID(4))
        trial.breaker.ended(HostCallID(4), .unknown)
        #expect(trial.breaker.standing == .halfOpen)
        try trial.call(5, in: child, nil)
        #expect(trial.breaker.standing == .closed)
    }

    // MARK: Which servers

    /// Starts nothing, and tells how often it was asked to.
    private final class Nothing: Launcher {
        let startsProcesses: Bool
        let asked = Atomic(0)
        var description: String { "nothing" }

        init(startsProcesses: Bool) { self.startsProcesses = startsProcesses }

        func begin() {}
        func remove(_ caller: HostCaller) async {}

        func launch(_ order: LaunchOrder) async throws -> any Launched {
            self.asked.add(1, ordering: .relaxed)
            throw LaunchError("A test starts nothing.")
        }
    }

    private static func server(_ scope: HostedServerSettings.Scope, _ launcher: Nothing) -> HostedServer {
        var options = HostedServer.Options()
        options.scope = scope
        return HostedServer("crm", launcher, options: options, logger: Self.logger)
    }

    @Test func onlyAPlaceThatAnswersAllCallersHasABreaker() {
        for scope in [HostedServerSettings.Scope.session, .principal, .handle, .call] {
            #expect(Self.server(scope, Nothing(startsProcesses: true)).breaker == nil, "\(scope)")
            #expect(Self.server(scope, Nothing(startsProcesses: false)).breaker != nil, "\(scope)")
        }
        #expect(Self.server(.shared, Nothing(startsProcesses: true)).breaker != nil)
    }

    @Test func aCallOfAServerThatIsLeftAloneNeitherWaitsNorStartsAnything() async throws {
        let launcher = Nothing(startsProcesses: true)
        let server = Self.server(.shared, launcher)
        let breaker = try #require(server.breaker)
        for id in 0..<5 as Range<UInt64> {
            // No host gives these numbers.
            try breaker.admit(HostCallID(.max - id))
            breaker.ended(HostCallID(.max - id), .failure)
        }
        let caller = HostCaller(.shared, account: .anonymous(1))
        let refusal = await #expect(throws: Refusal.self) { _ = try await server.place(caller) }
        #expect(refusal?.error.data?["reason"] == "open")
        #expect(launcher.asked.load(ordering: .relaxed) == 0 && server.host.figures.waiting == 0)
    }
}
