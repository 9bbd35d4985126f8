import Testing
import Torpor
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

@testable import TorporHosting

/// The children of one hosted server, and the calls that have them.
@Suite(.timeLimit(.minutes(5))) struct HostTests {
    private let clock = ManualClock()

    private func host(_ launcher: ScriptedLauncher, limits: HostLimits = HostLimits()) -> Host {
        let clock = self.clock
        let host = Host("hosted", launcher, limits: limits, logger: .none, now: { clock.now })
        host.begin()
        return host
    }

    private func caller(_ bits: UInt128) -> HostCaller {
        HostCaller(HostKey(.session, bits: bits), account: .anonymous(bits))
    }

    /// Why a call is not made.
    private func refusal(of body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch let error as Refusal {
            return error.error.message
        } catch {
            return "\(error)"
        }
    }

    @Test func aKeyHasOneChildForAllItsCalls() async throws {
        let launcher = ScriptedLauncher()
        let host = self.host(launcher)
        async let first = host.place(self.caller(1))
        async let second = host.place(self.caller(1))
        let calls = try await [first, second]
        #expect(calls[0].child == calls[1].child)
        for call in calls { host.end(call) }
        let other = try await host.place(self.caller(2))
        #expect(other.child != calls[0].child)
        host.end(other)
        #expect(launcher.running == [1, 2])
        await host.end(grace: .zero)
        #expect(launcher.running == [] && host.children.isEmpty)
    }

    @Test func aChildIsBusyFromItsFirstCallToItsLast() async throws {
        let launcher = ScriptedLauncher()
        let host = self.host(launcher)
        let calls = [try await host.place(self.caller(1)), try await host.place(self.caller(1))]
        host.end(calls[0])
        #expect(launcher.events.count(of: .setBusy(1, false)) == 0)
        host.end(calls[1])
        #expect(launcher.events.count(of: .setBusy(1, true)) == 1)
        #expect(launcher.events.count(of: .setBusy(1, false)) == 1)
        await host.end(grace: .zero)
    }

    @Test func anIdleChildStopsAtItsTimeout() async throws {
        let launcher = ScriptedLauncher()
        let host = self.host(launcher)
        host.end(try await host.place(self.caller(1)))
        self.clock.advance(by: host.limits.idleTimeout)
        try await launcher.events.until(.stopped(1))
        #expect(host.figures.stops == [.idle: 1])
        await host.end(grace: .zero)
    }

    @Test func theTextOfAFailedStartIsForWhoWaitedForIt() async throws {
        var script = Script()
        let gate = Recorder<UInt128>()
        script.start = { order in
            let bits = order.caller?.key.bits ?? 0
            try await gate.until(bits)
            if bits == 1 { throw LaunchError("the file of one is broken.", isOfKey: true) }
        }
        let host = self.host(ScriptedLauncher(script))
        let (one, two) = (self.caller(1), self.caller(2))
        let waiting = (0..<2).map { _ in Task.immediate { await self.refusal { _ = try await host.place(one) } } }
        let other = Task.immediate { try await host.place(two) }
        gate.add(1)
        for call in waiting {
            #expect(
                await call.value
                    == "The call was not made: hosted cannot be started: the file of one is broken. Try again.")
        }
        gate.add(2)
        host.end(try await other.value)
        await host.end(grace: .zero)
    }

    @Test func whoWaitsForNoStartHearsNothingOfWhatItSaid() async throws {
        var script = Script()
        script.start = { _ in throw LaunchError("a secret") }
        let host = self.host(ScriptedLauncher(script), limits: HostLimits(keyFailuresMax: 1))
        let first = await self.refusal { _ = try await host.place(self.caller(1)) }
        #expect(first?.contains("a secret") == true)
        let second = await self.refusal { _ = try await host.place(self.caller(1)) }
        #expect(
            second?.contains("cannot be started") == true && second?.contains("a secret") == false, "\(second ?? "")")
        await host.end(grace: .zero)
    }

    @Test func whoGivesUpWaitingLeavesNothing() async throws {
        var script = Script()
        let gate = Recorder<String>()
        script.start = { _ in
            gate.add("starting")
            try await gate.until("never")
        }
        let launcher = ScriptedLauncher(script)
        let host = self.host(launcher)
        let call = Task { await self.refusal { _ = try await host.place(self.caller(1)) } }
        try await gate.until("starting")
        call.cancel()
        #expect(await call.value == "CancellationError()")
        #expect(host.figures.waiting == 0 && host.figures.running == 0)
        await host.end(grace: .zero)
        #expect(launcher.events.all == [] && host.figures.children == 0)
    }

    @Test func aStartThatTakesTooLongIsGivenUp() async throws {
        var script = Script()
        let gate = Recorder<String>()
        script.start = { _ in
            gate.add("starting")
            try await gate.until("never")
        }
        let host = self.host(ScriptedLauncher(script), limits: HostLimits(queueTimeout: .seconds(90)))
        let call = Task.immediate { await self.refusal { _ = try await host.place(self.caller(1)) } }
        try await gate.until("starting")
        self.clock.advance(by: host.limits.startTimeout)
        #expect(await call.value?.contains("cannot be started") == true)
        await host.end(grace: .zero)
    }

    @Test func callsThatRunGetTheirGrace() async throws {
        let launcher = ScriptedLauncher()
        let host = self.host(launcher)
        let call = try await host.place(self.caller(1))
        let ending = Task.immediate { await host.end(grace: .seconds(60)) }
        #expect(await self.refusal { _ = try await host.place(self.caller(1)) }?.contains("stopping") == true)
        #expect(launcher.running == [1])
        host.end(call)
        await ending.value
        #expect(launcher.running == [] && host.figures.failures == [:])
    }

    @Test func callsThatOutlastTheirGraceFail() async throws {
        let launcher = ScriptedLauncher()
        let host = self.host(launcher)
        let call = try await host.place(self.caller(1))
        await host.end(grace: .zero)
        #expect(launcher.running == [] && host.figures.failures == [.drained: 1])
        host.end(call)
        #expect(host.figures.running == 0)
    }

    @Test func aSpareIsToldWhatItsPredecessorWasTold() async throws {
        final class Delegate: HostDelegate {
            let events = Recorder<String>()
            func prepare(_ session: UpstreamSession, for key: HostKey) async { self.events.add("prepare \(key.bits)") }
            func heard(_ key: HostKey?, _ session: UpstreamSession?, _ event: Host.Event) {
                if case .started = event { self.events.add("started \(key.map { "\($0.bits)" } ?? "spare")") }
            }
        }
        let launcher = ScriptedLauncher()
        let (host, delegate) = (self.host(launcher, limits: HostLimits(sparesMax: 1)), Delegate())
        host.setDelegate(delegate)
        try await delegate.events.until("started spare")
        let call = try await host.place(self.caller(7))
        try await delegate.events.until("started 7")
        #expect(host.figures.sparesTaken == 1)
        #expect(delegate.events.all.filter { $0.hasSuffix("7") } == ["prepare 7", "started 7"])
        host.end(call)
        await host.end(grace: .zero)
    }
}
