import Synchronization
import Testing
import TorporStore
import TorporTesting

@testable import Torpor

/// Steps that must not happen twice.
@Suite struct OnceTests {
    private final class Bank: Sendable {
        struct Failure: Error {}
        private let state = Mutex((charges: 0, fails: false, refuses: false))

        var charges: Int { self.state.withLock { $0.charges } }
        func failNext() { self.state.withLock { $0.fails = true } }
        func refuseNext() { self.state.withLock { $0.refuses = true } }

        func charge() throws -> Int {
            try self.state.withLock { state in
                defer {
                    state.fails = false
                    state.refuses = false
                }
                if state.refuses { throw ToolError("no money") }
                state.charges += 1
                if state.fails { throw Failure() }
                return state.charges
            }
        }
    }

    private func server(_ bank: Bank) -> MCPServer {
        MCPServer(name: "bank", version: "1") {
            State(Int.self, named: "count", initially: 0, scope: .handle)
            Tool("buy", "Charges, then asks.") { call in
                let number = try await call.once("charge") { try bank.charge() }
                let roots = try await call.ask("roots", .roots)
                return "charge \(number), \(roots.count) roots"
            }
            Tool("pay", "Charges.") { call in "\(try await call.once("charge") { try bank.charge() })" }
            Tool("ask_inside", "Asks in a step.") { call in
                try await call.once("step") { try await call.ask("roots", .roots).count }.description
            }
        }
    }

    private static let answers: JSONValue = ["roots": ["roots": [["uri": "file:///a"]]]]

    /// The state that the first round of `buy` leaves with the client.
    private func firstRound(_ client: TestClient) async throws -> JSONValue {
        let answer = try await client.callRaw("buy")
        return try #require(answer.result?["requestState"])
    }

    private func retry(_ client: TestClient, _ state: JSONValue) async throws -> TestResponse {
        try await client.request(
            "tools/call", ["name": "buy", "inputResponses": Self.answers, "requestState": state])
    }

    @Test func aStepIsNotDoneAgainInTheNextRound() async throws {
        let bank = Bank()
        try await withTestClient(self.server(bank), over: .memory) { client in
            let client = client.declaring(["roots": [:]])
            let state = try await self.firstRound(client)
            #expect(bank.charges == 1)
            let answer = try await self.retry(client, state)
            #expect(answer.result?["content"]?[0]?["text"] == "charge 1, 1 roots" && bank.charges == 1)
        }
    }

    @Test func theStateOfARunThatDidAStepIsRedeemedOnce() async throws {
        let bank = Bank()
        try await withTestClient(self.server(bank), over: .memory) { client in
            let client = client.declaring(["roots": [:]])
            let state = try await self.firstRound(client)
            _ = try await self.retry(client, state)
            #expect(try await self.retry(client, state).errorCode == -32602)
            #expect(bank.charges == 1)
        }
    }

    @Test func ofTwoRetriesAtOnceOneIsServed() async throws {
        let bank = Bank()
        try await withTestClient(self.server(bank), over: .memory) { client in
            let client = client.declaring(["roots": [:]])
            let state = try await self.firstRound(client)
            async let one = self.retry(client, state)
            async let other = self.retry(client, state)
            let codes = try await [one.errorCode, other.errorCode]
            #expect(codes.contains(nil) && codes.contains(-32602) && bank.charges == 1)
        }
    }

    @Test func aStepWhoseEndIsUnknownIsNotBegunAgain() async throws {
        let bank = Bank()
        let server = MCPServer(name: "bank", version: "1") {
            State(Int.self, named: "count", initially: 0, scope: .handle)
            Tool("buy", "Asks, charges and loses the answer, then charges again.") { call in
                _ = try await call.ask("roots", .roots)
                do {
                    _ = try await call.once("charge") { try bank.charge() }
                } catch is Bank.Failure {
                    // The handler goes on as if nothing had happened.
                }
                return "\(try await call.once("charge") { try bank.charge() })"
            }
        }
        try await withTestClient(server, over: .memory) { client in
            let client = client.declaring(["roots": [:]])
            let state = try await self.firstRound(client)
            bank.failNext()
            let answer = try await self.retry(client, state)
            #expect(answer.result?["isError"] == true && bank.charges == 1)
        }
    }

    @Test func aStepThatSaysItWasNotDoneMayBeDoneLater() async throws {
        let bank = Bank()
        bank.refuseNext()
        try await withTestClient(self.server(bank), over: .memory) { client in
            let refused = try await client.call("pay")
            #expect(refused.isError && refused.text == "no money")
            #expect(try await client.call("pay").text == "1")
        }
    }

    @Test(arguments: [true, false])
    func aStepDoesNotAsk(isModern: Bool) async throws {
        try await withTestClient(self.server(Bank()), over: .memory) { client in
            let asked = client.declaring(["roots": [:]])
            let caller = isModern ? asked : try await asked.openSession()
            let answer = try await caller.callRaw("ask_inside")
            #expect(answer.result?["resultType"] != "input_required")
            #expect(answer.errorCode != nil || answer.result?["isError"] == true)
        }
    }

    @Test func aRunWithoutQuestionsLeavesNoRecord() async throws {
        let service = StateService.inMemory()
        var options = TestOptions()
        options.state = service
        try await withTestClient(self.server(Bank()), over: .memory, options: options) { client in
            _ = try await client.call("pay")
            let usage = try await service.store.usage()
            #expect(usage.total.objects == 0)
        }
    }

    @Test func aSessionDoesAStepOnce() async throws {
        let bank = Bank()
        try await withTestClient(self.server(bank), over: .memory) { client in
            let session = try await client.declaring(["roots": [:]]).answering { _ in ["roots": []] }.openSession()
            let answer = try await session.call("buy")
            #expect(answer.text == "charge 1, 0 roots" && bank.charges == 1)
        }
    }
}
