import Glibc
import Synchronization
import TorporJSON
import TorporSystem

/// Loads a server with agents, scenario after scenario, and watches its memory.
package struct Soak: Sendable {
    /// What happens while a run goes on.
    package enum Progress: Sendable {
        case found(name: String, eras: String, call: String)
        /// A phase is over; `phase` 0 is the warm-up.
        case phase(scenario: Scenario.Name, phase: Int, of: Int, units: Int, bytes: Int)
        case finished(ScenarioReport)
    }

    private let options: SoakOptions
    private let memory: any MemorySource
    private let process: ServerProcess?
    private let announce: @Sendable (Progress) -> Void

    /// - Parameters:
    ///   - memory: The memory of the server behind `options.endpoint`.
    ///   - process: The server, when it was started for the run.
    ///   - announce: Told what happens, from any thread.
    package init(
        _ options: SoakOptions, memory: any MemorySource, process: ServerProcess? = nil,
        announce: @escaping @Sendable (Progress) -> Void = { _ in }
    ) {
        self.options = options
        self.memory = memory
        self.process = process
        self.announce = announce
    }

    /// Runs all scenarios.
    ///
    /// - Throws: ``SoakError`` when the server cannot be reached, speaks no MCP, or dies. A server that takes more than
    ///   its limit, or fails a scenario, is told in the report.
    package func run() async throws -> SoakReport {
        var context = AgentContext(
            endpoint: self.options.endpoint, authorization: self.options.authorization,
            timeoutSeconds: self.options.timeoutSeconds, seed: self.options.seed)
        context.facts = try await Probe(
            era: self.options.era, toolName: self.options.tool, arguments: self.options.arguments
        ).explore(context)
        let facts = context.facts
        let watch = MemoryWatch(self.memory, bytesMax: self.options.limits.memoryMax)
        var report = SoakReport(
            url: self.options.endpoint.description, server: facts.name, eras: facts.eras, call: facts.callText,
            agents: self.options.agents, seed: self.options.seed, limits: self.options.limits,
            measure: self.options.measure.rawValue, date: Int(time(nil)))
        self.announce(.found(name: facts.name, eras: facts.eras, call: facts.callText))
        let applicable = self.options.scenarios.count { facts.lack(for: $0) == nil }
        let plan = self.options.plan ?? SoakPlan(seconds: self.options.seconds / Double(max(applicable, 1)))
        for scenario in self.options.scenarios {
            if let lack = facts.lack(for: scenario) {
                report.scenarios.append(ScenarioReport(scenario: scenario, status: .notApplicable, verdict: lack))
                self.announce(.finished(report.scenarios[report.scenarios.count - 1]))
                continue
            }
            do {
                let scenarioContext = AgentContext(
                    endpoint: context.endpoint, authorization: context.authorization,
                    timeoutSeconds: context.timeoutSeconds, seed: context.seed,
                    recording: self.options.recording, facts: facts)
                let one = try await self.watched(watch) {
                    try await self.run(scenario, plan, scenarioContext, watch)
                }
                report.scenarios.append(one)
                self.announce(.finished(one))
            } catch let exceeded as MemoryExceeded {
                report.interruption =
                    "\(scenario.name.rawValue): memory reached \(Format.bytes(exceeded.bytes)), the limit is "
                    + Format.bytes(self.options.limits.memoryMax ?? 0)
                break
            } catch is ServerGone {
                guard let exit = self.explainedExit(in: scenario) else { throw self.death(in: scenario) }
                report.scenarios.append(exit)
                self.announce(.finished(exit))
                break
            }
        }
        report.series = watch.recorded
        report.seconds = watch.seconds
        return report
    }

    /// Runs `body` while the memory is watched.
    private func watched(
        _ watch: MemoryWatch, _ body: @escaping @Sendable () async throws -> ScenarioReport
    ) async throws -> ScenarioReport {
        try await withThrowingTaskGroup(of: ScenarioReport?.self) { tasks in
            tasks.addTask {
                try await watch.run()
                return nil
            }
            tasks.addTask { try await body() }
            defer { tasks.cancelAll() }
            while let report = try await tasks.next() { if let report { return report } }
            throw CancellationError()
        }
    }

    /// A server that ends by itself under pressure, and says so, does what can be asked of it.
    private func explainedExit(in scenario: Scenario) -> ScenarioReport? {
        guard scenario.name == .unrelievedPressure, let process, process.hasExited, let ending = process.ending,
            let line = process.lastOutput.split(separator: "\n").last
        else { return nil }
        return ScenarioReport(scenario: scenario, status: .passed, verdict: "it \(ending), saying: \(line)")
    }

    private func death(in scenario: Scenario) -> SoakError {
        var text = "\(scenario.name.rawValue): the server's process is gone"
        if let ending = self.process?.ending { text = "\(scenario.name.rawValue): the server \(ending)" }
        if let output = self.process?.lastOutput, !output.isEmpty { text += "; it said last:\n\(output)" }
        return SoakError(.unmeasurable, text)
    }

    // MARK: One scenario

    private func run(
        _ scenario: Scenario, _ plan: SoakPlan, _ context: AgentContext, _ watch: MemoryWatch
    ) async throws -> ScenarioReport {
        let count = scenario.name == .anonymousFlood ? min(self.options.agents, 8) : self.options.agents
        let agents = (0..<count).map { Agent(context, number: $0) }
        let tally = context.tally
        let start = watch.seconds
        var phases: [ClosedRange<Double>] = []
        var readings: [ScenarioReport.Reading] = []
        var latencies: [LatencyHistogram] = []

        /// Does units up to `last`, waits until the server has settled, and reads its memory.
        func phase(_ number: Int, from first: Int, units: Int, seconds: Double) async throws -> Int {
            let begin = watch.seconds
            try await self.work(agents, scenario, first: first, units: units, seconds: seconds)
            phases.append(begin...watch.seconds)
            await self.together(agents) { await $0.endPhase(scenario) }
            try await Task.sleep(for: .seconds(max(0, plan.settleSeconds - MemoryWatch.readingSeconds)))
            let bytes = try await watch.reading()
            self.announce(
                .phase(
                    scenario: scenario.name, phase: number, of: plan.phases, units: tally.current.units, bytes: bytes))
            return bytes
        }

        let warmup = try await phase(
            0, from: 0, units: min(SoakPlan.unitsMax, count * scenario.unitsPerAgentMax), seconds: plan.warmupSeconds)
        let warmUnits = tally.current.units
        let units = plan.unitsPerPhase(
            warmupUnits: tally.current.turns, warmupSeconds: phases[0].upperBound - phases[0].lowerBound, agents: count,
            unitsPerAgentMax: scenario.unitsPerAgentMax, units: self.options.units)
        readings.append(ScenarioReport.Reading(seconds: watch.seconds, units: 0, bytes: warmup))
        latencies.append(tally.current.latencies)
        for number in 1...plan.phases {
            let bytes = try await phase(
                number, from: SoakPlan.unitsMax * number, units: units, seconds: plan.phaseSecondsMax)
            readings.append(
                ScenarioReport.Reading(seconds: watch.seconds, units: tally.current.units - warmUnits, bytes: bytes))
            latencies.append(tally.current.latencies)
        }
        await self.together(agents) { await $0.leave() }
        let third = max(1, plan.phases / 3)
        var report = ScenarioReport.judge(
            scenario, readings: readings, counts: tally.current, early: latencies[third].since(latencies[0]),
            late: latencies[plan.phases].since(latencies[plan.phases - third]), limits: self.options.limits)
        report.span = start...watch.seconds
        report.phases = phases
        return report
    }

    private func together(_ agents: [Agent], _ body: @escaping @Sendable (Agent) async -> Void) async {
        await withDiscardingTaskGroup { tasks in
            for agent in agents { tasks.addTask { await body(agent) } }
        }
    }

    /// Lets all agents work until the units are done or the time is over.
    private func work(
        _ agents: [Agent], _ scenario: Scenario, first: Int, units: Int, seconds: Double
    ) async throws {
        let units = UnitCounter(first..<first + units)
        let deadline = ContinuousClock.now + .seconds(seconds)
        await withDiscardingTaskGroup { tasks in
            for agent in agents {
                tasks.addTask {
                    while !Task.isCancelled, ContinuousClock.now < deadline {
                        guard let unit = units.next() else { return }
                        await agent.perform(scenario, unit: unit)
                    }
                }
            }
        }
        try Task.checkCancellation()
    }
}

