import Glibc
import Testing
import TorporCore
import TorporHTTP
import TorporMetrics
import TorporSQLite
import TorporSystem

@testable import Torpor
@testable import TorporCLI
import TorporStorage

/// How `torpor doctor` gets its facts: from this machine, from files, and from a listener that runs.
@Suite struct DoctorReadingTests {
    private static func configuration(_ flags: [String: String]) throws -> ServeConfiguration {
        try ServeConfiguration(ConfigurationSources(flags: flags, environment: [:], file: nil))
    }

    private static func withFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        var template = Array("/tmp/torpor-doctor-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            for name in SystemRoot(folder).names(in: "") ?? [] { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
        return try await body(folder)
    }

    @Test func theMachineIsLookedAtWithoutLeavingAnythingBehind() async throws {
        try await Self.withFolder { folder in
            let facts = MachineFacts(
                reading: try Self.configuration(["store": "sqlite:\(folder)/a.db"]), databaseMax: .max)
            #expect(facts.memory != nil && facts.memoryLimit != nil && facts.clock != nil)
            #expect(facts.library?.version == SQLiteLibrary.version)
            #expect(facts.database?.condition == .missing)
            #expect(facts.database?.disk != nil)
            #expect(facts.keys == .missing(path: "\(folder)/a.db.keys"))
            #expect(facts.allocator?.isEmpty == false)
            #expect(SystemRoot(folder).names(in: "") == [])
            #expect(!Doctor.findings(facts).isEmpty)
        }
    }

    @Test func aDatabaseIsReadWhenNobodyHasIt() async throws {
        try await Self.withFolder { folder in
            let path = "\(folder)/a.db"
            let configuration = try Self.configuration(["store": "sqlite:\(path)"])
            let state = try await StateService.sqlite(
                path, limits: configuration.state.limits, sessionLifetime: configuration.sessionLifetime,
                compresses: true, logger: quietLogger)
            let during = StoreInspection.condition(of: path, bytesMax: .max)
            #expect(during == .inUse(process: Int(getpid())))
            try await state.run {}
            let names = Set(SystemRoot(folder).names(in: "") ?? [])
            #expect(StoreInspection.condition(of: path, bytesMax: .max) == .sound)
            #expect(Set(SystemRoot(folder).names(in: "") ?? []) == names)
            guard case .unread(let bytes) = StoreInspection.condition(of: path, bytesMax: 0) else {
                Issue.record("a database that is too large is not read")
                return
            }
            #expect(bytes > 0)
        }
    }

    @Test func aDamagedDatabaseIsFoundOut() async throws {
        try await Self.withFolder { folder in
            let path = "\(folder)/a.db"
            let configuration = try Self.configuration(["store": "sqlite:\(path)"])
            try await StateService.sqlite(
                path, limits: configuration.state.limits, sessionLifetime: configuration.sessionLifetime,
                compresses: true, logger: quietLogger
            ).run {}
            let descriptor = open(path, O_WRONLY)
            try #require(descriptor >= 0)
            let garbage = [UInt8](repeating: 0xA5, count: 4_096)
            // The second page, of a table; the first one has the header.
            let written = pwrite(descriptor, garbage, garbage.count, 4_096)
            close(descriptor)
            #expect(written == garbage.count)
            guard case .damaged(let sentences) = StoreInspection.condition(of: path, bytesMax: .max) else {
                Issue.record("damage is seen")
                return
            }
            #expect(!sentences.isEmpty)
            try #require(truncate(path, 0) == 0)
            let other = open(path, O_WRONLY)
            let text = Array("this is a letter and no database, and it is long enough to be looked at".utf8)
            #expect(write(other, text, text.count) == text.count)
            close(other)
            guard case .damaged = StoreInspection.condition(of: path, bytesMax: .max) else {
                Issue.record("a file of another kind is seen")
                return
            }
        }
    }

    @Test func keysThatOthersCanReadAreUnusable() async throws {
        try await Self.withFolder { folder in
            let configuration = try Self.configuration(["store": "memory:", "key-file": "\(folder)/k"])
            _ = try KeyFile(path: "\(folder)/k").loadOrCreate()
            #expect(MachineFacts(reading: configuration, databaseMax: 0).keys == .sound(path: "\(folder)/k"))
            #expect(chmod("\(folder)/k", 0o644) == 0)
            guard case .unusable(_, let reason) = MachineFacts(reading: configuration, databaseMax: 0).keys else {
                Issue.record("a key file that is open to others cannot be used")
                return
            }
            #expect(reason.hasPrefix("is open to other users"))
        }
    }

    @Test func tokenAndCertificateFilesAreTried() async throws {
        let facts = MachineFacts(
            reading: try Self.configuration([
                "store": "memory:", "auth": "token-file=/nowhere/tokens", "tls-certificate-file": "/nowhere/c",
                "tls-key-file": "/nowhere/k",
            ]), databaseMax: 0)
        #expect(facts.unusableFiles.count == 2)
        #expect(facts.unusableFiles.first?.contains("/nowhere/tokens") == true)
    }

