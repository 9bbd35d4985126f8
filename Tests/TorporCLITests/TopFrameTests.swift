import Testing
import Torpor

@testable import TorporCLI

/// What `torpor top` makes of two answers.
@Suite struct TopFrameTests {
    /// - Parameters:
    ///   - operations: Durations up to 10 ms, up to 20 ms, and beyond.
    ///   - extra: Members beside the usual ones, or in their place.
    private static func overview(
        uptime: Double, requests: Int = 0, failed: Int = 0, evictions: Int = 0, operations: [Int] = [0, 0, 0],
        extra: [(String, JSONValue)] = []
    ) -> Overview {
        var cumulated: [JSONValue] = []
        var sum = 0
        for count in operations {
            sum += count
            cumulated.append(.number(JSONNumber(sum)))
        }
        var page: JSONObject = [
            "version": "1.2.3", "uptime_seconds": .number(JSONNumber(uptime) ?? JSONNumber(0)),
            "readiness_faults": [],
            "totals": [
                "operations": .number(JSONNumber(requests)), "failed_operations": .number(JSONNumber(failed)),
                "evictions": ["idle": 0, "room": .number(JSONNumber(evictions))], "shed_requests": [:],
            ],
            "latency": [
                "operations": [
                    "bounds_seconds": [0.01, 0.02], "counts": .array(cumulated), "sum_seconds": 1,
                ]
            ],
            "process": ["resident_bytes": 44_040_192, "open_file_descriptors": 36, "file_descriptors_limit": 20_000],
            "server": [
                "connections": ["value": 4, "limit": 10_000], "running_calls": ["value": 3, "limit": 1_024],
                "streams": 2, "held_sessions": 1, "buffered_bytes": ["value": 0, "limit": 67_108_864],
                "stream_bytes": ["value": 0, "limit": 67_108_864],
            ],
            "state": [
                "resident": ["bytes": 3_145_728, "limit_bytes": 4_194_304],
                "objects": ["at_rest": 12_345, "in_use": 1, "dirty": 0, "loading": 2, "closed": 0, "deleting": 0],
                "stored": ["objects": 99, "bytes": 1_024, "limit_bytes": 10_240, "disk": .null],
                "waiting_calls": 5,
            ],
            "allocator": .null, "governor": .null,
        ]
        for (name, value) in extra { page[name] = value }
        return Overview(page: .object(page))
    }

    private static let governor: JSONValue = [
        "rung": "evictColdest", "rung_index": 2, "limit_bytes": 134_217_728, "used_bytes": 100_663_296,
        "reason": "memory 0.75 above 0.70", "since_seconds": 75,
        "sources": ["state": 0.31, "memory": 0.75, "stall": 0],
    ]

    private static func lines(
        _ now: Overview, _ before: Overview? = nil, largest: JSONValue? = nil, fault: String? = nil,
        columns: Int = 80, rows: Int? = 24
    ) -> [String] {
        TopFrame(now: now, before: before, largest: largest)
            .lines(url: "http://127.0.0.1:9464", fault: fault, columns: columns, rows: rows)
            .map { $0.plain(columns: columns) }
    }

    private static func line(_ title: String, in lines: [String]) -> String? {
        lines.first { $0.hasPrefix(title) }.map { String($0.dropFirst(11)) }
    }

    @Test func ratesAreThoseBetweenTwoAnswersByTheServersClock() throws {
        let before = Self.overview(uptime: 100, requests: 50, failed: 5, evictions: 10)
        let now = Self.overview(uptime: 104, requests: 250, failed: 7, evictions: 11)
        let lines = Self.lines(now, before)
        #expect(try #require(Self.line("requests", in: lines)).hasPrefix("50.0/s   failed 0.5/s "))
        #expect(Self.line("evictions", in: lines) == "0.3/s   (room 11)")
        #expect(Self.line("shed", in: lines)?.hasPrefix("0/s") == true)
    }

    @Test func withoutAnEarlierAnswerOrAfterARestartThereAreNoRates() throws {
        let now = Self.overview(uptime: 3, requests: 250)
        for before in [nil, Self.overview(uptime: 5_000, requests: 9_000)] {
            #expect(try #require(Self.line("requests", in: Self.lines(now, before))).hasPrefix("-/s   failed -/s"))
        }
    }

