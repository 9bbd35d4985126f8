import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import TorporHTTP

@Suite struct AdminListenerTests {
    @Test(arguments: ["/livez", "/readyz"])
    func aHealthyProcessSaysOK(path: String) async throws {
        try await withAdminListener { port in
            let response = try LoopbackClient(port: port).request("GET", path)
            #expect(response.status == 200)
            #expect(response.body == "ok\n")
            #expect(response.fields["content-type"] == "text/plain; charset=utf-8")
            #expect(response.fields["cache-control"] == "no-store")
            #expect(response.fields["x-content-type-options"] == "nosniff")
        }
    }

    @Test func livenessAndReadinessAreToldApartWithAReasonALine() async throws {
        let sources = AdminSources(
            metricsText: { "" },
            liveness: { HealthReport(reasons: ["event loop 1 stands still"]) },
            readiness: { HealthReport(reasons: ["draining", "store unavailable"]) }
        )
        try await withAdminListener(sources: sources) { port in
            let client = try LoopbackClient(port: port)
            let liveness = try client.request("GET", "/livez")
            #expect(liveness.status == 503)
            #expect(liveness.body == "event loop 1 stands still\n")
            let readiness = try client.request("GET", "/readyz?verbose")
            #expect(readiness.status == 503)
            #expect(readiness.body == "draining\nstore unavailable\n")
            #expect(readiness.fields["cache-control"] == "no-store")
        }
    }

    @Test func healthIsAskedForAtEachRequest() async throws {
        let asked = Atomic(0)
        let sources = AdminSources(
            metricsText: { "" },
            liveness: {
                HealthReport(reasons: asked.add(1, ordering: .relaxed).newValue == 1 ? [] : ["stalled"])
            },
            readiness: { .healthy }
        )
        try await withAdminListener(sources: sources) { port in
            let client = try LoopbackClient(port: port)
            #expect(try client.request("GET", "/livez").status == 200)
            #expect(try client.request("GET", "/livez").status == 503)
        }
    }

    @Test func metricsAreServedWithTheirContentType() async throws {
        let text = String(repeating: "torpor_é_total 1\n", count: 20_000)
        let sources = AdminSources(metricsText: { text }, liveness: { .healthy }, readiness: { .healthy })
        try await withAdminListener(sources: sources) { port in
            let response = try LoopbackClient(port: port).request("GET", "/metrics")
            #expect(response.status == 200)
            #expect(response.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(response.fields["cache-control"] == "no-store")
            #expect(response.body == text)
        }
    }

