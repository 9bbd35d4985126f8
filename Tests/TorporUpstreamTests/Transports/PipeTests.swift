import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

/// Sessions over real pipes: with a small server in Python, and with bare descriptors.
struct PipeTests {
    private static let loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()

    // MARK: A server in a process of its own

    @Test func aLegacyServerInPythonIsServedBy() async throws {
        try await withPythonServer(known: .legacy) { session, _ in
            #expect(session.server?.revision == .v2025_06_18)
            #expect(session.server?.info["name"] == "py")
            let observer = TestObserver { _, params in ["answer": params["question"] ?? .null] }
            let result = try await session.request(
                "tools/call", params: ["name": "echo", "arguments": ["x": "zürich\n"]], observer: observer,
                timeLimit: .seconds(60))
            #expect(result["echo"] == ["x": "zürich\n"])
            let asked = try await session.request(
                "tools/call", params: ["name": "ask"], observer: observer, timeLimit: .seconds(60))
            #expect(asked["heard"] == ["answer": "why"])
            #expect(observer.heard.all == [.progress(["progress": 1])])
            let tools = try await session.list(.tools, timeLimit: .seconds(60))
            #expect(tools.compactMap { $0["name"] } == ["echo", "ask", "die", "junk", "big"])
        }
    }

    @Test func itsEraIsFoundOutByAsking() async throws {
        try await withPythonServer(known: nil) { session, _ in #expect(session.server?.revision == .v2025_06_18) }
    }

    @Test func itsJunkIsContained() async throws {
        try await withPythonServer(known: .legacy) { session, _ in
            let result = try await session.request(
                "tools/call", params: ["name": "junk"], timeLimit: .seconds(60))
            #expect(result == ["ok": true])
            #expect(session.faults[.notJSON] == 2)
            #expect(session.faults[.unknownAnswer] == 1)
            _ = await upstreamError(.tooLarge) {
                _ = try await session.request("tools/call", params: ["name": "big"], timeLimit: .seconds(60))
            }
            _ = try await session.request("tools/call", params: ["name": "junk"], timeLimit: .seconds(60))
        }
    }

    @Test func itsDeathFailsEveryCall() async throws {
        try await withPythonServer(known: .legacy) { session, events in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<5 {
                    group.addTask {
                        _ = await upstreamError(.ended) {
                            _ = try await session.request(
                                "tools/call", params: ["name": "never"], timeLimit: .seconds(60))
                        }
                    }
                }
                group.addTask {
                    // Whichever of both comes first.
                    await #expect(throws: UpstreamError.self) {
                        _ = try await session.request("tools/call", params: ["name": "die"], timeLimit: .seconds(60))
                    }
                }
            }
            #expect(session.requestsUnderWay == 0)
            guard case .ended? = events.all.last else {
                Issue.record("no event tells of the end")
                return
            }
        }
    }

    // MARK: Bare descriptors

    @Test func messagesArriveHoweverManyAtOnce() async throws {
        try await withPipes { session, server in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let params: JSONObject = ["n": .integer(number), "text": "with \n a line end"]
                        let result = try await session.request("echo", params: params, timeLimit: .seconds(60))
                        #expect(result == params)
                    }
                }
                group.addTask { try await server.echo(200) }
                try await group.waitForAll()
            }
        }
    }

    @Test func aServerThatDoesNotReadIsHeldUpAtTheLimit() async throws {
        try await withPipes { session, server in
            let block = JSONValue.string(String(repeating: "x", count: 1 << 20))
            try await withThrowingTaskGroup(of: UpstreamError.Code?.self) { group in
                for _ in 0..<40 {
                    group.addTask {
                        do {
                            _ = try await session.request("echo", params: ["b": block], timeLimit: .seconds(60))
                            return nil
                        } catch let error as UpstreamError {
                            return error.code
                        }
                    }
                }
                // Nothing is read, so most are refused; how many depends on what the pipe itself holds.
                var refused = 0
                while refused < 30, let code = try await group.next() {
                    #expect(code == .overloaded)
                    refused += 1
                }
                group.addTask {
                    try await server.echo(nil)
                    return nil
                }
                var served = 0
                while served + refused < 40, let code = try await group.next() {
                    if code == nil { served += 1 } else { refused += 1 }
                }
                #expect(served >= 7 && served <= 9)
                session.close()
            }
        }
    }

    @Test func textOnSeveralLinesIsSentAsOne() async throws {
        try await withPipes { session, server in
            let request = UpstreamRequest("echo", .text(Array("{\"a\":\r\n  [1,\n2]\n}".utf8)), timeLimit: .seconds(60))
            async let answer = session.request(request)
            try await server.echo(1)
            #expect(try await answer.object == ["a": [1, 2]])
        }
    }

    @Test func closingClosesTheServersInput() async throws {
        try await withPipes { session, server in
            session.close()
            // The input has ended; and with it the server, whose output is closed then.
            try await server.echo(nil)
            server.close()
            await session.closed()
        }
    }

    @Test func descriptorsThatAreNoneAreAnError() async throws {
        let transport = PipeTransport(input: open("/dev/null", O_RDONLY), output: dup(2), on: Self.loop)
        await #expect(throws: UpstreamError.self) {
            _ = try await UpstreamSession.open(
                over: transport, as: testClient, timeLimit: .seconds(10), timer: EventLoopTimer(Self.loop))
        }
        await transport.closed()
    }
}

