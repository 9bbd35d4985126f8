import Testing
import TorporCore

@testable import TorporSystem

/// What control groups say in the second version, in the first one, and in all the ways that containers show them.
@Suite struct ControlGroupTests {
    private static let unifiedMount = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let memoryMount =
        "36 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:17 - cgroup cgroup rw,memory\n"

    /// A group of the second version and its files.
    private static func two(
        path: String = "/app", mounts: String = unifiedMount, _ files: [String: String]
    ) -> [String: String] {
        ["/proc/self/cgroup": "0::\(path)\n", "/proc/self/mountinfo": mounts].merging(files) { first, _ in first }
    }

    private static func one(
        path: String = "/app", mounts: String = memoryMount, _ files: [String: String]
    ) -> [String: String] {
        [
            "/proc/self/cgroup": "5:cpu,cpuacct:/app\n4:memory:\(path)\n1:name=systemd:/app\n",
            "/proc/self/mountinfo": mounts,
        ]
        .merging(files) { first, _ in first }
    }

    // MARK: The second version

    @Test func limitUseAndStallOfTheSecondVersionAreRead() throws {
        let files = Self.two([
            "/sys/fs/cgroup/app/cgroup.events": "populated 1\n",
            "/sys/fs/cgroup/app/memory.max": "536870912\n",
            "/sys/fs/cgroup/app/memory.high": "max\n",
            "/sys/fs/cgroup/app/memory.stat": "anon 1000\nfile 900000\nanon_thp 77\nshmem 24\nshmem_thp 5\n",
            "/sys/fs/cgroup/app/memory.pressure":
                "some avg10=12.50 avg60=1.00 avg300=0.10 total=99\nfull avg10=3.00 avg60=0.10 avg300=0.00 total=9\n",
        ])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.version == .two)
            #expect(group.folders == ["/sys/fs/cgroup/app", "/sys/fs/cgroup"])
            #expect(group.memory == ControlGroup.Memory(limit: .mebibytes(512), used: .bytes(1_024)))
            #expect(group.memoryLimit == .mebibytes(512))
            #expect(group.memoryUsed == .bytes(1_024))
            #expect(group.memoryStall == 0.125)
        }
    }

    @Test func theLowerOfMaximumAndThrottlingIsTheLimit() throws {
        let files = Self.two([
            "/sys/fs/cgroup/app/memory.max": "1048576\n", "/sys/fs/cgroup/app/memory.high": "524288\n",
        ])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.memoryLimit == .kibibytes(512))
            try tree.write("max\n", to: "/sys/fs/cgroup/app/memory.high")
            #expect(ControlGroup.current(tree.root)?.memoryLimit == .mebibytes(1))
            try tree.write("max\n", to: "/sys/fs/cgroup/app/memory.max")
            #expect(ControlGroup.current(tree.root)?.memoryLimit == nil)
        }
    }

    @Test func theLowestLimitOfAllGroupsAroundHoldsAndItsGroupsUseCounts() throws {
        let files = Self.two(
            path: "/outer/middle/own",
            [
                "/sys/fs/cgroup/outer/memory.max": "4000\n", "/sys/fs/cgroup/outer/memory.stat": "anon 40\nshmem 0\n",
                "/sys/fs/cgroup/outer/middle/memory.max": "2000\n",
                "/sys/fs/cgroup/outer/middle/memory.stat": "anon 20\nshmem 1\n",
                "/sys/fs/cgroup/outer/middle/own/memory.max": "3000\n",
                "/sys/fs/cgroup/outer/middle/own/memory.stat": "anon 3\nshmem 0\n",
            ])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.memory == ControlGroup.Memory(limit: .bytes(2_000), used: .bytes(21)))
        }
    }

    @Test func withoutALimitTheOwnGroupsUseIsTold() throws {
        let files = Self.two([
            "/sys/fs/cgroup/memory.stat": "anon 900\nshmem 9\n", "/sys/fs/cgroup/app/memory.max": "max\n",
            "/sys/fs/cgroup/app/memory.stat": "anon 5\nshmem 2\n",
        ])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.memory == ControlGroup.Memory(limit: nil, used: .bytes(7)))
        }
    }

    @Test func limitsAreReadAnewEachTime() throws {
        try FixtureTree.with(Self.two(["/sys/fs/cgroup/app/memory.max": "1000\n"])) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.memoryLimit == .bytes(1_000))
            try tree.write("2000\n", to: "/sys/fs/cgroup/app/memory.max")
            #expect(group.memoryLimit == .bytes(2_000))
        }
    }

    // MARK: Containers

    @Test func aContainerWithANamespaceOfItsOwnSeesItsGroupAtTheTop() throws {
        let files = Self.two(
            path: "/", ["/sys/fs/cgroup/cgroup.events": "populated 1\n", "/sys/fs/cgroup/memory.max": "7000\n"])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.folders == ["/sys/fs/cgroup"])
            #expect(group.memoryLimit == .bytes(7_000))
            #expect(group.pressureFolder == "/sys/fs/cgroup")
        }
    }

    @Test(arguments: ["/../../elsewhere", "/docker/0123", "/docker"])
    func aPathThatIsNotMountedIsTheTopOfTheMount(path: String) throws {
        let mounts = "35 24 0:30 /docker/4567 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
        let files = Self.two(path: path, mounts: mounts, ["/sys/fs/cgroup/memory.max": "7000\n"])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.folders == ["/sys/fs/cgroup"])
            #expect(ControlGroup.current(tree.root)?.memoryLimit == .bytes(7_000))
        }
    }

    @Test func aPathThatIsNotThereIsTheTopOfTheMount() throws {
        let files = Self.two(path: "/docker/0123", ["/sys/fs/cgroup/memory.max": "7000\n"])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.folders == ["/sys/fs/cgroup"])
        }
    }

    @Test func aMountOfAPartOfTheHierarchyIsSubtractedFromThePath() throws {
        let mounts = "35 24 0:30 /docker/4567 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        let files = Self.one(
            path: "/docker/4567/child", mounts: mounts,
            [
                "/sys/fs/cgroup/memory/child/memory.limit_in_bytes": "9000\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "8000\n",
            ])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.folders == ["/sys/fs/cgroup/memory/child", "/sys/fs/cgroup/memory"])
            #expect(group.memoryLimit == .bytes(8_000))
        }
    }

    @Test func aPathThatOnlyBeginsLikeTheMountIsNotInIt() throws {
        let mounts = "35 24 0:30 /docker/45 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
        let files = Self.two(
            path: "/docker/4567", mounts: mounts,
            ["/sys/fs/cgroup/memory.max": "1\n", "/sys/fs/cgroup67/memory.max": "2\n"])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.folders == ["/sys/fs/cgroup"])
        }
    }

    @Test func ofSeveralMountsTheOneThatShowsMostIsTaken() throws {
        let mounts =
            "35 24 0:30 /outer/own /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n36 24 0:30 / /host/cgroup rw - cgroup2 cgroup2 rw\n"
        let files = Self.two(
            path: "/outer/own", mounts: mounts,
            [
                "/sys/fs/cgroup/memory.max": "9000\n", "/host/cgroup/outer/own/memory.max": "9000\n",
                "/host/cgroup/outer/memory.max": "6000\n",
            ])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.memoryLimit == .bytes(6_000))
        }
    }

    @Test func blanksInMountPointsAndColonsInPathsAreUnderstood() throws {
        let mounts = "35 24 0:30 / /sys/fs\\040x/cgroup rw - cgroup2 cgroup2 rw\n"
        let files = Self.two(path: "/a:b", mounts: mounts, ["/sys/fs x/cgroup/a:b/memory.max": "6000\n"])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.folders.first == "/sys/fs x/cgroup/a:b")
        }
    }

    // MARK: The first version

    @Test func limitAndUseOfTheFirstVersionAreRead() throws {
        let files = Self.one([
            "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": "268435456\n",
            "/sys/fs/cgroup/memory/app/memory.stat":
                "rss 1\nshmem 2\nhierarchical_memory_limit 268435456\ntotal_rss 1000\ntotal_rss_huge 64\ntotal_shmem 24\n",
        ])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.version == .one)
            #expect(group.memory == ControlGroup.Memory(limit: .mebibytes(256), used: .bytes(1_024)))
            #expect(group.memoryStall == nil)
        }
    }

    @Test(arguments: ["9223372036854771712", "9223372036854710272", "9223372036854775807"])
    func theHugeDefaultOfTheFirstVersionIsNoLimit(text: String) throws {
        let files = Self.one([
            "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": text + "\n",
            "/sys/fs/cgroup/memory/app/memory.stat": "hierarchical_memory_limit \(text)\ntotal_rss 5\n",
        ])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.memory == ControlGroup.Memory(limit: nil, used: .bytes(5)))
        }
    }

    @Test func aLimitOfAGroupThatIsNotMountedIsKnownToTheFirstVersion() throws {
        let files = Self.one([
            "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/app/memory.stat": "hierarchical_memory_limit 4096\ntotal_rss 5\ntotal_shmem 1\n",
        ])
        try FixtureTree.with(files) { tree in
            let memory = ControlGroup.current(tree.root)?.memory
            #expect(memory == ControlGroup.Memory(limit: .kibibytes(4), used: .bytes(6)))
        }
    }

    @Test func aHybridTakesMemoryFromTheFirstVersionAndStallFromTheSecond() throws {
        let files = [
            "/proc/self/cgroup": "4:memory:/app\n0::/app\n",
            "/proc/self/mountinfo": Self.memoryMount
                + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": "5000\n",
            "/sys/fs/cgroup/unified/app/cgroup.events": "populated 1\n",
            "/sys/fs/cgroup/unified/app/memory.pressure": "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\n",
        ]
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.version == .one)
            #expect(group.memoryLimit == .bytes(5_000))
            #expect(group.memoryStall == 0.5)
        }
    }

    // MARK: What cannot be read

    @Test func theStallOfTheWholeMachineIsNotTheGroups() throws {
        let pressure = "some avg10=50.00 avg60=0.00 avg300=0.00 total=0\n"
        let files = Self.two(
            path: "/", ["/sys/fs/cgroup/memory.pressure": pressure, "/proc/pressure/memory": pressure])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.memoryStall == nil)
            // It is the missing file that tells the root of the machine from that of a namespace.
            try tree.write("populated 1\n", to: "/sys/fs/cgroup/cgroup.events")
            #expect(ControlGroup.current(tree.root)?.memoryStall == 0.5)
        }
    }

    @Test(arguments: ["", "garbage", "-5\n", "+5\n", "0\n", "99999999999999999999999\n", "1.5\n", "12 34\n", "\n\n"])
    func anUnreadableLimitIsNone(text: String) throws {
        for files in [
            Self.two(["/sys/fs/cgroup/app/memory.max": text]),
            Self.one(["/sys/fs/cgroup/memory/app/memory.limit_in_bytes": text]),
        ] {
            try FixtureTree.with(files) { tree in
                let group = try #require(ControlGroup.current(tree.root))
                #expect(group.memory == ControlGroup.Memory(limit: nil, used: nil))
            }
        }
    }

    @Test(arguments: [
        "", "anon\n", "anon x\n", "anon -1\n", "anon 99999999999999999999\n", "anonymous 5\n",
        "anon 9223372036854775807\nshmem 9223372036854775807\n",
    ])
    func anUnreadableStatisticIsNone(text: String) throws {
        let files = Self.two(["/sys/fs/cgroup/app/memory.max": "5000\n", "/sys/fs/cgroup/app/memory.stat": text])
        try FixtureTree.with(files) { tree in
            #expect(ControlGroup.current(tree.root)?.memory == ControlGroup.Memory(limit: .bytes(5_000), used: nil))
        }
    }

    @Test(arguments: [
        "", "some\n", "some avg10=\n", "some avg10=x\n", "some avg10=nan\n", "some avg10=-1\n",
        "full avg10=5.00\n", "avg10=5.00\n",
    ])
    func anUnreadableStallIsNone(text: String) throws {
        let files = Self.two([
            "/sys/fs/cgroup/app/cgroup.events": "", "/sys/fs/cgroup/app/memory.pressure": text,
        ])
        try FixtureTree.with(files) { tree in
            let group = try #require(ControlGroup.current(tree.root))
            #expect(group.memoryStall == nil)
        }
    }

    @Test func aStallOfMoreThanAllTheTimeIsAllTheTime() throws {
        let files = Self.two([
            "/sys/fs/cgroup/app/cgroup.events": "", "/sys/fs/cgroup/app/memory.pressure": "some avg10=250.00\n",
        ])
        try FixtureTree.with(files) { tree in #expect(ControlGroup.current(tree.root)?.memoryStall == 1) }
    }

    @Test(arguments: ["", "garbage\n", "::\n", "0:\n", "0::relative\n", "4:cpu:/app\n"])
    func aProcessWithoutAGroupHasNone(text: String) throws {
        let files = [
            "/proc/self/cgroup": text, "/proc/self/mountinfo": Self.unifiedMount + Self.memoryMount,
            "/sys/fs/cgroup/app/memory.max": "5000\n",
        ]
        try FixtureTree.with(files) { tree in #expect(ControlGroup.current(tree.root) == nil) }
    }

    @Test(arguments: [
        "", "garbage\n", "35 24 0:30 / /sys/fs/cgroup rw -\n", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2\n",
        "35 24 0:30 / /sys\\0 rw - cgroup2 cgroup2 rw\n", "35 24 0:30 / /nowhere rw - cgroup2 cgroup2 rw\n",
    ])
    func aHierarchyThatIsNotMountedHasNoGroup(mounts: String) throws {
        try FixtureTree.with(Self.two(mounts: mounts, ["/sys/fs/cgroup/app/memory.max": "5000\n"])) { tree in
            #expect(ControlGroup.current(tree.root) == nil)
        }
    }

    @Test func aControllerOfTheFirstVersionThatIsNotMountedIsNotLookedForInTheSecond() throws {
        let files = [
            "/proc/self/cgroup": "4:memory:/app\n0::/app\n", "/proc/self/mountinfo": Self.unifiedMount,
            "/sys/fs/cgroup/app/memory.max": "5000\n",
        ]
        try FixtureTree.with(files) { tree in #expect(ControlGroup.current(tree.root) == nil) }
    }
}
