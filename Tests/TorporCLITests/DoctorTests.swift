import Testing
import TorporCore
import TorporHTTP
import TorporSQLite
import TorporStore
import TorporSystem

@testable import Torpor
@testable import TorporCLI

/// What `torpor doctor` says of facts: each finding is provoked, and none is there without its cause.
@Suite struct DoctorTests {
    /// A machine on which nothing is wrong.
    private static func sound(_ flags: [String: String] = [:]) throws -> MachineFacts {
        var facts = MachineFacts(
            configuration: try ServeConfiguration(
                ConfigurationSources(
                    flags: ["store": "sqlite:/var/torpor.db", "resident-memory": "64MiB"]
                        .merging(flags) { _, last in last },
                    environment: [:], file: nil)))
        facts.memory = MachineMemory(total: .gibibytes(16), available: .gibibytes(12))
        facts.memoryLimit = MemoryLimit(bytes: .gibibytes(12), whole: .gibibytes(16), origin: .machine)
        facts.fileDescriptorsMax = 65_536
        facts.fileDescriptorsHardMax = 65_536
        facts.library = .init(version: "3.51.3", isAffectedByLogResetBug: false)
        facts.database = .init(
            path: "/var/torpor.db", condition: .sound, changed: 1_795_000_000, bytes: 4_096,
            disk: DiskSpace(freeBytes: 500 << 30, sizeBytes: 1_000 << 30))
        facts.keys = .sound(path: "/var/torpor.db.keys")
        facts.allocator = "jemalloc 5.3.0"
        facts.allocatorGivesBack = true
        facts.clock = .init(now: 1_795_000_000, isSynchronised: true)
        facts.backlogMax = 4_096
        facts.hugePages = "madvise"
        facts.overcommit = 0
        facts.dumpsCore = false
        facts.server = .absent(url: "http://127.0.0.1:9464", reason: "nobody", wasNamed: false)
        return facts
    }

    /// The findings that are worse than ok after `change`, as `severity topic`.
    private static func complaints(
        _ flags: [String: String] = [:], _ change: (inout MachineFacts) -> Void
    ) throws -> [String] {
        var facts = try self.sound(flags)
        change(&facts)
        let findings = Doctor.findings(facts).filter { $0.severity > .ok }
        for finding in findings {
            #expect(finding.what.hasSuffix(".") && !finding.advice.isEmpty, "\(finding)")
        }
        return findings.map { "\($0.severity) \($0.topic)" }
    }

    @Test func ofASoundMachineNothingIsSaid() throws {
        #expect(try Self.complaints { _ in } == [])
        #expect(DoctorReport(Doctor.findings(try Self.sound())).exitCode == 0)
    }

    // MARK: Limits

    @Test func settingsBeyondTheLimitAreAWarningAndBeyondTheWholeAFault() throws {
        // 25 base, 16 and twice 8 for commits, 64 resident, 64 buffers, 64 streams.
        let worst = Doctor.worstMemory(try Self.sound().configuration)
        #expect(worst == .mebibytes(25 + 16 + 16 + 64 + 64 + 64))
        for (bytes, whole, expected) in [
            (worst, worst, []),
            (ByteCount(worst.bytes - 1), worst, ["warning memory"]),
            (ByteCount(worst.bytes - 2), ByteCount(worst.bytes - 1), ["fault memory"]),
        ] {
            let limit = MemoryLimit(bytes: bytes, whole: whole, origin: .explicit)
            #expect(try Self.complaints { $0.memoryLimit = limit } == expected)
        }
    }

    @Test func aLimitAboveTheControlGroupsIsAFault() throws {
        let complaints = try Self.complaints {
            $0.memoryLimit = MemoryLimit(bytes: .gibibytes(2), whole: .gibibytes(2), origin: .explicit)
            $0.controlGroupLimit = .gibibytes(1)
        }
        #expect(complaints == ["fault memory"])
    }

    @Test func otherProgramsThatTakeTheMemoryAreAWarning() throws {
        #expect(try Self.complaints { $0.memory?.available = .mebibytes(100) } == ["warning memory"])
    }

    @Test func aMachineThatDoesNotTellItsMemoryIsANote() throws {
        #expect(try Self.complaints { $0.memoryLimit = nil } == ["note memory"])
    }

