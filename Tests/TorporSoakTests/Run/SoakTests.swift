import Testing
import TorporJSON
import TorporTestSupport

@testable import TorporSoak

/// Whole runs against a small server in this process, in about a second each.
@Suite(.serialized) struct SoakTests {
    private func soak(
        _ server: TinyServer, _ scenarios: [Scenario.Name] = [.requests, .sessions],
        change: (inout SoakOptions) -> Void = { _ in }
    ) async throws -> SoakReport {
        try await server.run { endpoint in
            var options = SoakOptions(endpoint: endpoint)
            options.scenarios = scenarios.map(Scenario.named)
            options.agents = 4
            options.units = 240
            options.plan = SoakPlan(phases: 6, warmupSeconds: 0.1, workSeconds: 2, settleSeconds: 0.01)
            change(&options)
            return try await Soak(options, memory: server).run()
        }
    }

    @Test func aServerThatKeepsNothingPasses() async throws {
        let server = TinyServer(.none)
        let report = try await soak(server)
        #expect(report.exitStatus == 0, "\(report.text)")
        #expect(report.server == "tiny 1")
        #expect(report.scenarios.map(\.status) == [.passed, .passed])
        for scenario in report.scenarios {
            #expect(scenario.units == 240)
            #expect(scenario.failures.isEmpty && scenario.violations.isEmpty)
            #expect(scenario.readings.count == 7)
            #expect(scenario.judgement?.outcome == .flat)
        }
        #expect(server.openedSessions > 240)
    }

    @Test func usesOfSessionsAreRecordedInTheirOrder() async throws {
        let server = TinyServer(.none)
        let recording = SessionRecording()
        let report = try await soak(server) { $0.recording = recording }
        #expect(report.exitStatus == 0, "\(report.text)")
        let trace = try #require(EvictionTrace(name: "recorded", text: recording.text))
        #expect(trace.uses.count > trace.sizes.count, "sessions are used again")
        // But for those in which the server was looked at.
        #expect(trace.sizes.count <= server.openedSessions && trace.sizes.count > 240)
        var sent: [UInt32: Int] = [:]
        for line in recording.text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            let (session, bytes) = (try #require(UInt32(fields[0])), try #require(Int(fields[1])))
            #expect(bytes >= sent[session] ?? 1, "what was sent grows")
            sent[session] = bytes
        }
    }

    @Test func aRecordingHasItsLimit() {
        let recording = SessionRecording()
        let session = recording.open()
        for _ in 0..<(SessionRecording.usesMax + 10) { recording.use(session, bytes: 1) }
        #expect(recording.text.split(separator: "\n").count == SessionRecording.usesMax + 1)
    }

    @Test func sessionsThatAreNeverFreedAreFound() async throws {
        let report = try await soak(TinyServer(.keepsAbandonedSessions))
        #expect(report.exitStatus == 1)
        #expect(report.scenarios.map(\.status) == [.passed, .failed])
        // All but the polite are kept: 80 of 100, by the weights of their behaviours.
        let slope = try #require(report.scenarios[1].judgement?.fit.slope)
        #expect((0.7...0.9).contains(slope / Double(TinyServer.bytesPerSession)), "\(slope)")
    }

    @Test func sessionsThatAreEndedAreNotHeldAgainstIt() async throws {
        let server = TinyServer(.keepsAbandonedSessions)
        let report = try await soak(server, [.deletes])
        #expect(report.exitStatus == 0, "\(report.text)")
        #expect(server.keptSessions == 0)
    }

    @Test func bytesThatStayOfEachRequestAreFoundExactly() async throws {
        let report = try await soak(TinyServer(.keepsCalls), [.requests])
        #expect(report.exitStatus == 1)
        let fit = try #require(report.scenarios[0].judgement?.fit)
        #expect(abs(fit.slope - Double(TinyServer.bytesPerCall)) < 1)
    }

