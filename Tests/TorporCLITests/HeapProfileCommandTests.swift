import Glibc
import NIOHTTP1
import Synchronization
import Testing
import TorporHTTP

@testable import Torpor
@testable import TorporCLI

/// `torpor heap-profile` against a listener whose profiles are made up.
@Suite struct HeapProfileCommandTests {
    /// Samples while it is started, and writes what it was told to.
    private final class Profiles: Sendable {
        private let sampleBytes = Mutex<Int?>(nil)
        let text: String?

        init(text: String?) { self.text = text }

        var isSampling: Bool { self.sampleBytes.withLock { $0 != nil } }

        var offer: AdminHeapProfile {
            AdminHeapProfile(
                sampleRange: 16...1_024,
                status: { () throws(AdminHeapProfile.Refusal) in self.sampleBytes.withLock { $0 } },
                start: { bytes throws(AdminHeapProfile.Refusal) in
                    let isFirst = self.sampleBytes.withLock { sample in
                        defer { sample = sample ?? bytes ?? 512 }
                        return sample == nil
                    }
                    if !isFirst { throw AdminHeapProfile.Refusal(.conflict, "one at a time") }
                },
                dump: { () throws(AdminHeapProfile.Refusal) in
                    guard let text = self.text else { throw AdminHeapProfile.Refusal(.failed, "it is too large") }
                    return Array(text.utf8)
                },
                stop: { () throws(AdminHeapProfile.Refusal) in self.sampleBytes.withLock { $0 = nil } })
        }
    }

    private func withListener(
        _ profile: AdminHeapProfile?, _ body: @escaping @Sendable (AdminClient) async throws -> Void
    ) async throws {
        let sources = AdminSources(
            metricsText: { "" }, liveness: { .healthy }, readiness: { .healthy },
            operations: AdminOperations(process: { [:] }, state: nil, heapProfile: profile))
        try await withAdminListener(sources) { port in
            try await body(AdminClient(url: "http://127.0.0.1:\(port)", tokenFile: nil))
        }
    }

    private static func withFolder(_ body: (String) async throws -> Void) async throws {
        var template = Array("/tmp/torpor-heap-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            unlink(folder + "/heap")
            rmdir(folder)
        }
        try await body(folder + "/heap")
    }

    private struct Interruption: Error {}

    @Test func aProfileIsWrittenForItsOwnerAloneAndSamplingEnds() async throws {
        let profiles = Profiles(text: "heap_v2/64\n")
        try await Self.withFolder { path in
            try await self.withListener(profiles.offer) { client in
                let profiler = HeapProfiler(client: client) { #expect(profiles.isSampling) }
                let bytes = try await profiler.write(to: path, sampleBytes: 64)
                #expect(bytes == 11)
            }
            #expect(try PrivateFile.read(path, sizeMax: .kibibytes(1)) == "heap_v2/64\n")
            #expect(!profiles.isSampling)
        }
    }

    @Test func whateverGoesWrongNoFileIsLeftAndSamplingEnds() async throws {
        for text in [nil, "heap_v2/64\n"] {
            let profiles = Profiles(text: text)
            try await Self.withFolder { path in
                try await self.withListener(profiles.offer) { client in
                    // Without a text the dump fails, with one the pause.
                    let profiler = HeapProfiler(client: client) { if text != nil { throw Interruption() } }
                    await #expect(throws: (any Error).self) { _ = try await profiler.write(to: path) }
                }
                #expect(access(path, F_OK) != 0)
                #expect(!profiles.isSampling)
            }
        }
    }

    @Test func aSecondProfileIsRefusedAndTheFirstGoesOn() async throws {
        let profiles = Profiles(text: "heap_v2/64\n")
        try await Self.withFolder { path in
            try await self.withListener(profiles.offer) { client in
                _ = try await client.object(.POST, "/debug/heap/start")
                let profiler = HeapProfiler(client: client) {}
                await #expect(throws: AdminClientError(.refused, "one at a time")) {
                    _ = try await profiler.write(to: path)
                }
                #expect(profiles.isSampling)
            }
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test func pagesOfProfilesTellTheirStateAndRefuseWhatIsMalformed() async throws {
        try await self.withListener(Profiles(text: "").offer) { client in
            let before = try await client.object(.GET, "/debug/heap")
            #expect(before["is_sampling"] == false && before["sample_bytes"] == .null)
            let during = try await client.object(.POST, "/debug/heap/start?sample=128")
            #expect(during["is_sampling"] == true && during["sample_bytes"] == 128)
            let after = try await client.object(.POST, "/debug/heap/stop")
            #expect(after["is_sampling"] == false)
            for target in ["start?sample=0", "start?sample=x", "start?sample=8", "start?size=64", "dump?x=1"] {
                await #expect(throws: AdminClientError.self) {
                    _ = try await client.object(.POST, "/debug/heap/\(target)")
                }
            }
            await #expect(throws: AdminClientError.self) { _ = try await client.object(.GET, "/debug/heap/start") }
        }
    }

    @Test func aServerThatTakesNoProfilesSaysSo() async throws {
        try await self.withListener(nil) { client in
            for (method, page) in [(HTTPMethod.GET, ""), (.POST, "/start"), (.POST, "/dump"), (.POST, "/stop")] {
                await #expect(throws: AdminClientError(.refused, "This server takes no heap profiles.")) {
                    _ = try await client.object(method, "/debug/heap\(page)")
                }
            }
        }
    }
}
