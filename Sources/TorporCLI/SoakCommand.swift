import ArgumentParser
import Glibc
import Synchronization
import TorporJSON
import TorporSoak
import TorporSystem
import UnixSignals

/// `torpor soak`: loads any MCP server with simulated agents, and tells whether its memory grows.
struct SoakCommand: AsyncParsableCommand {
    /// The status for a command line that is wrong.
    static let usageStatus = SoakError.Code.usage.rawValue

    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Load any MCP server with simulated agents, and tell whether its memory grows.",
        usage: """
            torpor soak [<options>] <url>
            torpor soak [<options>] -- <command> ...
            """,
        discussion: """
            Agents open sessions, call, come back, cancel, vanish. After each phase of equal work the memory of the server's \
            processes is read, and a line is laid through the readings: bytes for each session and each request, with 95 % \
            confidence intervals. A server fails when a whole interval lies above the limit.

            The server must run on this machine, since its memory is read from /proc; its processes are found by the port it \
            listens at. A command after -- is started, loaded, and stopped.

            Only a server made for it should be loaded: tools are called, with made-up arguments, thousands of times.

            Ends with 0 when the server passes, 1 when its memory grows or it answers wrongly, 2 when the command line is \
            wrong, 3 when nothing could be measured.
            """)

    @Argument(help: "The server's MCP endpoint, such as http://127.0.0.1:8000/mcp.")
    var address: String?
    @Argument(parsing: .postTerminator, help: "A server to start, and its arguments.")
    var command: [String] = []

    @Option(
        help: ArgumentHelp(
            "The endpoint of the server that is started. Default http://127.0.0.1:PORT/mcp.", valueName: "url"))
    var url: String?
    @Option(help: ArgumentHelp("The port of the server that is started.", valueName: "port"))
    var port = 8_000
    @Option(
        help: ArgumentHelp("How long a server that is started may take to listen, in seconds.", valueName: "seconds"))
    var startTimeout = 30.0
    @Option(
        help: ArgumentHelp(
            "The server's process; repeatable. Its descendants count, too. Default: whoever listens at the port.",
            valueName: "pid"))
    var pid: [Int32] = []
    @Option(
        help: ArgumentHelp(
            "What memory is: resident (RSS), proportional (PSS) or private; swap always counts.", valueName: "kind"))
    var measure = "resident"
    @Flag(help: "Load a server that is not on loopback; needs --pid.")
    var allowRemote = false

    @Option(help: ArgumentHelp("How many agents work at once.", valueName: "count"))
    var agents = 200
    @Option(
        help: ArgumentHelp(
            "How long the scenarios take together, in seconds. Default 60, or 12 for each.", valueName: "seconds"))
    var duration: Double?
    @Option(
        help: ArgumentHelp("Units of work of each scenario, in place of what fits into the time.", valueName: "count"))
    var requests: Int?
    @Option(
        help: ArgumentHelp(
            "What agents do; repeatable. \"all\" for everything, \"list\" to see. Default: requests and sessions.",
            valueName: "name"))
    var scenario: [String] = []
    @Option(help: ArgumentHelp("What decides what agents do.", valueName: "number"))
    var seed: UInt64 = 1
    @Option(
        help: ArgumentHelp(
            "legacy (sessions) or modern (2026-07-28). Default: whatever the server speaks.", valueName: "era"))
    var era: String?
    @Option(
        help: ArgumentHelp("The tool to call. Default: the first whose arguments can be made up.", valueName: "name"))
    var tool: String?
    @Option(help: ArgumentHelp("Its arguments.", valueName: "json"))
    var arguments: String?
    @Option(help: ArgumentHelp("A bearer token that agents send.", valueName: "token"))
    var token: String?
    @Option(help: ArgumentHelp("How long an agent waits for an answer, in seconds.", valueName: "seconds"))
    var timeout = 10

    @Option(help: ArgumentHelp("Bytes that may stay of each session.", valueName: "bytes"))
    var maxBytesPerSession = 1_024.0
    @Option(help: ArgumentHelp("Bytes that may stay of each request.", valueName: "bytes"))
    var maxBytesPerRequest = 16.0
    @Option(
        help: ArgumentHelp(
            "Memory at which the run ends and the server has failed; 512MiB, for example.", valueName: "size"))
    var maxRss: String?

    @Option(help: ArgumentHelp("Where to write the report as JSON.", valueName: "path"))
    var json: String?
    @Option(help: ArgumentHelp("Where to write the report as a web page.", valueName: "path"))
    var html: String?
    @Option(
        help: ArgumentHelp(
            "Where to write which sessions were used, in order, for EvictionBench --trace.", valueName: "path"))
    var record: String?
    @Flag(help: "Print no progress.")
    var quiet = false

    func run() async throws {
        if self.scenario.contains("list") { return print(Self.scenarioList) }
        do {
            var options = try self.options()
            if self.record != nil { options.recording = SessionRecording() }
            Self.raiseFileLimit()
            let report = try await self.measure(options)
            print(report.text, terminator: "")
            if let json { try Self.write(report.json.text + "\n", to: json) }
            if let html { try Self.write(report.html, to: html) }
            if let record, let recording = options.recording { try Self.write(recording.text, to: record) }
            if report.exitStatus != 0 { throw ExitCode(report.exitStatus) }
        } catch let error as SoakError {
            fflush(nil)
            Self.complain("Error: \(error)\n")
            throw ExitCode(error.code.rawValue)
        }
    }

    // MARK: The command line

    private func options() throws(SoakError) -> SoakOptions {
        guard self.address == nil || self.command.isEmpty else {
            throw SoakError(.usage, "give the URL of a server that runs, or a command after --, not both")
        }
        guard self.address != nil || !self.command.isEmpty else {
            throw SoakError(.usage, "give the URL of a server, or a command after --; see torpor help soak")
        }
        guard (1...65_535).contains(self.port) else { throw SoakError(.usage, "--port is 1 to 65535") }
        let endpoint = try Endpoint(self.address ?? self.url ?? "http://127.0.0.1:\(self.port)/mcp")
        guard endpoint.isLoopback || self.allowRemote else {
            throw SoakError(
                .usage, "\(endpoint.host) may be another machine; give --allow-remote if it is yours to load, and --pid"
            )
        }
        guard endpoint.isLoopback || !self.pid.isEmpty || !self.command.isEmpty else {
            throw SoakError(.usage, "--allow-remote needs --pid: memory can be read on this machine alone")
        }
        guard self.pid.isEmpty || self.command.isEmpty else {
            throw SoakError(.usage, "--pid is for a server that runs; the one after -- is known")
        }
        guard let measure = ProcessTree.Measure(rawValue: self.measure) else {
            throw SoakError(.usage, "--measure is resident, proportional or private")
        }
        var options = SoakOptions(endpoint: endpoint)
        options.measure = measure
        options.scenarios = try self.scenarios()
        guard (1...10_000).contains(self.agents) else { throw SoakError(.usage, "--agents is 1 to 10000") }
        options.agents = self.agents
        options.seconds = self.duration ?? (self.scenario.isEmpty ? 60 : 12 * Double(options.scenarios.count))
        guard (1...86_400).contains(options.seconds) else { throw SoakError(.usage, "--duration is 1 to 86400") }
        if let requests, requests < 1 { throw SoakError(.usage, "--requests is 1 or more") }
        options.units = self.requests
        options.seed = self.seed
        if let era {
            guard let era = SoakOptions.Era(rawValue: era) else { throw SoakError(.usage, "--era is legacy or modern") }
            options.era = era
        }
        options.tool = self.tool
        if let arguments {
            guard self.tool != nil else { throw SoakError(.usage, "--arguments needs --tool") }
            guard case .object(let object)? = try? JSONValue(parsing: arguments) else {
                throw SoakError(.usage, "--arguments is no JSON object")
            }
            options.arguments = object
        }
        options.authorization = self.token.map { "Bearer \($0)" }
        guard (1...600).contains(self.timeout) else { throw SoakError(.usage, "--timeout is 1 to 600") }
        options.timeoutSeconds = self.timeout
        options.limits = try self.limits()
        return options
    }

    private func limits() throws(SoakError) -> SoakOptions.Limits {
        guard self.maxBytesPerSession >= 0, self.maxBytesPerRequest >= 0 else {
            throw SoakError(.usage, "limits are 0 or more")
        }
        var limits = SoakOptions.Limits()
        limits.bytesPerSession = self.maxBytesPerSession
        limits.bytesPerRequest = self.maxBytesPerRequest
        if let maxRss {
            let units = ["KiB": 10, "MiB": 20, "GiB": 30]
            let unit = String(maxRss.suffix(3))
            let number = units[unit] == nil ? Int(maxRss) : Int(maxRss.dropLast(3))
            guard let number, number > 0, number < 1 << 32 else {
                throw SoakError(.usage, "--max-rss is bytes, or a number with KiB, MiB or GiB")
            }
            limits.memoryMax = number << (units[unit] ?? 0)
        }
        return limits
    }

    private func scenarios() throws(SoakError) -> [Scenario] {
        if self.scenario.isEmpty { return Scenario.ordinary }
        if self.scenario.contains("all") { return Scenario.all }
        var scenarios: [Scenario] = []
        for text in self.scenario {
            guard let name = Scenario.Name(rawValue: text) else {
                throw SoakError(.usage, "--scenario: there is no \"\(text)\"; see --scenario list")
            }
            scenarios.append(.named(name))
        }
        return scenarios
    }

    private static var scenarioList: String {
        Scenario.all.map { scenario in
            let name = scenario.name.rawValue
            let indent = String(repeating: " ", count: 22)
            let pitfall = scenario.pitfall.isEmpty ? "" : "\n\(indent)Seen: \(scenario.pitfall)"
            return name + indent.dropFirst(name.count) + scenario.summary + pitfall
        }.joined(separator: "\n")
    }

    // MARK: The run

    /// Runs until the end, or until somebody wants it to end; a server that was started is stopped either way.
    private func measure(_ options: SoakOptions) async throws -> SoakReport {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return try await withThrowingTaskGroup(of: SoakReport?.self) { tasks in
            tasks.addTask { try await self.serveAndLoad(options) }
            tasks.addTask {
                for await _ in signals { break }
                return nil
            }
            defer { tasks.cancelAll() }
            do {
                guard let report = try await tasks.next() ?? nil else {
                    tasks.cancelAll()
                    try? await tasks.waitForAll()  // It fails, being cancelled; the server is stopped by then.
                    throw SoakError(.unmeasurable, "interrupted")
                }
                return report
            } catch is CancellationError {
                throw SoakError(.unmeasurable, "interrupted")
            }
        }
    }

    private func serveAndLoad(_ options: SoakOptions) async throws -> SoakReport {
        let progress = ProgressPrinter(isQuiet: self.quiet)
        guard !self.command.isEmpty else {
            let source = ProcessMemorySource(pids: try self.processes(options.endpoint), measure: options.measure)
            guard source.bytes() != nil else {
                let pids = source.pids.map(String.init).joined(separator: ", ")
                throw SoakError(.unmeasurable, "the memory of process \(pids) cannot be read: is it there, and yours?")
            }
            return try await Soak(options, memory: source) { progress.show($0) }.run()
        }
        let sockets = ListeningSockets(root: .machine)
        guard !sockets.isOpen(port: options.endpoint.port) else {
            throw SoakError(
                .unmeasurable, "something listens at port \(options.endpoint.port) already; give --port or --url")
        }
        let process = try await ServerProcess.start(self.command)
        do {
            try await self.waitForPort(options.endpoint.port, of: process, sockets)
            let source = ProcessMemorySource(pids: [process.pid], measure: options.measure)
            let report = try await Soak(options, memory: source, process: process) { progress.show($0) }.run()
            await process.stop()
            return report
        } catch {
            await process.stop()
            throw error
        }
    }

    private func processes(_ endpoint: Endpoint) throws(SoakError) -> [Int32] {
        if !self.pid.isEmpty { return self.pid }
        let sockets = ListeningSockets(root: .machine)
        let found = ProcessTree(root: .machine).topmost(of: sockets.processes(port: endpoint.port))
        guard found.isEmpty else { return found }
        throw SoakError(
            .unmeasurable,
            sockets.isOpen(port: endpoint.port)
                ? "the process that listens at port \(endpoint.port) cannot be found; give --pid, or run as its user"
                : "no process listens at port \(endpoint.port)")
    }

    private func waitForPort(_ port: Int, of process: ServerProcess, _ sockets: ListeningSockets) async throws {
        let deadline = ContinuousClock.now + .seconds(self.startTimeout)
        while !sockets.isOpen(port: port) {
            if let ending = process.ending {
                throw SoakError(.unmeasurable, "the server \(ending) before it listened:\n\(process.lastOutput)")
            }
            guard ContinuousClock.now < deadline else {
                throw SoakError(
                    .unmeasurable,
                    "the server does not listen at port \(port) after \(Int(self.startTimeout)) s; give --port or --url\n"
                        + process.lastOutput)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Every agent needs connections.
    private static func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    private static func write(_ text: String, to path: String) throws(SoakError) {
        guard let file = fopen(path, "w") else {
            throw SoakError(.usage, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten else {
            throw SoakError(.unmeasurable, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    static func complain(_ text: String) {
        var text = text
        // A terminal that is gone cannot be told.
        _ = text.withUTF8 { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// Tells on standard error how a run goes on: in one line that changes on a terminal, else a line every five seconds.
private final class ProgressPrinter: Sendable {
    private static let interval = Duration.seconds(5)

    private let isQuiet: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let last = Mutex<ContinuousClock.Instant?>(nil)

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    func show(_ progress: Soak.Progress) {
        guard !self.isQuiet else { return }
        switch progress {
        case .found(let name, let eras, let call):
            self.line("\(name): speaks \(eras); agents call \(call)", always: true)
        case .phase(let scenario, let phase, let count, let units, let bytes):
            let place = phase == 0 ? "warm-up" : "phase \(phase) of \(count)"
            let mebibytes = "\(bytes >> 20).\((bytes >> 10 & 1_023) * 10 / 1_024) MiB"
            self.line("\(scenario.rawValue): \(place), \(units) done, \(mebibytes)", always: false)
        case .finished(let report):
            self.line("\(report.mark)  \(report.scenario.name.rawValue): \(report.verdict)", always: true)
        }
    }

    private func line(_ text: String, always: Bool) {
        let isDue = self.last.withLock { last in
            let now = ContinuousClock.now
            guard always || self.isTerminal || last.map({ now - $0 >= Self.interval }) ?? true else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        let (start, end) = self.isTerminal ? ("\r\u{1B}[K", always ? "\n" : "") : ("", "\n")
        SoakCommand.complain(start + text + end)
    }
}
