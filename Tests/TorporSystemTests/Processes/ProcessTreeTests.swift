import Glibc
import Testing
import TorporSystem

@Suite struct ProcessTreeTests {
    @Test func aTreeIsAProcessAndAllThatDescendsFromIt() throws {
        let folder = try ProcFolder()
        try folder.addProcess(1, parent: 0)
        try folder.addProcess(10, parent: 1)
        try folder.addProcess(11, parent: 10)
        try folder.addProcess(12, parent: 11)
        try folder.addProcess(13, parent: 10)
        try folder.addProcess(20, parent: 1)
        let tree = ProcessTree(root: folder.root)
        #expect(tree.processes(of: 10).first == 10)
        #expect(Set(tree.processes(of: 10)) == [10, 11, 12, 13])
        #expect(tree.processes(of: 20) == [20])
        #expect(tree.processes(of: 99).isEmpty)
    }

    @Test func childrenThatTheKernelTellsAreThoseOfEveryThread() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1)
        try folder.write("11 12 \n", to: "/proc/10/task/10/children")
        try folder.write("13 10 ", to: "/proc/10/task/77/children")
        try folder.write("", to: "/proc/11/task/11/children")
        try folder.write("14 ", to: "/proc/13/task/13/children")
        let tree = ProcessTree(root: folder.root)
        #expect(tree.processes(of: 10).first == 10)
        #expect(tree.processes(of: 10).sorted() == [10, 11, 12, 13, 14])
    }

    @Test func aNameWithBlanksAndParenthesesIsNoObstacle() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1)
        try folder.addProcess(11, parent: 10, name: "a) R 77 (b")
        #expect(ProcessTree(root: folder.root).processes(of: 10) == [10, 11])
    }

    @Test func residentBytesAreThoseOfAllPagesOfTheTree() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1, residentPages: 100)
        try folder.addProcess(11, parent: 10, residentPages: 7)
        try folder.addProcess(20, parent: 1, residentPages: 1_000)
        let tree = ProcessTree(root: folder.root, pageSize: 4_096)
        #expect(tree.residentBytes(of: 10) == 107 * 4_096)
        #expect(tree.residentBytes(of: 99) == nil)
    }

    @Test func aZombieIsNotThere() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1, state: "Z", residentPages: 1)
        let tree = ProcessTree(root: folder.root)
        #expect(!tree.isRunning(10))
        #expect(tree.residentBytes(of: 10) == nil)
    }

    @Test func whatIsSwappedOutCounts() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1, residentPages: 100)
        try folder.write("Name:\tserver\nVmSwap:\t      40 kB\n", to: "/proc/10/status")
        let tree = ProcessTree(root: folder.root, pageSize: 4_096)
        #expect(tree.bytes(of: 10, counting: .resident) == 100 * 4_096 + 40 * 1_024)
    }

    @Test func sharedPagesCountByTheirShareOrNotAtAll() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1)
        try folder.write(
            """
            00400000-7ffd1000 ---p 00000000 00:00 0  [rollup]
            Rss:                2000 kB
            Pss:                1500 kB
            Private_Clean:       100 kB
            Private_Dirty:       900 kB
            Swap:                  8 kB
            SwapPss:               4 kB

            """, to: "/proc/10/smaps_rollup")
        let tree = ProcessTree(root: folder.root)
        #expect(tree.bytes(of: 10, counting: .proportional) == 1_504 * 1_024)
        #expect(tree.bytes(of: 10, counting: .private) == 1_008 * 1_024)
    }

    @Test func memoryThatMayNotBeReadIsNil() throws {
        let folder = try ProcFolder()
        try folder.addProcess(10, parent: 1)
        #expect(ProcessTree(root: folder.root).bytes(of: 10, counting: .private) == nil)
    }

    @Test func ofSeveralProcessesTheTopmostRemain() throws {
        let folder = try ProcFolder()
        try folder.addProcess(1, parent: 0)
        try folder.addProcess(10, parent: 1)
        try folder.addProcess(11, parent: 10)
        try folder.addProcess(12, parent: 11)
        try folder.addProcess(20, parent: 1)
        let tree = ProcessTree(root: folder.root)
        #expect(tree.topmost(of: [10, 11, 12, 20]) == [10, 20])
        #expect(tree.topmost(of: [12, 11]) == [11])
    }

    @Test func thisProcessIsSeenAsTheKernelSeesIt() throws {
        let tree = ProcessTree(root: .machine)
        #expect(tree.isRunning(getpid()))
        #expect(tree.processes(of: getpid()).first == getpid())
        for measure in ProcessTree.Measure.allCases {
            let bytes = try #require(tree.bytes(of: getpid(), counting: measure))
            #expect(bytes > 1 << 20)
        }
    }
}
