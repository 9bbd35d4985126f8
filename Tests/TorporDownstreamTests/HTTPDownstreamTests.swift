import NIOHTTP1
import Synchronization
import Testing
import Torpor
import TorporCore
import TorporDownstream
import TorporTesting

/// Requests to the HTTP API of a downstream, from a handler's `call` to what the client is told.
@Suite struct HTTPDownstreamTests {
    struct Customer: Codable, Equatable, Sendable {
        var id: Int
        var name: String
    }

    @Test func aRequestGoesWhereItsPartsSayAndNowhereElse() async throws {
        try await StubAPI.with({ _, _ in .answer(200, headers: ["X-Page": "1"], body: #"{"id":7,"name":"Ada"}"#) }) {
            stub, url in
            try await withAPI(url, headers: ["authorization": "Bearer key", "x-kept": "base"]) { http in
                let response = try await http.get(
                    "customers", "../7?x=1#ü", query: ["q": "a&b=c", "q": "d e"], headers: ["X-Kept": "own"])
                #expect(response.status == 200 && response.header("x-page") == "1")
                #expect(try response.json(as: Customer.self) == Customer(id: 7, name: "Ada"))
            }
            let request = try #require(stub.requests.first)
            #expect(request.method == "GET")
            #expect(request.uri == "/api/customers/..%2F7%3Fx%3D1%23%C3%BC?q=a%26b%3Dc&q=d%20e")
            #expect(request.headers["authorization"] == ["Bearer key"] && request.headers["x-kept"] == ["own"])
        }
    }

    @Test(arguments: ["", ".", ".."])
    func aSegmentThatMeansAnotherPlaceIsNotSent(segment: String) async throws {
        try await StubAPI.with({ _, _ in .answer(200) }) { stub, url in
            try await withAPI(url) { http in
                await #expect(throws: ToolError.self) { try await http.get("customers", segment) }
            }
            #expect(stub.requests.isEmpty)
        }
    }

    @Test(arguments: ["POST", "PUT", "PATCH"])
    func aValueIsSentAsJSON(method: String) async throws {
        try await StubAPI.with({ _, _ in .answer(201, body: "created") }) { stub, url in
            try await withAPI(url) { http in
                let customer = Customer(id: 8, name: "Grace")
                let response =
                    switch method {
                    case "POST": try await http.post("customers", json: customer)
                    case "PUT": try await http.put("customers", "8", json: customer)
                    default: try await http.patch("customers", "8", json: customer)
                    }
                #expect(response.status == 201 && response.text == "created")
            }
            let request = try #require(stub.requests.first)
            #expect(request.method == method && request.headers["content-type"] == ["application/json"])
            #expect(String(decoding: request.body, as: UTF8.self) == #"{"id":8,"name":"Grace"}"#)
        }
    }

    @Test func aRefusalIsAnAnswerAndNoFailure() async throws {
        try await StubAPI.with({ _, _ in .answer(404, body: "{}") }) { stub, url in
            try await withAPI(url, limits: DownstreamLimits(breaker: .init(failuresMax: 1))) { http in
                for _ in 0..<3 {
                    let response = try await http.get("customers", "9")
                    #expect(response.status == 404)
                    await downstreamError(.refused) { _ = try response.json(as: Customer.self) }
                }
            }
            #expect(stub.requests.count == 3)
        }
    }

    @Test func whatMayBeMadeTwiceIsTriedAgainAfterAFailure() async throws {
        let answers: [StubAnswer] = [
            .answer(503, headers: ["Retry-After": "0"], body: "busy"), .hangUp, .answer(200, body: "ok"),
        ]
        try await StubAPI.with({ answers[$1 - 1] }) { stub, url in
            try await withAPI(url) { http in
                let response = try await http.get("x")
                #expect(response.text == "ok")
            }
            #expect(stub.requests.count == 3)
        }
    }

    @Test(arguments: [500, 503])
    func whatMayNotIsNot(status: Int) async throws {
        try await StubAPI.with({ _, _ in .answer(status, headers: ["Retry-After": "7"]) }) { stub, url in
            try await withAPI(url, limits: DownstreamLimits(breaker: .init(failuresMax: 2))) { http in
                for _ in 0..<2 {
                    let error = await downstreamError(.failed) { _ = try await http.post("x", json: 1) }
                    #expect(error?.message.contains("HTTP \(status)") == true && error?.retryAfter == .seconds(7))
                }
                await downstreamError(.open) { _ = try await http.post("x", json: 1) }
            }
            #expect(stub.requests.count == 2)
        }
    }

    @Test func oneThatGetsTooManyRequestsIsTriedAgainButHasNotFailed() async throws {
        try await StubAPI.with({ _, _ in .answer(429) }) { stub, url in
            try await withAPI(url, limits: DownstreamLimits(breaker: .init(failuresMax: 1))) { http in
                await downstreamError(.refused) { _ = try await http.get("x") }
            }
            #expect(stub.requests.count == 3)
        }
    }

    @Test func aPauseThatIsTooLongIsNotWaitedFor() async throws {
        try await StubAPI.with({ _, _ in .answer(429, headers: ["Retry-After": "3600"]) }) { stub, url in
            try await withAPI(url) { http in
                let error = await downstreamError(.refused) { _ = try await http.get("x") }
                #expect(error?.message.hasSuffix("Try again in 1h.") == true, "\(String(describing: error))")
            }
            #expect(stub.requests.count == 1)
        }
    }

    @Test(arguments: [true, false])
    func anAnswerThatIsTooLargeIsNotRead(hasLength: Bool) async throws {
        let parts = Array(repeating: String(repeating: "x", count: 512), count: 2)
        for (responseMax, fits) in [(1_024, true), (1_023, false)] {
            try await StubAPI.with({ _, _ in hasLength ? .answer(200, body: parts.joined()) : .parts(parts) }) {
                stub, url in
                try await withAPI(url, responseMax: .bytes(responseMax)) { http in
                    if fits {
                        let response = try await http.get("x")
                        #expect(response.body.count == 1_024)
                    } else {
                        await downstreamError(.tooLarge) { _ = try await http.get("x") }
                    }
                }
                #expect(stub.requests.count == 1)
            }
        }
    }

    @Test func whatIsNotTheJSONThatWasExpectedIsUnreadable() async throws {
        try await StubAPI.with({ _, _ in .answer(200, body: #"{"id":"seven"}"#) }) { _, url in
            try await withAPI(url) { http in
                let response = try await http.get("x")
                let error = await downstreamError(.unreadable) { _ = try response.json(as: Customer.self) }
                #expect(error?.underlying != nil && error?.message.contains("seven") == false)
            }
        }
    }

    @Test func redirectsAreNotFollowed() async throws {
        try await StubAPI.with({ _, _ in .answer(302, headers: ["Location": "/elsewhere"]) }) { stub, url in
            try await withAPI(url, headers: ["authorization": "Bearer key"]) { http in
                let response = try await http.get("x")
                #expect(response.status == 302)
            }
            #expect(stub.requests.count == 1)
        }
    }

    @Test func aRequestThatTakesTooLongIsGivenUp() async throws {
        try await StubAPI.with({ _, _ in .nothing }) { stub, url in
            // Its time is over as soon as it has arrived.
            try await withAPI(url, sleep: { _ in await stub.requests(1) }) { http in
                await downstreamError(.timedOut) { _ = try await http.get("x") }
            }
            #expect(stub.requests.count == 1)
        }
    }

    @Test func aRequestWhoseClientIsGoneIsGivenUp() async throws {
        try await StubAPI.with({ _, _ in .nothing }) { stub, url in
            try await withAPI(url) { http in
                let request = Task { try await http.get("x") }
                await stub.requests(1)
                request.cancel()
                await #expect(throws: CancellationError.self) { try await request.value }
            }
        }
    }

    @Test func aPlaceThatIsNotThereHasFailed() async throws {
        // Nothing listens at this port, which only privileged programs may use.
        try await withAPI("http://127.0.0.1:1", limits: DownstreamLimits(retries: .init(perRunMax: 0))) { http in
            let error = await downstreamError(.failed) { _ = try await http.get("x") }
            #expect(error?.message.hasPrefix("crm cannot be reached.") == true && error?.underlying != nil)
        }
    }

    @Test(arguments: ["ftp://crm", "https://", "https:///x", "https://u@crm", "https://crm?x", "https://crm#x", "crm"])
    func aBaseThatIsNoneIsTheAuthorsFault(url: String) async {
        await #expect(processExitsWith: .failure) { [url = url as String] in _ = HTTPDownstream(url) }
    }
}

/// Ends the pauses between tries at once, and nobody's time, as a sleep does that is cancelled before it is over.
@Sendable private func sleepNot(_ duration: Duration) async throws {
    if duration >= .seconds(1) { throw CancellationError() }
}

/// Runs `body` inside a tool, with a client of its own that is shut down at the end.
private func withAPI(
    _ url: String, headers: [String: String] = [:], responseMax: ByteCount = .mebibytes(8),
    limits: DownstreamLimits = DownstreamLimits(),
    sleep: @escaping @Sendable (Duration) async throws -> Void = sleepNot,
    _ body: @escaping @Sendable (HTTPDownstreamCall) async throws -> Void
) async throws {
    let client = HTTPDownstreamClient()
    let api = HTTPDownstream(url, headers: headers, responseMax: responseMax, client: client)
    let thrown = Mutex<(any Error)?>(nil)
    let server = MCPServer(name: "s", version: "1") {
        Downstream(
            "crm", limits: limits,
            time: DownstreamTime(now: { Instant(nanoseconds: 0) }, sleep: sleep, jitter: { 1 }))
        Tool("go", "Goes.") { call in
            do {
                try await body(call.downstream("crm").http(api))
            } catch {
                thrown.withLock { $0 = error }
            }
            return "gone"
        }
    }
    try await withTestClient(server, over: .memory) { client in
        let text = try await client.call("go").text
        #expect(text == "gone")
    }
    try await client.shutdown()
    if let error = thrown.withLock({ $0 }) { throw error }
}

/// The error that `body` throws.
@discardableResult
private func downstreamError(
    _ code: DownstreamError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> DownstreamError? {
    let error = await #expect(throws: DownstreamError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    return error
}