    @Test func tooFewDescriptorsAreAWarningThatSaysHowToRaiseThem() throws {
        #expect(try Self.complaints { $0.fileDescriptorsMax = 1_024 } == ["warning descriptors"])
        #expect(try Self.complaints(["max-connections": "500"]) { $0.fileDescriptorsMax = 1_024 } == [])
        #expect(try Self.complaints { $0.fileDescriptorsMax = nil } == [])
        var facts = try Self.sound()
        facts.fileDescriptorsMax = 1_024
        #expect(Doctor.findings(facts).contains { $0.advice.contains("ulimit -n 10128") })
        facts.fileDescriptorsHardMax = 4_096
        #expect(Doctor.findings(facts).contains { $0.advice.contains("beyond 4096") })
    }

    // MARK: Store

    @Test func aSQLiteThatCanDamageItsLogIsANote() throws {
        #expect(try Self.complaints { $0.library?.isAffectedByLogResetBug = true } == ["note sqlite"])
    }

    @Test(arguments: [
        (StoreInspection.Condition.missing, []), (.sound, []), (.inUse(process: 7), ["note store"]),
        (.inUse(process: nil), ["note store"]), (.unread(bytes: 5 << 30), ["note store"]),
        (.damaged(["row 3 missing from index"]), ["fault store"]), (.unreadable("permission denied"), ["fault store"]),
    ])
    func theConditionOfTheDatabaseIsTold(condition: StoreInspection.Condition, expected: [String]) throws {
        #expect(try Self.complaints { $0.database?.condition = condition } == expected)
    }

    @Test func aNetworkFileSystemIsAFault() throws {
        #expect(try Self.complaints { $0.database?.networkFileSystem = "NFS" } == ["fault store"])
    }

    @Test func stateInMemoryIsANote() throws {
        #expect(try Self.complaints { $0.database = nil } == ["note store"])
    }

