import ArgumentParser
import Glibc
import Synchronization
import Testing
import TorporEngine
import TorporHTTP
import TorporMetrics

@testable import Torpor
@testable import TorporCLI

/// `torpor sessions` against a listener that runs, with state in memory behind it.
@Suite struct SessionsCommandTests {
    private static let ids = (1...3).map { StateObjectID(bits: UInt128($0)) }

    private final class Output: Sendable {
        private let taken = Mutex("")
        func add(_ text: String) { self.taken.withLock { $0 += text + "\n" } }
        func take() -> String {
            self.taken.withLock { text in
                defer { text = "" }
                return text
            }
        }
    }

    private struct Trial: Sendable {
        let port: Int
        let service: StateService
        let output = Output()

        func sessions(json: Bool = false, tokenFile: String? = nil) throws -> SessionsOperator {
            let client = try AdminClient(url: "http://127.0.0.1:\(self.port)", tokenFile: tokenFile)
            return SessionsOperator(client: client, printsJSON: json) { [output] in output.add($0) }
        }
    }

    private func withServer(
        tokens: TokenFile? = nil, _ body: @escaping @Sendable (Trial) async throws -> Void
    ) async throws {
        let service = StateService.inMemory()
        let reporting = StateReporting(service, in: MetricsRegistry(), logger: quietLogger)
        let sources = AdminSources(
            metricsText: { "" }, liveness: { .healthy }, readiness: { .healthy },
            operations: AdminOperations(process: { [:] }, state: reporting.operations))
        try await service.run {
            for id in Self.ids {
                let use = service.engine.use()
                defer { use.end() }
                let name = ObjectName(id, .session, account: .anonymous(9))
                try await use.update(name) { $0.set(Array("count".utf8), [0, 1, 3]) }
                try await use.durable()
            }
            try await withAdminListener(sources, tokens: tokens) { port in
                try await body(Trial(port: port, service: service))
            }
        }
    }

