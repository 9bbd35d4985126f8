import Glibc
import Testing
import TorporSystem

@Suite struct ProcessorsTests {
    @Test func onlyThoseCountOnWhichTheProcessMayRun() throws {
        let file = try #require(fopen("/proc/thread-self/status", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4_096)
        var allowed: Int?
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            guard text.hasPrefix("Cpus_allowed:") else { continue }
            let digits = try #require(text.split(separator: "\t").last).compactMap(\.hexDigitValue)
            allowed = digits.reduce(0) { $0 + $1.nonzeroBitCount }
        }
        #expect(Processors.count == allowed)
    }
}
