import Testing
import TorporSystem

@Suite struct SystemRootTests {
    @Test func aFileOfTheKernelIsReadWhole() throws {
        let text = try #require(SystemRoot.machine.text("/proc/self/status"))
        #expect(text.hasPrefix("Name:"))
        #expect(text.contains("VmRSS:"))
    }

    @Test func whatIsNotThereIsNil() {
        let root = SystemRoot("/nowhere")
        #expect(root.text("/proc/self/status") == nil)
        #expect(root.lines("/proc/self/status") == nil)
        #expect(root.names(in: "/proc") == nil)
        #expect(root.target(of: "/proc/self/exe") == nil)
    }

    @Test func aFileThatIsTooLargeIsNotRead() {
        #expect(SystemRoot.machine.text("/dev/zero") == nil)
    }

    @Test func foldersAndLinksAreRead() throws {
        let names = try #require(SystemRoot.machine.names(in: "/proc/self"))
        #expect(names.contains("fd"))
        #expect(!names.contains(".") && !names.contains(".."))
        #expect(SystemRoot.machine.target(of: "/proc/self/exe")?.hasPrefix("/") == true)
    }
}
