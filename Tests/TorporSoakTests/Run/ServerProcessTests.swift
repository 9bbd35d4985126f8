import Glibc
import Testing

@testable import TorporSoak

@Suite struct ServerProcessTests {
    @Test func aProcessThatIsStoppedHasEnded() async throws {
        let process = try await ServerProcess.start(["/bin/sh", "-c", "sleep 600 & sleep 600"])
        #expect(process.isRunning)
        #expect(process.ending == nil)
        await process.stop()
        #expect(!process.isRunning)
        #expect(process.ending == "was killed by signal \(SIGTERM)")
        #expect(!process.hasExited)
    }

    @Test func aProcessThatIgnoresSIGTERMIsKilled() async throws {
        let process = try await ServerProcess.start([
            "/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done",
        ])
        // Until it ignores the signal.
        while process.lastOutput != "deaf" { await Task.yield() }
        await process.stop(grace: .milliseconds(100))
        #expect(process.ending == "was killed by signal \(SIGKILL)")
    }

    @Test func aProgramThatIsNotThereIsToldByName() async {
        let error = await #expect(throws: SoakError.self) {
            try await ServerProcess.start(["/nowhere/at-all"])
        }
        #expect(error?.code == .unmeasurable)
        #expect(error?.description.contains("/nowhere/at-all") == true)
    }
}
