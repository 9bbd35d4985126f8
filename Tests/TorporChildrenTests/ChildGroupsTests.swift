import CWarden
import Glibc
import Testing
import TorporCore
import TorporSystem

@testable import TorporChildren

/// Which control groups are used, and what is written to them, on trees as kernels show them.
@Suite struct ChildGroupsTests {
    private static let two = "35 24 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
    private static let one = """
        36 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:17 - cgroup cgroup rw,memory
        37 31 0:33 / /sys/fs/cgroup/pids rw,relatime shared:18 - cgroup cgroup rw,pids

        """

    /// A service of systemd that its group was handed to, in the second version.
    private static func second(_ changes: [String: String] = [:]) -> [String: String] {
        [
            "/proc/self/cgroup": "0::/own\n", "/proc/self/mountinfo": self.two,
            "/sys/fs/cgroup/own/cgroup.procs": "\(getpid())\n", "/sys/fs/cgroup/own/cgroup.subtree_control": "",
            "/sys/fs/cgroup/own/cgroup.events": "populated 1\n",
            "/sys/fs/cgroup/own/cgroup.controllers": "cpu memory pids\n",
        ]
        .merging(changes) { _, new in new }
    }

    private static func first(_ changes: [String: String] = [:]) -> [String: String] {
        [
            "/proc/self/cgroup": "8:pids:/other\n4:memory:/own\n", "/proc/self/mountinfo": self.one,
            "/sys/fs/cgroup/memory/own/cgroup.procs": "1\n2\n", "/sys/fs/cgroup/memory/own/memory.use_hierarchy": "1\n",
            "/sys/fs/cgroup/pids/other/cgroup.procs": "1\n",
        ]
        .merging(changes) { _, new in new }
    }

    private static func find(
        _ files: [String: String], atMost best: MemoryCap.Kind = .controlGroupTwo, without missing: String? = nil
    ) throws -> Result<ChildGroups.Place, ChildGroups.Refusal> {
        let tree = try Tree(files.filter { $0.key != missing })
        return withExtendedLifetime(tree) { ChildGroups.Place.find(atMost: best, root: tree.root) }
    }

    private static func reason(_ result: Result<ChildGroups.Place, ChildGroups.Refusal>) -> String {
        switch result {
        case .success: ""
        case .failure(let refusal): refusal.reason
        }
    }

    @Test func whyGroupsAreNotUsedCanBeAskedWithoutMakingAny() throws {
        let good = try Tree(Self.second())
        #expect(MemoryCap.controlGroupRefusal(root: good.root) == nil)
        #expect(good.root.names(in: "/sys/fs/cgroup/own")?.contains { $0.hasPrefix("torpor-") } == false)
        let bad = try Tree(Self.second(["/sys/fs/cgroup/own/cgroup.controllers": "cpu pids\n"]))
        #expect(MemoryCap.controlGroupRefusal(root: bad.root)?.contains("no controller of memory") == true)
        withExtendedLifetime((good, bad)) {}
    }

    // MARK: Joining

    @Test func aChildJoinsByWhatTakesTheKernelNoTime() throws {
        for (files, expected) in [
            (Self.first(), ["/memory/own/TOP/child-1/tasks", "/pids/other/TOP/child-1/tasks"]),
            (Self.second(), ["/own/TOP/child-1"]),
        ] {
            let tree = try Tree(files)
            let place = try ChildGroups.Place.find(atMost: .controlGroupTwo, root: tree.root).get()
            let tops = Set([place.memory, place.processes].compactMap(\.self)).sorted().map { "\($0)/TOP" }
            let groups = ChildGroups(place: place, root: tree.root, tops: tops, locks: [])
            // As the kernel puts it there.
            for top in groups.tops { try tree.write("", to: "\(top)/child-1/tasks") }
            let group = ChildGroup(
                folders: groups.tops.map { "\($0)/child-1" }, cap: .mebibytes(64), limitsProcesses: true, groups: groups
            )
            let memberships = try group.openMemberships()
            let opened = memberships.map { SystemRoot.machine.target(of: "/proc/self/fd/\($0)") ?? "" }
            for descriptor in memberships { close(descriptor) }
            #expect(opened == expected.map { "\(tree.folder)/sys/fs/cgroup\($0)" })
        }
    }

