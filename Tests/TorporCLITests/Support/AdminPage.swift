import Logging
import NIOCore
import NIOHTTP1
import Synchronization
import TorporHTTP

@testable import TorporCLI

let quietLogger = Logger(label: "torpor.tests") { _ in SwiftLogNoOpLogHandler() }

/// Runs an admin listener on a free port while `body` does.
func withAdminListener(
    _ sources: AdminSources, tokens: TokenFile? = nil, _ body: @escaping @Sendable (Int) async throws -> Void
) async throws {
    let (ports, announce) = AsyncStream.makeStream(of: Int.self)
    let listener = AdminListener(
        configuration: AdminConfiguration(port: 0, tokens: tokens), sources: sources, logger: quietLogger,
        onListening: { announce.yield($0.port) })
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await listener.run() }
        guard let port = await ports.first(where: { _ in true }) else { return }
        try await body(port)
        tasks.cancelAll()
        try await tasks.waitForAll()
    }
}

/// A page of a listener, as text.
struct AdminPage {
    let client: AdminClient

    init(port: Int) throws { self.client = try AdminClient(url: "http://127.0.0.1:\(port)", tokenFile: nil) }

    /// - Throws: ``AdminClientError`` with the text, for every answer but 200.
    func text(_ path: String) async throws -> String {
        let bytes = Mutex<[UInt8]>([])
        try await self.client.send(.GET, path) { part throws(AdminClientError) in
            bytes.withLock { $0 += Array(part.readableBytesView) }
        }
        return String(decoding: bytes.withLock { $0 }, as: UTF8.self)
    }

    /// Why a health check is red; empty when it is green.
    func faults(_ path: String) async throws -> String {
        do {
            return try await self.text(path) == "ok\n" ? "" : "something else than ok"
        } catch let error as AdminClientError {
            return error.description
        }
    }

    /// The samples of `/metrics` by series, and its families with help text.
    func metrics() async throws -> (samples: [String: Double], helped: Set<String>) {
        var samples: [String: Double] = [:]
        var helped: Set<String> = []
        for line in try await self.text("/metrics").split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# HELP ") { helped.insert(String(words[2])) }
            if !line.hasPrefix("#"), let value = words.last.flatMap({ Double($0) }) {
                samples[words.dropLast().joined(separator: " ")] = value
            }
        }
        return (samples, helped)
    }
}