/// Gives out the units of a phase, each once.
private final class UnitCounter: Sendable {
    private let first: Atomic<Int>
    private let end: Int

    init(_ units: Range<Int>) {
        self.first = Atomic(units.lowerBound)
        self.end = units.upperBound
    }

    func next() -> Int? {
        let unit = self.first.wrappingAdd(1, ordering: .relaxed).oldValue
        return unit < self.end ? unit : nil
    }
}

extension ServerFacts {
    /// What the server speaks, in words.
    package var eras: String {
        let legacy = self.legacyRevision.map { "\($0) with\(self.hasSessions ? "" : "out") sessions" }
        let modern = self.isModern ? "\(Messages.modernRevision) without sessions" : nil
        return [legacy, modern].compactMap(\.self).joined(separator: ", and ")
    }

    /// What agents call, in words.
    package var callText: String {
        guard let tool else { return self.isLegacy ? "ping" : "server/discover" }
        return "the tool \(tool.name)" + (tool.echoes ? ", which echoes" : "")
    }

    /// Why a scenario does not suit the server; `nil` when it does.
    func lack(for scenario: Scenario) -> String? {
        switch scenario.need {
        case .nothing: return nil
        case .legacy: return self.isLegacy ? nil : "the server has no initialize"
        case .modern: return self.isModern ? nil : "the server does not speak \(Messages.modernRevision)"
        case .tool:
            guard let tool else { return "the server has no tool that can be called" }
            let text = String(repeating: "x", count: 70_000)
            guard tool.fixed == nil, let arguments = tool.arguments(marker: text),
                arguments.members.contains(where: { $0.value == .string(text) })
            else { return "the tool \(tool.name) takes no text of any length" }
            return nil
        }
    }
}
