import Glibc
import Testing

@testable import TorporSystem

/// Serialized: counting descriptors needs a process in which no other test opens one meanwhile.
@Suite(.serialized) struct ProcessMemoryTests {
    private func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Array(text.utf8).withUnsafeBytes(body)
    }

    @Test func memoryIsReadFromStatm() throws {
        let pages = try #require(withBytes("4567 123 45 6 0 789 0\n") { ProcessMemory.pages(statm: $0) })
        #expect(pages.virtual == 4_567)
        #expect(pages.resident == 123)
    }

    @Test(arguments: ["", "12", "12 ", "12 x", "12 99999999999999999999 3"])
    func anUnreadableStatmIsNoValue(text: String) {
        #expect(withBytes(text) { ProcessMemory.pages(statm: $0) } == nil)
    }

    @Test func fieldsAreFoundBehindANameWithBlanksAndParentheses() throws {
        let line = "7 (a) (b 9) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n"
        let fields = try #require(withBytes(line) { ProcessMemory.fields(stat: $0) })
        #expect(fields.threads == 20)
        #expect(fields.startTicks == 22)
    }

    @Test func aStatThatEndsBeforeTheStartTimeIsNoValue() {
        let line = "7 (a) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"
        #expect(withBytes(line) { ProcessMemory.fields(stat: $0) } != nil)
        #expect(withBytes(String(line.dropLast(3))) { ProcessMemory.fields(stat: $0) } == nil)
        #expect(withBytes("7 a S") { ProcessMemory.fields(stat: $0) } == nil)
    }

    @Test func residentMemoryGrowsByThePagesThatAreTouched() async {
        // In a process of its own, where nothing else takes or gives back memory.
        await #expect(processExitsWith: .success) {
            let before = ProcessMemory.residentBytes ?? .max
            let bytes = 64 << 20
            let pages = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4_096)
            memset(pages, 1, bytes)
            let after = ProcessMemory.residentBytes ?? 0
            precondition(after - before > bytes / 2, "\(before), \(after)")
            pages.deallocate()
        }
    }

    @Test func anOpenDescriptorIsCounted() async {
        // In a process of its own, where nothing else opens or closes one.
        await #expect(processExitsWith: .success) {
            let before = ProcessMemory.openFileDescriptors
            let descriptors = (0..<3).map { _ in open("/dev/null", O_RDONLY) }
            let after = ProcessMemory.openFileDescriptors
            precondition(before.map { $0 + 3 } == after, "\(String(describing: before)), \(String(describing: after))")
            for descriptor in descriptors {
                close(descriptor)
            }
        }
    }
}
