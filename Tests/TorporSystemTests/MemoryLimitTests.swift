import Testing
import TorporCore
import TorporSystem

@Suite struct MemoryLimitTests {
    /// A machine of 1,000 MiB, with a control group whose limit is `limit`.
    private static func machine(limit: String) -> [String: String] {
        [
            "/proc/meminfo":
                "MemTotal:        1024000 kB\nMemFree:  1 kB\nMemAvailable:     512000 kB\nSwapTotal: 1024 kB\n",
            "/proc/self/cgroup": "0::/app\n",
            "/proc/self/mountinfo": "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/app/memory.max": limit,
            "/sys/fs/cgroup/app/memory.stat": "anon 1000\nshmem 24\n",
        ]
    }

    @Test func theMachinesMemoryIsRead() throws {
        try FixtureTree.with(Self.machine(limit: "max\n")) { tree in
            let memory = try #require(MachineMemory.current(tree.root))
            #expect(memory == MachineMemory(total: .mebibytes(1_000), available: .mebibytes(500), swap: .mebibytes(1)))
        }
    }

    @Test(arguments: [
        "", "MemTotal:\n", "MemTotal: 0 kB\n", "MemTotal: x kB\n", "MemTotal: 5 MB\n", "MemTotal: -5 kB\n",
        "MemTotal: 9223372036854775807 kB\n", "MemTotal: 99999999999999999999 kB\n", "MemTotalled: 5 kB\n",
    ])
    func anUnreadableTotalIsNoMemory(text: String) throws {
        try FixtureTree.with(["/proc/meminfo": text]) { tree in #expect(MachineMemory.current(tree.root) == nil) }
    }

    @Test func anExplicitLimitHoldsAsItIsAndTheProcessesCount() throws {
        try FixtureTree.with(Self.machine(limit: "104857600\n")) { tree in
            let limit = try #require(MemoryLimit.derive(explicit: .mebibytes(300), root: tree.root))
            #expect(limit.bytes == .mebibytes(300))
            #expect(limit.origin == .explicit)
            #expect(limit.source == "--memory-limit")
            #expect(limit.used(processTree: { .mebibytes(7) }) == .mebibytes(7))
            #expect(limit.used(processTree: { nil }) == nil)
        }
    }

    @Test func nineTenthsOfAControlGroupsLimitAreSteeredBy() throws {
        try FixtureTree.with(Self.machine(limit: "104857600\n")) { tree in
            let limit = try #require(MemoryLimit.derive(explicit: nil, root: tree.root))
            #expect(limit.bytes == .mebibytes(90))
            #expect(limit.whole == .mebibytes(100))
            #expect(limit.source == "90 % of the control group's 100 MiB (/sys/fs/cgroup/app)")
            var asked = 0
            let used = limit.used {
                asked += 1
                return .mebibytes(7)
            }
            #expect(used == .kibibytes(1))
            #expect(asked == 0)
        }
    }

    @Test func aControlGroupThatStopsTellingItsUseLeavesTheProcesses() throws {
        try FixtureTree.with(Self.machine(limit: "104857600\n")) { tree in
            let limit = try #require(MemoryLimit.derive(explicit: nil, root: tree.root))
            try tree.write("", to: "/sys/fs/cgroup/app/memory.stat")
            #expect(limit.used(processTree: { .mebibytes(7) }) == .mebibytes(7))
        }
    }

    @Test(arguments: ["max\n", "1048576000\n", "9000000000\n"])
    func withoutALimitBelowTheMachinesThreeQuartersOfItAreSteeredBy(text: String) throws {
        try FixtureTree.with(Self.machine(limit: text)) { tree in
            let limit = try #require(MemoryLimit.derive(explicit: nil, root: tree.root))
            #expect(limit.bytes == .mebibytes(750))
            #expect(limit.origin == .machine)
            #expect(limit.source == "75 % of the machine's 1000 MiB")
            #expect(limit.used(processTree: { .mebibytes(7) }) == .mebibytes(7))
        }
    }

    @Test func whereNothingIsKnownThereIsNoLimit() throws {
        try FixtureTree.with([:]) { tree in
            #expect(MemoryLimit.derive(explicit: nil, root: tree.root) == nil)
            #expect(MemoryLimit.derive(explicit: .mebibytes(1), root: tree.root)?.bytes == .mebibytes(1))
        }
    }

    @Test func aControlGroupsLimitHoldsWhereTheMachineIsUnknown() throws {
        var files = Self.machine(limit: "104857600\n")
        files["/proc/meminfo"] = nil
        try FixtureTree.with(files) { tree in
            #expect(MemoryLimit.derive(explicit: nil, root: tree.root)?.bytes == .mebibytes(90))
        }
    }

    @Test func thisMachineHasALimit() throws {
        let limit = try #require(MemoryLimit.derive(explicit: nil))
        #expect(limit.bytes > .mebibytes(16))
        #expect(try #require(limit.used(processTree: { .bytes(1) })) > .bytes(0))
    }
}