/// The server's end of two pipes, read and written by blocking calls on threads of its own.
private final class BareServer: Sendable {
    private let input: CInt
    private let output: CInt
    private let threads = NIOThreadPool(numberOfThreads: 1)
    private let rest = Mutex<[UInt8]>([])
    private let isClosed = Mutex(false)

    init(input: CInt, output: CInt) {
        self.input = input
        self.output = output
        self.threads.start()
    }

    func readLine() async throws -> JSONValue? {
        try await self.threads.runIfActive {
            while true {
                let line = self.rest.withLock { rest -> [UInt8]? in
                    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
                    defer { rest.removeSubrange(...end) }
                    return Array(rest[..<end])
                }
                if let line { return try JSONValue(parsing: line) }
                var chunk = [UInt8](repeating: 0, count: 1 << 18)
                let count = read(self.input, &chunk, chunk.count)
                if count <= 0 { return nil }
                self.rest.withLock { $0.append(contentsOf: chunk[..<count]) }
            }
        }
    }

    func write(_ message: JSONValue) async throws {
        let bytes = Array((message.text + "\n").utf8)
        try await self.threads.runIfActive {
            var start = 0
            while start < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.write(self.output, $0.baseAddress! + start, bytes.count - start)
                }
                guard count > 0 else { return }
                start += count
            }
        }
    }

    /// Answers so many requests, or all until the input ends, each with its own parameters.
    func echo(_ count: Int?) async throws {
        var left = count ?? .max
        while left > 0, let message = try await self.readLine() {
            guard let id = message["id"], let params = message["params"] else { continue }
            try await self.write(["jsonrpc": "2.0", "id": id, "result": params])
            left -= 1
        }
    }

    func close() {
        let isFirst = self.isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        guard isFirst else { return }
        Glibc.close(self.input)
        Glibc.close(self.output)
    }

    func stop() { self.threads.shutdownGracefully { _ in } }
}