    @Test func aDiskInItsLastTenthIsAFaultAndOneThatIsTooSmallAWarning() throws {
        let gibibyte = 1 << 30
        for (free, expected) in [(10, ["fault disk"]), (11, ["warning disk"]), (20, [])] {
            let disk = DiskSpace(freeBytes: free * gibibyte, sizeBytes: 100 * gibibyte)
            #expect(try Self.complaints { $0.database?.disk = disk } == expected)
        }
        // What the files take already counts as room.
        let disk = DiskSpace(freeBytes: 11 * gibibyte, sizeBytes: 100 * gibibyte)
        #expect(
            try Self.complaints {
                $0.database?.disk = disk
                $0.database?.bytes = 9 * gibibyte
            } == [])
    }

    @Test func filesThatCannotBeUsedAreFaults() throws {
        #expect(try Self.complaints { $0.unusableFiles = ["token file /x cannot be opened."] } == ["fault files"])
    }

    // MARK: Keys and time

    @Test func keysThatOthersCanReadOrThatAreGoneAreTold() throws {
        #expect(
            try Self.complaints { $0.keys = .unusable(path: "/k", reason: "is open to other users") } == ["fault keys"])
        #expect(try Self.complaints { $0.keys = .perProcess } == ["note keys"])
        #expect(try Self.complaints { $0.keys = .missing(path: "/k") } == ["warning keys"])
        #expect(
            try Self.complaints {
                $0.keys = .missing(path: "/k")
                $0.database?.condition = .missing
            } == [])
    }

    @Test func aClockThatIsPastOrAloneIsTold() throws {
        #expect(
            try Self.complaints {
                $0.clock = .init(now: 86_400, isSynchronised: true)
                $0.database?.changed = nil
            } == ["fault clock"])
        #expect(try Self.complaints { $0.clock?.isSynchronised = false } == ["note clock"])
        #expect(try Self.complaints { $0.clock?.isSynchronised = nil } == [])
        #expect(try Self.complaints { $0.database?.changed = 1_795_003_600 } == [])
        #expect(try Self.complaints { $0.database?.changed = 1_795_003_601 } == ["warning clock"])
    }

    // MARK: The kernel's settings

    @Test func settingsOfTheKernelAreTold() throws {
        #expect(try Self.complaints { $0.backlogMax = 128 } == ["note backlog"])
        #expect(try Self.complaints { $0.hugePages = "always" } == ["warning hugepages"])
        #expect(try Self.complaints { $0.overcommit = 2 } == ["warning overcommit"])
        #expect(try Self.complaints { $0.overcommit = 1 } == [])
        #expect(try Self.complaints { $0.memory?.swap = .gibibytes(1) } == ["note swap"])
        #expect(try Self.complaints { $0.dumpsCore = true } == ["note core"])
        #expect(try Self.complaints { $0.allocatorGivesBack = false } == ["note allocator"])
    }

    @Test func theWordInBracketsIsTheSetting() {
        #expect(MachineFacts.choice(in: "always [madvise] never\n") == "madvise")
        #expect(MachineFacts.choice(in: "always madvise never") == nil)
        #expect(MachineFacts.choice(in: "]always[") == nil)
    }

    // MARK: Hosted servers

    private static func hosted(
        memory: ByteCount = .mebibytes(512), children: Int = 2, isSandboxed: Bool = false
    ) -> MachineFacts.Hosted {
        MachineFacts.Hosted(commands: [
            .init(name: "git", memory: memory, childrenMax: children, isSandboxed: isSandboxed)
        ])
    }

    @Test func hostedServersThatCanBeStartedAndFitAreFine() throws {
        #expect(try Self.complaints { $0.hosted = Self.hosted(isSandboxed: true) } == [])
        // Remote servers have no children.
        #expect(try Self.complaints { $0.hosted = .init(hasBubblewrap: false, controlGroupRefusal: "none") } == [])
        var facts = try Self.sound()
        facts.hosted = Self.hosted()
        #expect(Doctor.findings(facts).contains { $0.topic == "children" && $0.what.contains("may take 1 GiB") })
    }

    @Test func whatIsHostedAndCannotBeStartedIsAFault() throws {
        #expect(
            try Self.complaints { $0.hosted = .init(fault: "servers.json: it has to be JSON.") } == ["fault hosted"])
        var hosted = Self.hosted()
        hosted.commands[0].fault = "there is no program /x"
        #expect(try Self.complaints { $0.hosted = hosted } == ["fault hosted"])
        hosted.hasBubblewrap = false
        #expect(try Self.complaints { $0.hosted = hosted } == ["fault hosted"], "nothing wants a sandbox")
        hosted.commands[0].isSandboxed = true
        #expect(try Self.complaints { $0.hosted = hosted } == ["fault hosted", "fault hosted"])
    }

    @Test func whatCapsDoNotReachIsANote() throws {
        var hosted = Self.hosted()
        hosted.commands[0].caveat = "no cap reaches it"
        hosted.controlGroupRefusal = "this machine shows no control groups"
        #expect(try Self.complaints { $0.hosted = hosted } == ["note hosted", "note children"])
    }

    @Test func childrenThatDoNotFitAtTheirCapsAreAWarning() throws {
        let worst = Doctor.worstMemory(try Self.sound().configuration)
        let room = ByteCount.mebibytes(1_024)
        let limit = MemoryLimit(
            bytes: worst, whole: ByteCount(worst.bytes + room.bytes), origin: .explicit)
        for (memory, children, expected) in [
            (ByteCount.mebibytes(512), 2, []), (.mebibytes(512), 3, ["warning children"]),
            (ByteCount(room.bytes + 1), 1, ["warning children"]), (room, 1, []),
        ] {
            #expect(
                try Self.complaints {
                    $0.memoryLimit = limit
                    $0.hosted = Self.hosted(memory: memory, children: children)
                } == expected)
        }
        var facts = try Self.sound()
        facts.memoryLimit = limit
        facts.hosted = Self.hosted(memory: .mebibytes(300), children: 32)
        #expect(Doctor.findings(facts).contains { $0.advice.contains("children to 3,") })
        facts.hosted?.commands.append(.init(name: "time", memory: .mebibytes(16), childrenMax: 1))
        #expect(Doctor.findings(facts).contains { $0.what.contains("9.3 GiB") && !$0.advice.contains("children to") })
        #expect(try Self.complaints { $0.hosted = Self.hosted(children: 10_000) } == ["warning children"])
    }

    // MARK: A running server

    private static func answers(_ memory: JSONObject, unreadiness: String? = nil) -> MachineFacts.RunningServer {
        .answers(memory: memory, unreadiness: unreadiness)
    }

    @Test func aServerThatIsNamedAndDoesNotAnswerIsAWarning() throws {
        #expect(
            try Self.complaints { $0.server = .absent(url: "u", reason: "r", wasNamed: true) } == ["warning server"])
        #expect(try Self.complaints { $0.server = .refuses("the server asks for a token") } == ["warning server"])
        #expect(try Self.complaints { $0.server = .notAsked } == [])
    }

    @Test func aServerThatIsNotReadyIsAFault() throws {
        #expect(try Self.complaints { $0.server = Self.answers([:], unreadiness: "draining") } == ["fault server"])
        #expect(try Self.complaints { $0.server = Self.answers([:]) } == [])
    }

    @Test func memoryAndDescriptorsOfAServerNearTheirLimitsAreWarnings() throws {
        let limit = MemoryLimit(bytes: .gibibytes(1), whole: .gibibytes(1), origin: .explicit)
        for (resident, expected) in [(900 << 20, []), (930 << 20, ["warning server"])] {
            #expect(
                try Self.complaints {
                    $0.memoryLimit = limit
                    $0.server = Self.answers(["process": ["resident_bytes": .init(resident)]])
                } == expected)
        }
        for (open, expected) in [(899, []), (900, ["warning server"])] {
            #expect(
                try Self.complaints {
                    $0.server = Self.answers([
                        "process": ["open_file_descriptors": .init(open), "file_descriptors_limit": 1_000]
                    ])
                } == expected)
        }
    }

    @Test func tablesAtTheirBoundsAreWarningsAndNearThemNotes() throws {
        for (value, expected) in [(89, []), (90, ["note bounds"]), (100, ["warning bounds"])] {
            #expect(
                try Self.complaints {
                    $0.server = Self.answers(["server": ["connections": ["value": .init(value), "limit": 100]]])
                } == expected)
            #expect(
                try Self.complaints {
                    $0.server = Self.answers(["state": ["dirty": ["bytes": .init(value), "limit_bytes": 100]]])
                } == expected)
            #expect(
                try Self.complaints {
                    $0.server = Self.answers(["state": ["ended_sessions": ["count": .init(value), "limit": 100]]])
                } == expected)
        }
    }

    @Test func residentStateAtItsBoundIsAsItShouldBe() throws {
        #expect(
            try Self.complaints {
                $0.server = Self.answers(["state": ["resident": ["bytes": 100, "limit_bytes": 100]]])
            } == [])
    }

    @Test func whatTheGovernorDoesIsTold() throws {
        for (rung, index, expected) in [
            ("calm", 0, []), ("trim", 3, ["note pressure"]), ("refuseNewState", 4, ["warning pressure"]),
        ] {
            #expect(
                try Self.complaints {
                    $0.server = Self.answers([
                        "governor": ["rung": .string(rung), "rung_index": .init(index), "reason": "memory"]
                    ])
                } == expected)
        }
    }

    // MARK: The report

    @Test func theWorstFindingComesFirstAndSetsTheStatus() {
        let ok = Finding.ok("a", "Fine.")
        let note = Finding.note("b", "So it is.", "Know it.")
        let warning = Finding.warning("c", "It will fail.", "Change it.")
        let fault = Finding.fault("d", "It fails.", "Stop it.")
        #expect(DoctorReport([]).exitCode == 0)
        #expect(DoctorReport([ok, note]).exitCode == 0)
        #expect(DoctorReport([ok, warning, note]).exitCode == 1)
        let report = DoctorReport([ok, note, note, fault, warning])
        #expect(report.exitCode == 2)
        #expect(
            report.text == """
                fault    d: It fails.
                         → Stop it.
                warning  c: It will fail.
                         → Change it.
                note     b: So it is.
                         → Know it.
                note     b: So it is.
                         → Know it.
                ok       a: Fine.

                1 fault, 1 warning, 2 notes, 1 ok.
                """)
        #expect(report.object["worst"] == "fault")
        guard case .array(let findings)? = report.object["findings"] else {
            Issue.record("findings are an array")
            return
        }
        #expect(findings.count == 5)
        #expect(
            findings.first == ["severity": "fault", "topic": "d", "what": "It fails.", "advice": "Stop it."])
    }
}