    @Test func theRootListsEveryPage() async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            let contents = try client.request("GET", "/")
            #expect(contents.status == 200)
            let paths = contents.body.split(separator: "\n").map { $0.prefix { $0 != " " } }
            #expect(paths == ["/livez", "/readyz", "/metrics"])
            for path in paths {
                #expect(try client.request("GET", String(path)).status == 200)
            }
        }
    }

    @Test(arguments: ["/", "/livez", "/readyz", "/metrics", "/missing"])
    func headIsAnsweredAsGetWithoutTheBody(path: String) async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            let get = try client.request("GET", path)
            // A body sent after all would be read as the head of the next response.
            let head = try client.request("HEAD", path)
            #expect(head.status == get.status)
            #expect(head.fields == get.fields)
            #expect(try client.request("GET", path).body == get.body)
        }
    }

    @Test(arguments: ["/livez/", "/LIVEZ", "/debug/memory", "//livez", "http://localhost/x", "/%6Civez", "*"])
    func whatIsNotThereIsNotFound(target: String) async throws {
        try await withAdminListener { port in
            let response = try LoopbackClient(port: port).request("GET", target)
            #expect(response.status == 404)
            #expect(response.fields["cache-control"] == "no-store")
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
    func otherMethodsAreRefusedAndTheAllowedOnesNamed(method: String) async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            let response = try client.request(method, "/livez", fields: ["Content-Length: 0"])
            #expect(response.status == 405)
            #expect(response.fields["allow"] == "GET, HEAD")
            #expect(response.fields["cache-control"] == "no-store")
            #expect(try client.request("GET", "/livez").status == 200)
        }
    }

    @Test func hostIsCheckedBeforeAnythingElse() async throws {
        let asked = Atomic(0)
        let sources = AdminSources(
            metricsText: {
                asked.add(1, ordering: .relaxed)
                return ""
            },
            liveness: { .healthy },
            readiness: { .healthy }
        )
        try await withAdminListener(sources: sources) { port in
            let client = try LoopbackClient(port: port)
            for path in ["/metrics", "/missing"] {
                for method in ["GET", "HEAD", "POST"] {
                    let response = try client.request(method, path, host: "evil.example", fields: ["Content-Length: 0"])
                    #expect(response.status == 403)
                    #expect(response.fields["cache-control"] == "no-store")
                }
            }
            #expect(try client.request("GET", "/metrics", host: nil).status == 403)
            #expect(asked.load(ordering: .relaxed) == 0)
            #expect(try client.request("GET", "/metrics", host: "[::1]:\(port)").status == 200)
        }
    }

    @Test func twoHostsAreRefused() async throws {
        try await withAdminListener { port in
            let response = try LoopbackClient(port: port).request("GET", "/livez", fields: ["hOST: evil.example"])
            #expect(response.status == 400)
        }
    }

    @Test func aForeignOriginIsRefused() async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            let host = "127.0.0.1:\(port)"
            for (origin, status) in [("https://evil.example", 403), ("null", 403), ("http://\(host)", 200)] {
                let response = try client.request("GET", "/livez", host: host, fields: ["Origin: \(origin)"])
                #expect(response.status == status)
            }
        }
    }

    @Test func beyondLoopbackEveryHostIsAnswered() async throws {
        try await withAdminListener(configuration: AdminConfiguration(host: "0.0.0.0", port: 0)) { port in
            let client = try LoopbackClient(port: port)
            #expect(try client.request("GET", "/livez", host: "torpor.example").status == 200)
            #expect(try client.request("GET", "/debug/memory", host: "torpor.example").status == 404)
        }
    }

    // MARK: Limits

    @Test func aBrokenRequestIsRefusedAndItsConnectionClosed() async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            try client.write("GET /livez\r\n\r\n")
            #expect(try client.readResponse(hasBody: true).status == 400)
            #expect(try client.isClosedByPeer())
        }
    }

    @Test func aHeadIsReadUpToItsLimitAndRefusedBeyond() async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            let field = "X-A: " + String(repeating: "a", count: 8_000)
            #expect(try client.request("GET", "/livez", fields: [field, field]).status == 200)
            #expect(try client.request("GET", "/livez", fields: [field, field, field]).status == 400)
            #expect(try client.isClosedByPeer())
        }
    }

    @Test func aConnectionThatSendsNothingIsClosedAtTheIdleTimeout() async throws {
        let configuration = AdminConfiguration(port: 0, idleTimeout: .milliseconds(50))
        try await withAdminListener(configuration: configuration) { port in
            let silent = try LoopbackClient(port: port)
            let halfway = try LoopbackClient(port: port)
            try halfway.write("GET /livez HTTP/1.1\r\nHost: local")
            #expect(try silent.isClosedByPeer())
            #expect(try halfway.isClosedByPeer())
        }
    }

    @Test func connectionsBeyondTheLimitWaitUntilOneCloses() async throws {
        try await withAdminListener(configuration: AdminConfiguration(port: 0, connectionsMax: 1)) { port in
            let first = try LoopbackClient(port: port)
            #expect(try first.request("GET", "/livez").status == 200)
            let second = try LoopbackClient(port: port)
            try second.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            // Every round trip takes the loop past its listening socket, where the second one waits.
            for _ in 0..<20 {
                #expect(try first.request("GET", "/livez").status == 200)
            }
            #expect(!second.hasInput)
            first.finishSending()
            #expect(try first.isClosedByPeer())
            #expect(try second.readResponse(hasBody: true).status == 200)
        }
    }

    // MARK: Life

    @Test func aPortInUseIsAnErrorThatSaysWhatToDo() async throws {
        try await withAdminListener { port in
            let second = AdminListener(
                configuration: AdminConfiguration(port: port),
                sources: .healthy,
                logger: .quiet,
                onListening: { _ in Issue.record("listens on a port that another listener has") }
            )
            let error = await #expect(throws: AdminListenerError.self) { try await second.run() }
            #expect(error?.code == .portInUse)
            #expect(error?.port == port)
            #expect(
                error.map { "\($0)" } == """
                    the admin listener cannot listen on 127.0.0.1:\(port): another process listens there; \
                    choose another port with --admin-port, or 0 to turn it off
                    """
            )
            // The first one goes on.
            let first = try LoopbackClient(port: port)
            #expect(try first.request("GET", "/livez").status == 200)
        }
    }

    @Test(arguments: ["192.0.2.1", "host.invalid"])
    func anAddressThatIsNotThisMachinesIsAnErrorThatSaysWhatToDo(host: String) async throws {
        let listener = AdminListener(
            configuration: AdminConfiguration(host: host, port: 0),
            sources: .healthy,
            logger: .quiet
        )
        let error = await #expect(throws: AdminListenerError.self) { try await listener.run() }
        #expect(error?.code == .addressUnavailable)
        #expect(error.map { "\($0)".hasPrefix("the admin listener cannot listen on \(host):0: ") } == true)
        #expect(error.map { "\($0)".contains("--admin-port") } == true)
    }

    @Test func gracefulShutdownClosesIdleConnectionsAndFreesThePort() async throws {
        let (port, clients) = try await withAdminListener { port in
            let used = try LoopbackClient(port: port)
            #expect(try used.request("GET", "/livez").status == 200)
            let unused = try LoopbackClient(port: port)
            let halfway = try LoopbackClient(port: port)
            try halfway.write("GET /livez HTTP/1.1\r\n")
            return (port, [used, unused, halfway])
        }
        // The listener has returned.
        for client in clients {
            #expect(try client.isClosedByPeer())
        }
        let failure = #expect(throws: LoopbackClient.Failure.self) { _ = try LoopbackClient(port: port) }
        #expect(failure?.errno == ECONNREFUSED)
    }

    @Test func aShutdownAskedForBeforeTheStartEndsTheListener() async throws {
        let listener = AdminListener(configuration: AdminConfiguration(port: 0), sources: .healthy, logger: .quiet)
        let group = ServiceGroup(configuration: .init(services: [listener], logger: .quiet))
        await group.triggerGracefulShutdown()
        try await group.run()
    }

    @Test func cancellationEndsTheListener() async throws {
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let listener = AdminListener(
            configuration: AdminConfiguration(port: 0),
            sources: .healthy,
            logger: .quiet,
            onListening: { continuation.yield($0.port) }
        )
        let port = try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await listener.run() }
            var iterator = ports.makeAsyncIterator()
            let port = try #require(await iterator.next())
            tasks.cancelAll()
            try await tasks.waitForAll()
            return port
        }
        let failure = #expect(throws: LoopbackClient.Failure.self) { _ = try LoopbackClient(port: port) }
        #expect(failure?.errno == ECONNREFUSED)
    }

    @Test func healthChecksAnswerWhileEveryThreadOfThePoolIsBlocked() async {
        await #expect(processExitsWith: .success) {
            try await withAdminListener { port in
                // Blocks every thread of the pool but the one that this runs on, which then does not suspend.
                let gate = BlockingGate()
                let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
                let blocked = (0..<processors * 4).map { _ in Task.detached { gate.pass() } }
                gate.waitUntilArrived(processors - 1)
                let status = Result { try LoopbackClient(port: port).request("GET", "/livez").status }
                gate.open()
                for task in blocked {
                    await task.value
                }
                let answer = try status.get()
                precondition(answer == 200, "status \(answer)")
            }
        }
    }
}