/// The ends of a pipe, to read from and to write to, which no process that is started inherits.
private func makePipe() throws -> [CInt] {
    var ends: [CInt] = [0, 0]
    try #require(pipe(&ends) == 0)
    for end in ends { try #require(fcntl(end, F_SETFD, FD_CLOEXEC) == 0) }
    return ends
}

/// Two pipes with a session at one end that was opened over them.
private func withPipes(_ body: (UpstreamSession, BareServer) async throws -> Void) async throws {
    signal(SIGPIPE, SIG_IGN)
    let (toServer, fromServer) = (try makePipe(), try makePipe())
    let server = BareServer(input: toServer[0], output: fromServer[1])
    defer { server.stop() }
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    async let opening = UpstreamSession.open(
        over: PipeTransport(input: fromServer[0], output: toServer[1], on: loop), as: testClient, known: .legacy,
        timeLimit: .seconds(60), timer: EventLoopTimer(loop))
    let initialize = try #require(try await server.readLine())
    try await server.write([
        "jsonrpc": "2.0", "id": initialize["id"] ?? .null,
        "result": [
            "protocolVersion": "2025-11-25", "capabilities": [:], "serverInfo": ["name": "bare", "version": "1"],
        ],
    ])
    let session = try await opening
    try await body(session, server)
    session.close()
    server.close()
    await session.closed()
}

/// A server in Python that speaks 2025-06-18 with nothing but its standard library.
private let pythonServer = #"""
    import sys, json
    def say(**m):
        sys.stdout.write(json.dumps(dict(jsonrpc="2.0", **m)) + "\n"); sys.stdout.flush()
    def tool(id, params):
        name = params.get("name")
        if name == "echo": say(id=id, result={"echo": params.get("arguments")})
        elif name == "ask":
            token = params["_meta"]["progressToken"]
            say(method="notifications/progress", params={"progressToken": token, "progress": 1})
            say(id="q1", method="elicitation/create", params={"question": "why"})
            answer = json.loads(sys.stdin.readline())
            say(id=id, result={"heard": answer["result"]})
        elif name == "die": sys.exit(3)
        elif name == "junk":
            print("a line meant for people"); print('{"half":')
            say(id=12345, result={})
            say(id=id, result={"ok": True})
        elif name == "big": say(id=id, result={"text": "x" * (17 << 20)})
    for line in sys.stdin:
        m = json.loads(line)
        method, id, params = m.get("method"), m.get("id"), m.get("params") or {}
        if method == "initialize":
            say(id=id, result={"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                               "serverInfo": {"name": "py", "version": "1"}})
        elif method == "tools/list":
            names = ["echo", "ask", "die", "junk", "big"]
            start = int(params.get("cursor", "0"))
            result = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in names[start:start + 2]]}
            if start + 2 < len(names): result["nextCursor"] = str(start + 2)
            say(id=id, result=result)
        elif method == "tools/call": tool(id, params)
        elif id is not None and method: say(id=id, error={"code": -32601, "message": "Method not found"})
    """#

/// Starts the server and opens a session with it; at the end the server is gone and was waited for.
private func withPythonServer(
    known: ProtocolRevision.Era?, _ body: (UpstreamSession, Log<UpstreamEvent>) async throws -> Void
) async throws {
    signal(SIGPIPE, SIG_IGN)
    let (toServer, fromServer) = (try makePipe(), try makePipe())
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toServer[0], 0)
    posix_spawn_file_actions_adddup2(&actions, fromServer[1], 1)
    var pid: pid_t = 0
    let words = ["python3", "-c", pythonServer]
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    let status = posix_spawnp(&pid, "python3", &actions, nil, arguments, environ)
    close(toServer[0])
    close(fromServer[1])
    try #require(status == 0)
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let events = Log<UpstreamEvent>()
    do {
        let session = try await UpstreamSession.open(
            over: PipeTransport(input: fromServer[0], output: toServer[1], on: loop), as: testClient, known: known,
            timeLimit: .seconds(60), timer: EventLoopTimer(loop), events: { events.add($0) })
        do {
            try await body(session, events)
        } catch {
            session.close()
            await session.closed()
            throw error
        }
        session.close()
        await session.closed()
    } catch {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        throw error
    }
    waitpid(pid, nil, 0)
}
