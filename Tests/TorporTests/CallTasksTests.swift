import Logging
import Synchronization
import Testing
import TorporCore

@testable import Torpor

/// Calls of one channel, and their time.
@Suite(.timeLimit(.minutes(1))) struct CallTasksTests {
    /// What was delivered of a call, and whether its task had been cancelled by then.
    private final class Deliveries: Sendable {
        let all = Mutex<[(text: String, isCancelled: Bool)]>([])

        func add(_ end: PendingCall.End) {
            let text = if case .reply(let reply) = end { String(decoding: reply.body, as: UTF8.self) } else { "\(end)" }
            self.all.withLock { $0.append((text, Task.isCancelled)) }
        }
    }

    private static func call(_ gate: Gate) throws -> PendingCall {
        let server = MCPServer(name: "calls", version: "1") {
            Tool("waits", "Waits for the test.") { _ in
                try await gate.wait(for: "handler")
                return "done"
            }
        }
        let dispatcher = Dispatcher(
            server: server, sessions: SessionAuthority(keys: .perProcess(), lifetime: .seconds(60), service: nil),
            environment: DispatcherEnvironment(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        let body = """
            {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"waits","_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}
            """
        guard case .call(let call) = dispatcher.dispatch(IncomingMessage(bytes: Array(body.utf8))) else {
            throw MCPError(.internalError, "it is refused")
        }
        return call
    }

    /// Its client may be slow to read.
    @Test func anAnswerThatIsOnItsWayIsNotTakenBack() async throws {
        let (gate, deliveries, tasks) = (Gate(), Deliveries(), CallTasks())
        tasks.start(try Self.call(gate)) { end in
            try? await gate.wait(for: "reader")
            deliveries.add(end)
        }
        await gate.arrival(of: "handler")
        gate.open("handler")
        await gate.arrival(of: "reader")
        tasks.timeOut(after: .zero)
        gate.open("reader")
        await tasks.drained()
        let all = deliveries.all.withLock { $0 }
        #expect(all.count == 1 && all[0].text.contains("done") && !all[0].isCancelled, "\(all)")
    }

    @Test func aCallThatTakesTooLongIsAnsweredOnceBeforeAllIsDrained() async throws {
        let (gate, deliveries, tasks) = (Gate(), Deliveries(), CallTasks())
        tasks.start(try Self.call(gate)) { end in
            if case .known = end { return }
            try? await gate.wait(for: "reader")
            deliveries.add(end)
        }
        await gate.arrival(of: "handler")
        tasks.timeOut(after: .seconds(600))
        for _ in 0..<3 { tasks.timeOut(after: .zero) }
        await gate.arrival(of: "reader")
        gate.open("reader")
        await tasks.drained()
        let all = deliveries.all.withLock { $0 }
        #expect(all.count == 1 && all[0].text.contains("longer than the limit") && !all[0].isCancelled, "\(all)")
    }
}