    @Test func latenciesAreThoseOfTheTimeBetween() throws {
        let before = Self.overview(uptime: 1, operations: [1_000, 0, 0])
        let later = Self.overview(uptime: 3, operations: [1_000, 10, 0])
        #expect(try #require(Self.line("requests", in: Self.lines(later, before))).contains("p50 15 ms   p99 20 ms"))
        #expect(try #require(Self.line("requests", in: Self.lines(later))).contains("p50 <= 10 ms   p99 <= 10 ms"))
        let slow = Self.overview(uptime: 3, operations: [1_000, 0, 8])
        #expect(try #require(Self.line("requests", in: Self.lines(slow, before))).contains("p50 > 20 ms   p99 > 20 ms"))
        #expect(try #require(Self.line("requests", in: Self.lines(before, before))).contains("p50 <= 10 ms"))
    }

    @Test func memoryIsShownAgainstItsLimits() {
        let lines = Self.lines(Self.overview(uptime: 1, extra: [("governor", Self.governor)]))
        #expect(
            Self.line("process", in: lines)
                == " 96.0 MiB of   128 MiB  ##########################.........   75 %")
        #expect(Self.line("state", in: lines)?.hasPrefix("  3.0 MiB of   4.0 MiB  ###") == true)
        #expect(Self.line("disk", in: lines) == nil, "the server does not tell")
        #expect(Self.line("process", in: Self.lines(Self.overview(uptime: 1))) == " 42.0 MiB", "without a limit")
    }

    @Test func theGovernorSaysWhatItDoesAndWhy() {
        let lines = Self.lines(Self.overview(uptime: 1, extra: [("governor", Self.governor)]))
        #expect(Self.line("governor", in: lines) == "evictColdest for 1 min: memory 0.75 above 0.70")
        #expect(Self.line("pressure", in: lines) == "state 31 %   memory 75 %   stall 0 %")
        #expect(Self.line("governor", in: Self.lines(Self.overview(uptime: 1)))?.hasPrefix("none") == true)
    }

    @Test func allButTheTablesFitsInto80By24() {
        let allocator: JSONValue = ["name": "jemalloc", "allocated_bytes": 1_000_000, "resident_bytes": 2_000_000]
        var state = Self.overview(uptime: 1).page["state"] ?? .null
        if case .object(var object) = state {
            object["anonymous"] = ["bytes": 1, "limit_bytes": 2]
            object["dirty"] = ["bytes": 1, "limit_bytes": 2]
            object["stored"] = [
                "objects": 1, "bytes": 1, "limit_bytes": 2, "disk": ["free_bytes": 1, "size_bytes": 2],
            ]
            state = .object(object)
        }
        let full = Self.overview(
            uptime: 1,
            extra: [
                ("governor", Self.governor), ("allocator", allocator), ("state", state), ("hosted", Self.hosted()),
            ])
        let all = Self.lines(full, rows: nil)
        let shown = Self.lines(full, largest: Self.largest)
        #expect(shown.count <= 24 && shown == Array(all.prefix(shown.count)), "there is no room for tables")
        #expect(all.allSatisfy { $0.count <= 80 } && shown.last?.hasPrefix("children") == true)
    }

    private static let largest: JSONValue = [
        "largest": [
            [
                "id": "51b07e5b9544", "kind": "handle", "name": "basket", "bytes": 165_888, "values": 13,
                "idle_milliseconds": 4_500,
            ]
        ]
    ]

    @Test func theLargestObjectsTakeTheRowsThatAreLeft() {
        let lines = Self.lines(Self.overview(uptime: 1), largest: Self.largest, rows: 40)
        #expect(lines.suffix(2).first?.hasPrefix("LARGEST") == true)
        #expect(lines.last == "51b07e5b9544  handle basket  162 KiB      13     4 s")
        #expect(Self.lines(Self.overview(uptime: 1), largest: Self.largest, rows: 6).count == 6)
    }

    /// - Parameter failure: Why `git` cannot be started.
    private static func hosted(failure: JSONValue = .null) -> JSONValue {
        [
            [
                "name": "time", "failure": .null, "children_limit": 32, "waking": 1, "busy": 2, "idle": 3, "spare": 4,
                "stopping": 0, "waiting_calls": 5, "starts": 1_234, "start_failures": 0, "endings": 0,
                "children": [
                    ["number": 1, "for": "session", "pid": 77, "calls": 2, "memory_bytes": 10_485_760],
                    ["number": 2, "for": .null, "pid": 78, "calls": 0, "memory_bytes": 10_485_760],
                    // A connection to a remote server.
                    ["number": 3, "for": "session", "pid": .null, "calls": 0, "memory_bytes": .null],
                ],
            ],
            [
                "name": "git", "failure": failure, "children_limit": 4, "waking": 0, "busy": 0, "idle": 0, "spare": 0,
                "stopping": 0, "waiting_calls": 0, "starts": 3, "start_failures": 3, "endings": 0, "children": [],
            ],
        ]
    }

    @Test func hostedServersAreSummedUpInALineAndListedBelow() {
        let now = Self.overview(uptime: 1, extra: [("hosted", Self.hosted())])
        let lines = Self.lines(now, largest: Self.largest, rows: nil)
        #expect(Self.line("children", in: lines) == "busy 2   idle 3   waking 1   wait for one 5   memory 20.0 MiB")
        let place = lines.firstIndex { $0.hasPrefix("HOSTED") } ?? 0
        #expect(
            Array(lines[place...].prefix(4)) == [
                "HOSTED  CHILDREN  BUSY  IDLE  WAKING    MEMORY  WAITING  STARTS  FAILED",
                "time    10 of 32     2     3       1  20.0 MiB        5   1 234       0",
                "git       0 of 4     0     0       0       0 B        0       3       3", "",
            ])
        #expect(lines.last?.hasPrefix("51b07e5b9544") == true, "the largest objects are below")
    }

    @Test func whatIsHostedAndFailsIsToldWithItsReason() {
        let ill = Self.overview(
            uptime: 1, extra: [("hosted", Self.hosted(failure: "python3 ended.\u{1B}[2J\nIt said: no key"))])
        let lines = Self.lines(ill, rows: nil)
        #expect(Self.line("children", in: lines)?.hasPrefix("failing: git   busy 2   ") == true)
        #expect(lines.last == "  python3 ended.[2JIt said: no key")
    }

    @Test func withoutHostedServersNothingIsSaidOfChildren() {
        for extra in [[], [("hosted", [])]] as [[(String, JSONValue)]] {
            let lines = Self.lines(Self.overview(uptime: 1, extra: extra), rows: nil)
            #expect(!lines.contains { $0.hasPrefix("children") || $0.hasPrefix("HOSTED") })
        }
    }

    @Test func hostedServersTakeTheRowsThatAreLeftBeforeObjectsDo() {
        let now = Self.overview(uptime: 1, extra: [("hosted", Self.hosted(failure: "it is gone"))])
        let without = Self.lines(now, rows: nil).firstIndex { $0.hasPrefix("HOSTED") } ?? 0
        for (rows, shown) in [(without + 1, 0), (without + 2, 2), (without + 4, 4), (without + 6, 4)] {
            let lines = Self.lines(now, largest: Self.largest, rows: rows)
            #expect(lines.count <= rows)
            #expect(lines.dropFirst(without).count == shown, "\(rows) rows")
        }
        let all = Self.lines(now, largest: Self.largest, rows: without + 7)
        #expect(all.suffix(2).first?.hasPrefix("LARGEST") == true)
    }

    @Test func faultsAreShownAndCannotSteerTheTerminal() {
        let ill = Self.overview(uptime: 1, extra: [("readiness_faults", ["the disk\u{1B}[2J is \u{7}full\u{9B}1m"])])
        #expect(Self.lines(ill)[0].contains("not ready: the disk[2J is full1m"))
        #expect(
            Self.lines(Self.overview(uptime: 61), fault: "gone", columns: 200)[0].contains("no answer: gone  up 1 min"))
    }

    @Test func aLineIsCutByWhatIsSeenOfIt() {
        var line = TopLine("torpor", .strong)
        line.add(" is ")
        line.add("ready", .good)
        #expect(line.plain(columns: 8) == "torpor i" && line.plain(columns: 7) == "torpor")
        #expect(line.ansi(columns: 8) == "\u{1B}[1mtorpor\u{1B}[0m i")
        #expect(line.ansi(columns: 80) == "\u{1B}[1mtorpor\u{1B}[0m is \u{1B}[32mready\u{1B}[0m")
    }

    @Test(arguments: [
        (0.0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (104_857_600, "100 MiB"), (1e18, "909495 TiB"),
    ])
    func bytesHaveUnits(value: Double, text: String) { #expect(TopText.bytes(value) == text) }

    @Test func answersThatLackEverythingAreShownAllTheSame() {
        let lines = Self.lines(Overview(page: [:]))
        #expect(lines[0].hasPrefix("torpor") && lines.contains { $0.hasPrefix("calls") })
    }
}
