import Glibc
import Testing

@testable import TorporAllocator

/// Each in a process of its own: there is one profile in a process.
@Suite struct HeapProfileTests {
    private static var isSupported: Bool { HeapProfile.unsupportedReason == nil }

    @Test func withoutSupportAProfileSaysWhatToDo() throws {
        guard let reason = HeapProfile.unsupportedReason else { return }
        #expect(reason.contains("Use a torpor") || reason.contains("Start torpor with") || reason.contains("Debian's"))
        #expect(throws: HeapProfile.Failure(code: .unsupported, message: reason)) { try HeapProfile.start() }
        #expect(throws: HeapProfile.Failure(code: .unsupported, message: reason)) { _ = try HeapProfile.dump() }
        #expect(throws: HeapProfile.Failure(code: .unsupported, message: reason)) { try HeapProfile.stop() }
    }

    @Test(.enabled(if: isSupported)) func whatIsInUseAtTheDumpIsInTheProfileAndWhatWasFreedIsNot() async {
        await #expect(processExitsWith: .success) {
            try HeapProfile.start(sampleBytes: 16 << 10)
            let kept = (0..<1_000).map { _ in malloc(16 << 10) }
            for _ in 0..<1_000 { free(malloc(32 << 10)) }
            let full = try HeapProfile.dump()
            for block in kept { free(block) }
            let empty = try HeapProfile.dump()
            precondition(HeapProfile.sampleBytes == 16 << 10)
            try HeapProfile.stop()
            precondition(HeapProfile.sampleBytes == nil)
            precondition(full.starts(with: "heap_v2/16384\n".utf8))
            let (before, after) = (Self.liveBytes(full), Self.liveBytes(empty))
            // 16 MB in blocks of the distance between samples: two in three are sampled.
            precondition(before > 6 << 20 && before < 24 << 20, "\(before)")
            precondition(after < 2 << 20, "\(after)")
        }
    }

    @Test(.enabled(if: isSupported)) func thereIsOneProfileAtATime() async {
        await #expect(processExitsWith: .success) {
            try Self.expect(.notStarted) { _ = try HeapProfile.dump() }
            try HeapProfile.start()
            try Self.expect(.alreadyStarted) { try HeapProfile.start() }
            try HeapProfile.stop()
            try HeapProfile.stop()
            try Self.expect(.notStarted) { _ = try HeapProfile.dump() }
            try HeapProfile.start()
            precondition(HeapProfile.sampleBytes == HeapProfile.sampleDefault)
        }
    }

    @Test(.enabled(if: isSupported)) func whatAFormerProfileSampledIsForgotten() async {
        await #expect(processExitsWith: .success) {
            try HeapProfile.start(sampleBytes: 16 << 10)
            let kept = (0..<1_000).map { _ in malloc(16 << 10) }
            try HeapProfile.stop()
            try HeapProfile.start(sampleBytes: 16 << 10)
            let profile = try HeapProfile.dump()
            precondition(Self.liveBytes(profile) < 2 << 20)
            for block in kept { free(block) }
        }
    }

    private static func expect(_ code: HeapProfile.Failure.Code, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as HeapProfile.Failure {
            precondition(failure.code == code, "\(failure)")
            return
        }
        preconditionFailure("it succeeds")
    }

    /// The bytes in use of the line `  t*: BLOCKS: BYTES [0: 0]`, as sampled.
    private static func liveBytes(_ profile: [UInt8]) -> Int {
        let text = String(decoding: profile, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("  t*: ") }
        let words = line?.split(separator: " ") ?? []
        return words.count > 2 ? Int(words[2]) ?? -1 : -1
    }
}