    @Test func objectsAreListedAsATableOrAsJSON() async throws {
        try await self.withServer { trial in
            try await trial.sessions().list(kind: nil, name: nil, limit: 2)
            let lines = trial.output.take().split(separator: "\n")
            #expect(lines.count == 4)
            #expect(
                lines[0].hasPrefix("ID ") && lines[1].hasPrefix("\(Self.ids[0])  session  ")
                    && lines[1].contains("resident"))
            #expect(lines[3] == "There are more; --limit 0 lists all.")
            try await trial.sessions(json: true).list(kind: "session", name: nil, limit: 0)
            let objects = try trial.output.take().split(separator: "\n").map { try JSONValue(parsing: String($0)) }
            #expect(objects.map { $0["id"] } == Self.ids.map { .string("\($0)") })
            try await trial.sessions().list(kind: "handle", name: "basket", limit: 0)
            #expect(trial.output.take() == "There are no stored state objects.\n")
        }
    }

    @Test func oneObjectIsShownEvictedAndDeleted() async throws {
        try await self.withServer { trial in
            let id = "\(Self.ids[0])"
            let sessions = try trial.sessions()
            try await sessions.show(id)
            let shown = trial.output.take()
            #expect(shown.contains("kind        session\n") && shown.contains("standing    at rest\n"))
            try await sessions.evict(id)
            try await sessions.evict(id)
            #expect(trial.output.take() == "\(id) evicted\n\(id) was asleep already\n")
            try await sessions.delete(id)
            #expect(trial.output.take() == "\(id) deleted\n")
            #expect(trial.service.engine.hasEnded(Self.ids[0]))
            try await trial.sessions(json: true).evict("\(Self.ids[1])")
            #expect(trial.output.take() == #"{"id":"\#(Self.ids[1])","evicted":true}"# + "\n")
            for body in [sessions.show, sessions.evict, sessions.delete]
                as [(String) async throws(AdminClientError) -> Void]
            {
                let error = await #expect(throws: AdminClientError.self) { try await body(id) }
                #expect(error?.code == .unknown && error?.description == "There is no such state object.")
                let fault = await #expect(throws: AdminClientError.self) { try await body("17") }
                #expect(fault?.code == .usage)
            }
        }
    }

    @Test func allThatNobodyUsesIsEvicted() async throws {
        try await self.withServer { trial in
            let use = trial.service.engine.use()
            defer { use.end() }
            try await use.open(ObjectName(Self.ids[1], .session, account: .anonymous(9)))
            try await trial.sessions().evictAll()
            #expect(trial.output.take() == "2 objects evicted\n")
            #expect(trial.service.engine.areResident(Self.ids) == [false, true, false])
            try await trial.sessions(json: true).evictAll()
            #expect(trial.output.take() == #"{"evicted":0}"# + "\n")
        }
    }

    @Test(arguments: [["--all", "00000000000000000000000000000001"], []])
    func evictTakesIDsOrAll(arguments: [String]) {
        #expect(throws: (any Error).self) { try EvictSessions.parse(arguments) }
    }

    @Test func anExportInAFileIsImportedAgain() async throws {
        try await self.withServer { trial in
            let path = "/tmp/torpor-export-\(getpid())-\(UInt64.random(in: 0 ... .max))"
            defer { unlink(path) }
            let sessions = try trial.sessions()
            let id = "\(Self.ids[2])"
            try await sessions.export(id, to: path)
            #expect(trial.output.take() == "\(id) written to \(path)\n")
            #expect(try PrivateFile.read(path, sizeMax: .mebibytes(1)).contains(#""key":"count""#))
            let exists = await #expect(throws: AdminClientError.self) { try await sessions.export(id, to: path) }
            #expect(exists?.code == .refused)
            let refused = await #expect(throws: AdminClientError.self) {
                try await sessions.restore(path, replaces: false)
            }
            #expect(refused?.code == .refused && refused?.description.contains("replace") == true)
            try await sessions.restore(path, replaces: true)
            #expect(trial.output.take() == "\(id) imported\n")
            let missing = path + ".missing"
            let unknown = await #expect(throws: AdminClientError.self) {
                try await sessions.export("00000000000000000000000000000099", to: missing)
            }
            #expect(unknown?.code == .unknown && access(missing, F_OK) != 0, "no file is left of an export that failed")
            let unread = await #expect(throws: AdminClientError.self) {
                try await sessions.restore(missing, replaces: false)
            }
            #expect(unread?.code == .refused)
        }
    }

    @Test func aTokenIsSentWhereItIsNeeded() async throws {
        let path = "/tmp/torpor-ops-tokens-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        try PrivateFile.write("# who token\nops 0123456789abcdef0123\n", to: path, mayReplace: false)
        defer { unlink(path) }
        try await self.withServer(tokens: try TokenFile(path: path)) { trial in
            let error = await #expect(throws: AdminClientError.self) {
                try await trial.sessions().list(kind: nil, name: nil, limit: 1)
            }
            #expect(
                error?.code == .refused && error?.description == "the server asks for a token: give --admin-token-file")
            let wrong = path + ".wrong"
            try PrivateFile.write("ops 0123456789abcdef0124\n", to: wrong, mayReplace: false)
            defer { unlink(wrong) }
            let unknown = await #expect(throws: AdminClientError.self) {
                try await trial.sessions(tokenFile: wrong).list(kind: nil, name: nil, limit: 1)
            }
            #expect(unknown?.description == "the server does not know the first token of --admin-token-file")
            try await trial.sessions(tokenFile: path).list(kind: nil, name: nil, limit: 1)
            #expect(trial.output.take().contains("session"))
        }
    }

    @Test func withoutAServerTheErrorSaysWhereItLooked() async throws {
        let output = Output()
        // Port 1 of loopback: nobody listens there.
        let client = try AdminClient(url: "http://127.0.0.1:1", tokenFile: nil)
        let sessions = SessionsOperator(client: client, printsJSON: false) { output.add($0) }
        let error = await #expect(throws: AdminClientError.self) {
            try await sessions.list(kind: nil, name: nil, limit: 1)
        }
        #expect(error?.exitCode == 3 && error?.description.contains("http://127.0.0.1:1") == true)
    }

    @Test(arguments: [
        "https://localhost", "localhost:9464", "http://", "http://a:0", "http://a:65536", "http://a/b", "http://a@b",
    ])
    func whatIsNoURLIsRefused(url: String) {
        let error = #expect(throws: AdminClientError.self) { try AdminClient(url: url, tokenFile: nil) }
        #expect(error?.exitCode == 64)
    }

    @Test func aTableIsAsWideAsItHasToBe() {
        var table = TextTable([("NAME", false), ("BYTES", true)])
        table.add(["a", "5"])
        table.add(["longer", "123456"])
        #expect(table.text == "NAME     BYTES\na            5\nlonger  123456")
        #expect(TextTable.time(milliseconds: 1_795_235_019_999) == "2026-11-21 04:23:39Z")
    }
}