    @Test func limitsAreReadFromTheFilesOfTheKernel() async throws {
        try await Self.withFolder { folder in
            mkdir("\(folder)/proc", 0o700)
            defer {
                unlink("\(folder)/proc/meminfo")
                rmdir("\(folder)/proc")
            }
            let text = "MemTotal: 1024000 kB\nMemAvailable: 512000 kB\nSwapTotal: 4 kB\n"
            let file = try #require(fopen("\(folder)/proc/meminfo", "w"))
            fputs(text, file)
            fclose(file)
            let facts = MachineFacts(
                reading: try Self.configuration(["store": "memory:"]), root: SystemRoot(folder), databaseMax: 0)
            #expect(facts.memory?.total == .mebibytes(1_000))
            #expect(facts.memoryLimit?.bytes == .mebibytes(750))
            #expect(facts.backlogMax == nil && facts.hugePages == nil && facts.overcommit == nil)
        }
    }

    // MARK: Hosted servers

    private static func hosted(_ servers: String, _ folder: String) throws -> MachineFacts.Hosted? {
        let path = "\(folder)/servers.json"
        let file = try #require(fopen(path, "w"))
        fputs("{\"mcpServers\": {\(servers)}}", file)
        fclose(file)
        return MachineFacts(
            reading: try Self.configuration(["store": "memory:", "servers": path]), databaseMax: 0
        ).hosted
    }

    @Test func programsOfHostedServersAreLookedForAsTheirChildrenWould() async throws {
        try await Self.withFolder { folder in
            let hosted = try #require(
                try Self.hosted(
                    """
                    "there": {"command": "sh", "children": 3, "memory": "64MiB", "sandbox": true},
                    "gone": {"command": "no-such-program"},
                    "elsewhere": {"command": "sh", "env": {"PATH": "/nowhere"}, "per": "shared"},
                    "contained": {"command": "/bin/docker"},
                    "off": {"command": "no-such-program", "disabled": true},
                    "remote": {"url": "https://example.org/mcp"}
                    """, folder))
            #expect(hosted.fault == nil && hosted.commands.map(\.name) == ["there", "gone", "elsewhere", "contained"])
            #expect(
                hosted.commands[0]
                    == .init(name: "there", memory: .mebibytes(64), childrenMax: 3, isSandboxed: true))
            #expect(hosted.commands[1].fault?.contains("no-such-program is not installed") == true)
            #expect(hosted.commands[2].fault?.contains("/nowhere") == true && hosted.commands[2].childrenMax == 1)
            #expect(hosted.commands[3].caveat?.contains("--memory") == true)
            #expect(SystemRoot(folder).names(in: "") == ["servers.json"], "nothing is made")
        }
    }

    @Test func settingsOfHostedServersThatCannotBeUsedAreTold() async throws {
        try await Self.withFolder { folder in
            for servers in [
                "", "\"a\": {\"command\": 7}", "\"a\": {\"command\": \"sh\", \"env\": {\"A\": \"${TORPOR_NOT_SET}\"}}",
            ] {
                let hosted = try #require(try Self.hosted(servers, folder))
                #expect(hosted.commands.isEmpty && hosted.fault?.hasSuffix(".") == true)
            }
            #expect(
                MachineFacts(reading: try Self.configuration(["store": "memory:"]), databaseMax: 0).hosted == nil)
        }
    }

    // MARK: A running server

    private func ask(
        readiness: HealthReport = .healthy, tokens: TokenFile? = nil
    ) async throws -> MachineFacts.RunningServer {
        let service = StateService.inMemory()
        let reporting = StateReporting(service, in: MetricsRegistry(), logger: quietLogger)
        let sources = AdminSources(
            metricsText: { "" }, liveness: { .healthy }, readiness: { readiness },
            operations: AdminOperations(process: { ["process": ["threads": 3]] }, state: reporting.operations))
        let configuration = try Self.configuration(["store": "memory:"])
        let (answers, give) = AsyncStream.makeStream(of: MachineFacts.RunningServer.self)
        try await service.run {
            try await withAdminListener(sources, tokens: tokens) { port in
                var facts = MachineFacts(configuration: configuration)
                let url = "http://127.0.0.1:\(port)"
                await facts.ask(try AdminClient(url: url, tokenFile: nil), url: url, wasNamed: true)
                give.yield(facts.server)
                give.finish()
            }
        }
        return try #require(await answers.first { _ in true })
    }

    @Test func aRunningServerIsAsked() async throws {
        guard case .answers(let memory, nil) = try await self.ask() else {
            Issue.record("it answers, and is ready")
            return
        }
        #expect(memory["process"]?["threads"] == 3)
        #expect(memory["state"]?["resident"] != nil)
        guard case .answers(_, let reason?) = try await self.ask(readiness: HealthReport(reasons: ["it drains"])) else {
            Issue.record("it answers, and is not ready")
            return
        }
        #expect(reason == "it drains")
    }

    @Test func aPortWhereNobodyListensIsAbsent() async throws {
        var facts = MachineFacts(configuration: try Self.configuration(["store": "memory:"]))
        // Port 1 is one that nobody listens at.
        let url = "http://127.0.0.1:1"
        await facts.ask(try AdminClient(url: url, tokenFile: nil), url: url, wasNamed: false)
        guard case .absent(url, _, false) = facts.server else {
            Issue.record("nobody is there")
            return
        }
    }
}