    /// The top of the second version's groups, where this process may make one.
    private static let unified: String? = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first { folder in
        access("\(folder)/cgroup.controllers", R_OK) == 0 && access(folder, W_OK) == 0
    }

    @Test(.enabled(if: unified != nil, "needs a control group of the second version that can be written"))
    func aProcessBeginsInItsGroupOfTheSecondVersion() throws {
        let folder = "\(try #require(Self.unified))/torpor-test-\(getpid())"
        try #require(mkdir(folder, 0o755) == 0)
        defer { #expect(rmdir(folder) == 0) }
        let group = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(group) }
        var isInside: CInt = 0
        let process = torpor_fork_into(group, &isInside)
        // A copy of one thread of many: it does nothing but wait for its end.
        if process == 0 { while true { pause() } }
        try #require(process > 0)
        let groups = SystemRoot.machine.text("/proc/\(process)/cgroup")
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        try #require(isInside == 1, "the kernel is older than 5.7, or clone3 is filtered out")
        #expect(groups?.contains("/torpor-test-\(getpid())\n") == true)
    }

    // MARK: Where

    @Test func aGroupOfTheSecondVersionWithTorporAloneIsUsedAndLeft() throws {
        #expect(
            try Self.find(Self.second())
                == .success(
                    ChildGroups.Place(
                        version: .two, memory: "/sys/fs/cgroup/own", processes: "/sys/fs/cgroup/own", needsLeaf: true)))
    }

    @Test func theTopOfAllGroupsNeedNotBeLeft() throws {
        let files = Self.second().merging(["/sys/fs/cgroup/own/cgroup.procs": "1\n2\n"]) { _, new in new }
        let place = try Self.find(files, without: "/sys/fs/cgroup/own/cgroup.events").get()
        #expect(place.needsLeaf == false)
    }

    @Test func withoutTheControllerOfProcessesMemoryAloneIsHeld() throws {
        let files = Self.second(["/sys/fs/cgroup/own/cgroup.controllers": "memory\n"])
        #expect(try Self.find(files).get().processes == nil)
    }

    @Test func aGroupThatOthersAreInIsNotTouched() throws {
        let result = try Self.find(Self.second(["/sys/fs/cgroup/own/cgroup.procs": "1\n\(getpid())\n"]))
        #expect(Self.reason(result).contains("other processes"))
    }

    @Test func aGroupThatSystemdKeepsIsNotTouched() throws {
        let result = try Self.find(Self.second(["/run/systemd/system/x": ""]))
        #expect(Self.reason(result).contains("Delegate=yes"))
    }

    @Test func withoutTheControllerOfMemoryThereIsNoGroup() throws {
        let result = try Self.find(Self.second(["/sys/fs/cgroup/own/cgroup.controllers": "cpu memory2 pids\n"]))
        #expect(Self.reason(result).contains("no controller of memory"))
    }

    @Test(arguments: ["cgroup.procs", "cgroup.subtree_control"])
    func aGroupThatCannotBeWrittenIsNotUsed(file: String) throws {
        let result = try Self.find(Self.second(), without: "/sys/fs/cgroup/own/\(file)")
        #expect(Self.reason(result).contains("cannot be written"))
    }

    @Test func groupsOfTheFirstVersionAreFoundByTheirControllers() throws {
        #expect(
            try Self.find(Self.first())
                == .success(
                    ChildGroups.Place(
                        version: .one, memory: "/sys/fs/cgroup/memory/own", processes: "/sys/fs/cgroup/pids/other",
                        needsLeaf: false)))
        let place = try Self.find(Self.first(), without: "/sys/fs/cgroup/pids/other/cgroup.procs").get()
        #expect(place.processes == nil)
    }

    @Test func groupsThatWouldLeaveTheLimitsAroundThemAreNotUsed() throws {
        let result = try Self.find(Self.first(["/sys/fs/cgroup/memory/own/memory.use_hierarchy": "0\n"]))
        #expect(Self.reason(result).contains("leave its limits"))
    }

    @Test func aBetterKindThanAskedForIsNotTaken() throws {
        #expect(Self.reason(try Self.find(Self.second(), atMost: .controlGroupOne)).contains("not wanted"))
        #expect(try Self.find(Self.first(), atMost: .controlGroupOne).get().version == .one)
    }

    @Test func aMachineWithoutGroupsGetsAWatchAndIsToldWhy() throws {
        let tree = try Tree(["/proc/meminfo": "MemTotal: 1 kB\n"])
        let cap = MemoryCap.choose(root: tree.root)
        #expect(cap.kind == .watch)
        #expect(cap.description == "a watch over their memory: this machine shows no control groups")
        #expect(MemoryCap.choose(atMost: .watch, root: tree.root).description.contains("as asked for"))
    }

    @Test func aRefusalWhileOpeningLeavesNothingBehind() throws {
        // The leaf that Torpor's process should move to has no files here, as if the kernel refused.
        let tree = try Tree(Self.second())
        let cap = MemoryCap.choose(root: tree.root)
        #expect(cap.kind == .watch)
        #expect(cap.description.contains("could not move"))
        #expect(tree.root.names(in: "/sys/fs/cgroup/own/torpor") == nil)
    }

    // MARK: What is written and read

    private static let limits = ChildLimits(memory: .mebibytes(64), processes: 77)

    /// A child's group in a tree, with the kernel's files there.
    private static func withGroup(
        _ version: ControlGroup.Version, _ files: [String: String], _ body: (Tree, ChildGroup) throws -> Void
    ) throws {
        let tree = try Tree(files)
        let folders = version == .two ? ["/m/torpor-1"] : ["/m/torpor-1", "/p/torpor-1"]
        let place = ChildGroups.Place(
            version: version, memory: "/m", processes: version == .two ? "/m" : "/p", needsLeaf: false)
        let groups = ChildGroups(place: place, root: tree.root, tops: folders, locks: [])
        let group = ChildGroup(
            folders: folders.map { "\($0)/child-1" }, cap: Self.limits.memory, limitsProcesses: true, groups: groups)
        try body(tree, group)
    }

    @Test func theLimitsOfTheSecondVersionAreSet() throws {
        let folder = "/m/torpor-1/child-1"
        let names = ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max"]
        let files = Dictionary(uniqueKeysWithValues: names.map { ("\(folder)/\($0)", "") })
        try Self.withGroup(.two, files) { tree, group in
            try group.set(Self.limits)
            #expect(tree.text("\(folder)/memory.max") == "67108864")
            #expect(tree.text("\(folder)/memory.swap.max") == "0")
            #expect(tree.text("\(folder)/memory.oom.group") == "1")
            #expect(tree.text("\(folder)/pids.max") == "77")
            #expect(group.ranOut == false)
            #expect(group.memory == nil)
            try tree.write("low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\n", to: "\(folder)/memory.events")
            #expect(group.ranOut == false)
            try tree.write("low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\n", to: "\(folder)/memory.events")
            #expect(group.ranOut)
            try tree.write("anon 1000\nfile 99999\nshmem 24\n", to: "\(folder)/memory.stat")
            #expect(group.memory == ChildMemory(used: .bytes(1_024), peak: .bytes(1_024)))
            try tree.write("5000\n", to: "\(folder)/memory.peak")
            #expect(group.memory == ChildMemory(used: .bytes(1_024), peak: .bytes(5_000)))
        }
    }

    @Test func theLimitsOfTheFirstVersionAreSet() throws {
        let name = "torpor-1/child-1"
        let files = [
            "/m/\(name)/memory.limit_in_bytes": "", "/m/\(name)/memory.memsw.limit_in_bytes": "",
            "/p/\(name)/pids.max": "",
        ]
        try Self.withGroup(.one, files) { tree, group in
            try group.set(Self.limits)
            #expect(tree.text("/m/\(name)/memory.limit_in_bytes") == "67108864")
            #expect(tree.text("/m/\(name)/memory.memsw.limit_in_bytes") == "67108864")
            #expect(tree.text("/p/\(name)/pids.max") == "77")
            try tree.write("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", to: "/m/\(name)/memory.oom_control")
            #expect(group.ranOut)
            try tree.write("total_rss 1000\ntotal_shmem 24\n", to: "/m/\(name)/memory.stat")
            try tree.write("5000\n", to: "/m/\(name)/memory.max_usage_in_bytes")
            #expect(group.memory == ChildMemory(used: .bytes(1_024), peak: .bytes(5_000)))
        }
    }

    @Test func aLimitThatTheKernelRefusesIsAnErrorAndLeavesNoGroup() throws {
        let tree = try Tree(["/m/x": "", "/p/x": ""])
        let place = ChildGroups.Place(version: .one, memory: "/m", processes: "/p", needsLeaf: false)
        let groups = try ChildGroups.open(place, root: tree.root).get()
        #expect(groups.tops == ["/m/torpor-\(getpid())", "/p/torpor-\(getpid())"])
        let error = #expect(throws: ChildError.self) { try groups.make(child: 1, limits: Self.limits) }
        #expect(error?.code == .limitRefused)
        #expect(error?.description.contains("memory.limit_in_bytes") == true)
        for top in groups.tops { #expect(tree.root.names(in: top) == []) }
        groups.close()
        #expect(tree.root.names(in: "/m") == ["x"])
    }

    @Test func onlyGroupsThatNobodyHasLockedAreSwept() throws {
        let tree = try Tree([
            "/m/torpor-1/child-7/x": "", "/m/torpor-2/y": "", "/m/torpor-33/child-1/x": "", "/m/other/child-1/x": "",
        ])
        // As the kernel's files are not in the way of removing a group, these may not be, either.
        for file in ["/torpor-1/child-7/x", "/torpor-33/child-1/x", "/torpor-2/y"] { unlink("\(tree.folder)/m\(file)") }
        let lock = tree.root.openFile("/m/torpor-33", O_RDONLY)
        try #require(flock(lock, LOCK_EX | LOCK_NB) == 0)
        ChildGroups.sweep("/m", tree.root)
        #expect(tree.root.names(in: "/m")?.sorted() == ["other", "torpor-33"])
        #expect(tree.root.names(in: "/m/torpor-33") == ["child-1"])
        // A process that is being started beside this one may hold the descriptor for a moment longer.
        flock(lock, LOCK_UN)
        close(lock)
        ChildGroups.sweep("/m", tree.root)
        #expect(tree.root.names(in: "/m") == ["other"])
    }

    @Test func oneThatIsClosedAgainLeavesTheGroupsOfTheNext() throws {
        let tree = try Tree(["/m/x": ""])
        let place = ChildGroups.Place(version: .one, memory: "/m", processes: nil, needsLeaf: false)
        let first = try ChildGroups.open(place, root: tree.root).get()
        first.close()
        let second = try ChildGroups.open(place, root: tree.root).get()
        #expect(second.tops == first.tops)
        first.close()
        #expect(tree.root.names(in: second.tops[0]) == [])
        second.close()
        #expect(tree.root.names(in: "/m") == ["x"])
    }

    @Test func twoTorporsOfOneProcessHaveGroupsOfTheirOwn() throws {
        let tree = try Tree(["/m/x": ""])
        let place = ChildGroups.Place(version: .one, memory: "/m", processes: nil, needsLeaf: false)
        let first = try ChildGroups.open(place, root: tree.root).get()
        let second = try ChildGroups.open(place, root: tree.root).get()
        #expect(first.tops == ["/m/torpor-\(getpid())"])
        #expect(second.tops == ["/m/torpor-\(getpid())-1"])
        first.close()
        second.close()
        #expect(tree.root.names(in: "/m") == ["x"])
    }
}