/// Runs a listener on a free port for as long as `body` takes, shuts it down gracefully, and waits for its end.
func withAdminListener<Result>(
    configuration: AdminConfiguration = AdminConfiguration(port: 0),
    sources: AdminSources = .healthy,
    _ body: (_ port: Int) async throws -> Result
) async throws -> Result {
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    let listener = AdminListener(
        configuration: configuration,
        sources: sources,
        logger: .quiet,
        onListening: { continuation.yield($0.port) }
    )
    let group = ServiceGroup(configuration: .init(services: [listener], logger: .quiet))
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            defer { continuation.finish() }
            try await group.run()
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else {
            try await tasks.waitForAll()
            throw CancellationError()  // The listener returned without an error and without listening.
        }
        let result = try await body(port)
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
        return result
    }
}

/// Blocks threads, not tasks, until it is opened.
///
/// `@unchecked Sendable` is safe: semaphores are made to be used by several threads, and the pointers never change.
private final class BlockingGate: @unchecked Sendable {
    private let arrivals = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let permits = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() {
        sem_init(self.arrivals, 0, 0)
        sem_init(self.permits, 0, 0)
    }

    deinit {
        sem_destroy(self.arrivals)
        sem_destroy(self.permits)
        self.arrivals.deallocate()
        self.permits.deallocate()
    }

    /// Blocks the calling thread until the gate is open.
    func pass() {
        sem_post(self.arrivals)
        sem_wait(self.permits)
        sem_post(self.permits)
    }

    func waitUntilArrived(_ count: Int) {
        for _ in 0..<count {
            sem_wait(self.arrivals)
        }
    }

    func open() {
        sem_post(self.permits)
    }
}

extension AdminSources {
    static let healthy = AdminSources(metricsText: { "" }, liveness: { .healthy }, readiness: { .healthy })
}

extension Logger {
    static let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
}
