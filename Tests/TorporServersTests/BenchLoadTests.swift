import Testing
import Torpor
import TorporAllocator
import TorporServers
import TorporSystem
import TorporTesting

struct BenchLoadTests {
    private static let bytes = 64 << 20

    /// Calls a tool of a server of its own, and gives the text of its result.
    private static func call(_ tool: String, _ arguments: JSONObject) async throws -> String? {
        try await withTestClient(BuiltInServer.bench.make(version: "1"), over: .memory) { client in
            try await client.call(tool, arguments).text
        }
    }

    /// The most memory that the process ever had, in bytes.
    private static var peakBytes: Int? {
        let line = SystemRoot.machine.lines("/proc/self/status")?.first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.split(separator: " ")[1]) }.map { $0 << 10 }
    }

    @Test func allocatedMemoryIsTakenAndGivenBack() async {
        // In a process of its own, where nothing else takes or gives back memory.
        await #expect(processExitsWith: .success) {
            Allocator.configure()
            let bytes = BenchLoadTests.bytes
            _ = try await BenchLoadTests.call("allocate", ["bytes": 1, "milliseconds": 0])
            let before = ProcessMemory.residentBytes ?? .max
            let arguments: JSONObject = ["bytes": .number(JSONNumber(bytes)), "milliseconds": 1]
            let text = try await BenchLoadTests.call("allocate", arguments)
            precondition(text == "held \(bytes) bytes for 1 ms", text ?? "no text")
            let peak = BenchLoadTests.peakBytes ?? 0
            // What some allocators keep for a second is given back now.
            Allocator.trim()
            let after = ProcessMemory.residentBytes ?? .max
            precondition(peak - before > bytes / 10 * 9, "\(before), \(peak)")
            precondition(after - before < bytes / 10, "\(before), \(after)")
        }
    }

    @Test func leakedMemoryStays() async {
        await #expect(processExitsWith: .success) {
            let bytes = BenchLoadTests.bytes
            let before = ProcessMemory.residentBytes ?? .max
            let text = try await BenchLoadTests.call("leak", ["bytes": .number(JSONNumber(bytes))])
            precondition(text == "leaked \(bytes) bytes", text ?? "no text")
            let after = ProcessMemory.residentBytes ?? 0
            precondition(after - before > bytes / 10 * 9, "\(before), \(after)")
        }
    }

    @Test func spinningTakesProcessorTime() async {
        await #expect(processExitsWith: .success) {
            let before = ProcessMemory.processorSeconds ?? .infinity
            let clock = ContinuousClock()
            let start = clock.now
            let text = try await BenchLoadTests.call("spin", ["milliseconds": 200])
            precondition(text == "spun for 200 ms", text ?? "no text")
            precondition(clock.now - start >= .milliseconds(200))
            // Of a busy machine the thread may get only a share.
            let spent = (ProcessMemory.processorSeconds ?? 0) - before
            precondition(spent > 0.02, "\(spent)")
        }
    }

    @Test func holdingMemoryEndsWithTheCallsTask() async throws {
        try await withTestClient(BuiltInServer.bench.make(version: "1"), over: .memory) { client in
            let response = try await withThrowingTaskGroup(of: TestResponse.self) { group in
                group.addTask {
                    try await client.request(
                        "tools/call", ["name": "allocate", "arguments": ["bytes": 1, "milliseconds": 600_000]])
                }
                group.cancelAll()
                return try #require(try await group.next())
            }
            #expect(response.errorMessage == "The call was cancelled.")
        }
    }

    @Test(
        arguments: [
            ("allocate", ["bytes": 0, "milliseconds": 0]),
            ("allocate", ["bytes": 4_294_967_297, "milliseconds": 0]),
            ("allocate", ["bytes": 1, "milliseconds": 600_001]),
            ("leak", ["bytes": 0]), ("leak", ["bytes": 4_294_967_297]),
            ("spin", ["milliseconds": -1]), ("spin", ["milliseconds": 60_001]),
        ] as [(String, JSONObject)])
    func whatIsBeyondTheLimitsIsRefused(tool: String, arguments: JSONObject) async throws {
        try await withTestClient(BuiltInServer.bench.make(version: "1"), over: .memory) { client in
            let result = try await client.call(tool, arguments)
            #expect(result.isError)
        }
    }
}