    @Test func theLimitDecides() async throws {
        let report = try await soak(TinyServer(.keepsCalls), [.requests]) { $0.limits.bytesPerRequest = 6_000 }
        #expect(report.exitStatus == 0)
    }

    @Test func answersThatCrossFail() async throws {
        let report = try await soak(TinyServer(.crossesAnswers), [.equalIDs])
        #expect(report.exitStatus == 1)
        #expect(report.scenarios[0].violations["an answer that was meant for another call"] ?? 0 > 0)
    }

    @Test func aServerThatRefusesToWorkIsNotMeasured() async throws {
        let report = try await soak(TinyServer(.breaks), [.requests]) { $0.units = 12 }
        #expect(report.exitStatus == 3)
        #expect(report.scenarios[0].status == .unmeasured)
    }

    @Test func aServerThatDiesIsTold() async throws {
        let error = await #expect(throws: SoakError.self) { try await soak(TinyServer(.dies)) }
        #expect(error?.code == .unmeasurable)
        #expect(error?.description.contains("gone") == true)
    }

    @Test func memoryBeyondTheLimitEndsTheRun() async throws {
        let report = try await soak(TinyServer(.keepsAbandonedSessions), [.sessions]) {
            $0.limits.memoryMax = (64 << 20) + 100 * TinyServer.bytesPerSession
        }
        #expect(report.exitStatus == 1)
        #expect(report.interruption?.contains("memory reached") == true)
    }

    @Test func whatTheServerCannotDoIsSkipped() async throws {
        let report = try await soak(TinyServer(.none), [.stateless, .requests])
        #expect(report.scenarios.map(\.status) == [.notApplicable, .passed])
        #expect(report.exitStatus == 0)
    }

    @Test(arguments: [
        Scenario.Name.refusedRequests, .abandonedInitialize, .modernProbe, .cancelledCalls, .halfOpenStreams,
        .largeOutputs,
        .equalIDs, .atCapacity, .accounts, .restoredSessions, .cancelledStreams, .unrelievedPressure, .anonymousFlood,
    ])
    func aGoodServerPassesEveryScenario(name: Scenario.Name) async throws {
        let report = try await soak(TinyServer(.none), [name]) { $0.units = 48 }
        #expect(report.exitStatus == 0, "\(report.text)")
        #expect(report.scenarios[0].failures.isEmpty, "\(report.scenarios[0].failures)")
    }

    @Test func nobodyThereIsNotMeasured() async throws {
        let endpoint = try await TinyServer(.none).run { $0 }
        let error = await #expect(throws: SoakError.self) {
            try await Soak(SoakOptions(endpoint: endpoint), memory: TinyServer(.none)).run()
        }
        #expect(error?.description.contains("no connection is accepted") == true)
    }

    @Test func aToolThatIsNotThereIsAUsageError() async throws {
        let error = await #expect(throws: SoakError.self) {
            try await soak(TinyServer(.none)) { $0.tool = "no-such-tool" }
        }
        #expect(error?.code == .usage)
    }

    @Test func argumentsThatAreGivenAreSent() async throws {
        let report = try await soak(TinyServer(.none), [.requests]) {
            $0.tool = "echo"
            $0.arguments = ["text": "given"]
        }
        #expect(report.exitStatus == 0)
        #expect(report.call == "the tool echo")
    }

    @Test func reportsAreWholeAndNeedNothingElse() async throws {
        let report = try await soak(TinyServer(.keepsAbandonedSessions), [.sessions])
        let json = try JSONValue(parsing: report.json.text)
        #expect(json["outcome"] == "FAIL")
        #expect(json["scenarios"]?[0]?["growth"]?["outcome"] == "grows")
        #expect(json["scenarios"]?[0]?["readings"]?[6]?["units"] == 240)
        let html = report.html
        #expect(html.contains("<svg") && html.contains("prefers-color-scheme: dark"))
        for outside in ["<script", "<link", "<img", "@import", "url(http", "src="] {
            #expect(!html.contains(outside), "\(outside)")
        }
        #expect(report.text.contains("FAIL  sessions"))
    }
}
