import Glibc
import Testing
import TorporSystem

@testable import TorporAllocator

/// Each in a process of its own: what is measured is the whole process's. They hold with jemalloc and with glibc.
@Suite struct AllocatorTests {
    @Test func theAllocatorHasANameAndAVersion() {
        let words = Allocator.name.split(separator: " ")
        #expect(words.count == 2 && ["jemalloc", "glibc"].contains(words[0]))
        #expect(words.last?.first?.isNumber == true)
        #expect(Allocator.givesBackByItself == (words[0] == "jemalloc"))
    }

    @Test func whatIsInUseIsCounted() async {
        await #expect(processExitsWith: .success) {
            let bytes = 32 << 20
            let before = Allocator.statistics()
            let block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
            memset(block, 1, bytes)
            let during = Allocator.statistics()
            block.deallocate()
            let after = Allocator.statistics()
            precondition(during.allocated - before.allocated >= bytes, "\(before) \(during)")
            precondition(during.allocated - after.allocated >= bytes, "\(during) \(after)")
            precondition((during.mapped ?? 0) >= during.allocated, "\(during)")
        }
    }

    @Test func trimmingGivesBackPagesThatNobodyUses() async {
        await #expect(processExitsWith: .success) {
            Allocator.configure()
            // Small blocks, of which the last one keeps the heap from shrinking by itself.
            let count = 200_000
            let size = 256
            var blocks = (0..<count).map { _ in
                let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
                memset(block, 1, size)
                return block
            }
            for block in blocks.dropLast() { block.deallocate() }
            let before = ProcessMemory.residentBytes ?? 0
            let given = Allocator.trim()
            let after = ProcessMemory.residentBytes ?? 0
            // With jemalloc some of it may have gone back before.
            precondition(given > count * size / 2 || Allocator.givesBackByItself, "\(given)")
            precondition(before - after >= given - (1 << 20), "\(before) \(after) \(given)")
            blocks.removeLast().deallocate()
            precondition(Allocator.trim() < 8 << 20, "there is nothing left to give back")
        }
    }
}
