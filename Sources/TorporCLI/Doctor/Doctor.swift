import Torpor
import TorporCore
import TorporHTTP
import TorporSQLite
import TorporStore
import TorporSystem

/// Tells from facts what will go wrong. Reads nothing.
enum Doctor {
    /// What the process takes at rest, without state and requests.
    private static let baseMemory = ByteCount.mebibytes(25)
    /// What commits are made in: up to two batches, and in each an object that does not fit any more.
    private static let batchMemory = ByteCount.mebibytes(16)
    /// Descriptors beside those of connections: files of the store, listeners, event loops, the admin port's connections.
    private static let otherDescriptors = 128
    /// What the listener asks the kernel for.
    private static let backlog = 1_024
    /// 2026-01-01: no clock that is right shows less.
    private static let earliestTime = 1_767_225_600

    /// - Returns: At least one for each topic of which something is known, in no order of severity.
    static func findings(_ facts: MachineFacts) -> [Finding] {
        self.files(facts) + self.memory(facts) + self.descriptors(facts) + self.store(facts) + self.disk(facts)
            + self.keys(facts) + self.clock(facts) + self.kernel(facts) + self.allocator(facts)
            + self.hosted(facts) + self.server(facts)
    }

    // MARK: Limits

    private static func files(_ facts: MachineFacts) -> [Finding] {
        facts.unusableFiles.map { .fault("files", $0, "Put it right, or name another file; torpor does not start so.") }
    }

    /// What the settings allow at the same time, at worst.
    static func worstMemory(_ configuration: ServeConfiguration) -> ByteCount {
        let state = configuration.state
        return ByteCount(
            self.baseMemory.bytes + self.batchMemory.bytes + 2 * state.objectMax.bytes + state.residentMax.bytes
                + configuration.http.buffersMax.bytes + configuration.streams.totalMax.bytes)
    }

    private static func memory(_ facts: MachineFacts) -> [Finding] {
        guard let limit = facts.memoryLimit else {
            return [.note("memory", "This machine does not tell how much memory there is.", "Give --memory-limit.")]
        }
        var findings: [Finding] = []
        if let group = facts.controlGroupLimit, limit.bytes > group {
            findings.append(
                .fault(
                    "memory",
                    "The memory limit of \(self.text(limit.bytes)) is more than the control group's \(self.text(group)): "
                        + "the kernel kills the server before the limit is felt.",
                    "Leave --memory-limit out, or give less than \(self.text(group))."))
        }
        let worst = self.worstMemory(facts.configuration)
        let sum =
            "state, buffers, streams and commits may take \(self.text(worst)) at the same time"
        let room = "\(self.text(limit.bytes)) (\(limit.source))"
        let advice =
            "Lower --resident-memory (\(self.text(facts.configuration.state.residentMax))), --max-buffers "
            + "(\(self.text(facts.configuration.http.buffersMax))) or --max-stream-bytes "
            + "(\(self.text(facts.configuration.streams.totalMax))), or allow more memory."
        if worst > limit.whole {
            findings.append(.fault("memory", "By the settings \(sum), more than all there is: \(room).", advice))
        } else if worst > limit.bytes {
            findings.append(
                .warning("memory", "By the settings \(sum), more than the server steers by: \(room).", advice))
        } else {
            findings.append(.ok("memory", "By the settings \(sum), within \(room)."))
        }
        if let available = facts.memory?.available, case .machine = limit.origin, worst > available {
            findings.append(
                .warning(
                    "memory",
                    "Other programs leave \(self.text(available)) of this machine's memory, less than the settings allow.",
                    "Stop some, or give --memory-limit and a lower --resident-memory."))
        }
        return findings
    }

    private static func descriptors(_ facts: MachineFacts) -> [Finding] {
        let connections = facts.configuration.http.connectionsMax
        let needed = connections + self.otherDescriptors
        guard let max = facts.fileDescriptorsMax else {
            return [.ok("descriptors", "The number of open files is not limited.")]
        }
        guard max < needed else { return [.ok("descriptors", "\(max) may be open, \(needed) are needed at most.")] }
        let advice: String
        if let hard = facts.fileDescriptorsHardMax, hard < needed {
            advice =
                "Raise the limit beyond \(hard) (LimitNOFILE= of systemd, --ulimit nofile= of a container), or lower "
                + "--max-connections."
        } else {
            advice =
                "Run: ulimit -n \(needed), or lower --max-connections to \(Swift.max(1, max - self.otherDescriptors))."
        }
        return [
            .warning(
                "descriptors",
                "\(connections) connections need \(needed) descriptors, and \(max) may be open: connections beyond that fail, "
                    + "and files of the store may, too.", advice)
        ]
    }

    // MARK: Store

    private static func store(_ facts: MachineFacts) -> [Finding] {
        guard let database = facts.database else {
            return [
                .note(
                    "store", "State is kept in memory alone and ends with the process.",
                    "Give --store sqlite:PATH to keep it.")
            ]
        }
        var findings: [Finding] = []
        if let library = facts.library {
            findings.append(
                library.isAffectedByLogResetBug
                    ? .note(
                        "sqlite",
                        "SQLite \(library.version) can damage its log when a checkpoint meets a commit; torpor lets them "
                            + "never meet.",
                        "Let no other program write to the database, or install SQLite 3.51.3 or newer.")
                    : .ok("sqlite", "SQLite \(library.version)."))
        }
        if let kind = database.networkFileSystem {
            findings.append(
                .fault(
                    "store", "\(database.path) lies on a network file system (\(kind)), where SQLite loses data.",
                    "Use a local disk."))
        }
        findings.append(self.condition(of: database))
        if let changed = database.changed, let now = facts.clock?.now, changed > now + 3_600 {
            findings.append(
                .warning(
                    "clock", "\(database.path) was changed in the future: the clock was ahead, or is behind now.",
                    "Set the clock; until then what is due to be deleted stays."))
        }
        return findings
    }

    private static func condition(of database: MachineFacts.Database) -> Finding {
        switch database.condition {
        case .missing: return .ok("store", "There is no \(database.path) yet; it will be made.")
        case .sound: return .ok("store", "\(database.path) was read whole and is sound.")
        case .inUse(let process):
            let holder = process.map { "process \($0)" } ?? "a process"
            return .note(
                "store", "\(database.path) is in use by \(holder), so it was not read.",
                "A second server needs another file; to have it checked, stop that one first.")
        case .unread(let bytes):
            return .note(
                "store", "\(database.path) has \(self.text(ByteCount(bytes))) and was not read.",
                "To have it checked, give --full.")
        case .damaged(let sentences):
            return .fault(
                "store", "\(database.path) is damaged: \(sentences.prefix(3).joined(separator: "; ")).",
                "Put a copy from before in its place, with its -wal file if that was copied too.")
        case .unreadable(let reason):
            return .fault(
                "store", "\(database.path) cannot be read: \(reason).", "Make it readable, or name another file.")
        }
    }

    private static func disk(_ facts: MachineFacts) -> [Finding] {
        guard let database = facts.database, let disk = database.disk else { return [] }
        let reserve = disk.sizeBytes / 10
        let storage = facts.configuration.state.storageMax
        let free = self.text(ByteCount(max(0, disk.freeBytes)))
        guard disk.freeBytes > reserve else {
            return [
                .fault(
                    "disk",
                    "\(free) of the disk are free, and its last tenth (\(self.text(ByteCount(reserve)))) is never used: new "
                        + "state is refused.", "Free some room, or use another disk.")
            ]
        }
        let room = disk.freeBytes - reserve + database.bytes
        guard room < storage.bytes else { return [.ok("disk", "\(free) are free, enough for --storage \(storage).")] }
        return [
            .warning(
                "disk",
                "The disk has room for \(self.text(ByteCount(room))) of state before its last tenth, less than --storage "
                    + "\(storage).",
                "Lower --storage, so that clients meet a limit and not a full disk, or use a larger disk.")
        ]
    }

    // MARK: Keys and time

    private static func keys(_ facts: MachineFacts) -> [Finding] {
        switch facts.keys {
        case .sound(let path): return [.ok("keys", "\(path) can be read by its owner alone.")]
        case .unusable(let path, let reason):
            return [.fault("keys", "The key file \(path) \(reason).", "Without it torpor does not start.")]
        case .perProcess:
            return [
                .note(
                    "keys", "Session ids are sealed with a key of this process: no session outlives it.",
                    "Give --key-file to keep the key.")
            ]
        case .missing(let path):
            switch facts.database?.condition {
            case .missing?, nil: return [.ok("keys", "There is no key file \(path) yet; it will be made.")]
            default:
                return [
                    .warning(
                        "keys",
                        "There is a database, and no key file \(path): with a new key no session in it can be continued.",
                        "Put the key file back beside the database.")
                ]
            }
        }
    }

    private static func clock(_ facts: MachineFacts) -> [Finding] {
        guard let clock = facts.clock else { return [] }
        guard clock.now >= self.earliestTime else {
            return [
                .fault(
                    "clock",
                    "The clock shows \(TextTable.time(milliseconds: Int64(clock.now) * 1_000)), which is past.",
                    "Set it: sessions and state would be kept, and end, at the wrong time.")
            ]
        }
        guard clock.isSynchronised != false else {
            return [
                .note(
                    "clock", "The kernel does not know its clock to be synchronised.",
                    "If nothing outside this machine keeps it right, run an NTP client: lifetimes are counted by it.")
            ]
        }
        return [.ok("clock", "The clock shows \(TextTable.time(milliseconds: Int64(clock.now) * 1_000)).")]
    }

    // MARK: The kernel's settings

    private static func kernel(_ facts: MachineFacts) -> [Finding] {
        var findings: [Finding] = []
        if let max = facts.backlogMax {
            findings.append(
                max < self.backlog
                    ? .note(
                        "backlog", "Only \(max) connections may wait to be accepted; more at one moment are refused.",
                        "Run: sysctl net.core.somaxconn=\(self.backlog)")
                    : .ok("backlog", "\(self.backlog) connections may wait to be accepted."))
        }
        if let setting = facts.hugePages {
            findings.append(
                setting == "always"
                    ? .warning(
                        "hugepages", "The kernel backs all memory with pages of 2 MiB, which go back only as a whole.",
                        "Run: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
                    : .ok("hugepages", "Transparent huge pages: \(setting)."))
        }
        if facts.overcommit == 2 {
            findings.append(
                .warning(
                    "overcommit",
                    "The kernel counts address space as memory (vm.overcommit_memory=2), and torpor reserves several times "
                        + "what it uses.", "Set vm.overcommit_memory to 0 or 1, or expect the start to fail."))
        }
        if let swap = facts.memory?.swap, swap.bytes > 0 {
            findings.append(
                .note(
                    "swap",
                    "There are \(self.text(swap)) of swap: state may lie on disk unencrypted, and a call may wait for it.",
                    "Turn it off for this server (MemorySwapMax=0 of systemd), which keeps less in memory by itself."))
        }
        if facts.dumpsCore == true {
            findings.append(
                .note(
                    "core", "A crash writes all memory to a file, with clients' state and the keys in it.",
                    "Run: ulimit -c 0, unless that file is looked after."))
        }
        return findings
    }

    private static func allocator(_ facts: MachineFacts) -> [Finding] {
        guard let name = facts.allocator else { return [] }
        return [
            facts.allocatorGivesBack
                ? .ok("allocator", "\(name), which gives memory back by itself.")
                : .note(
                    "allocator", "\(name) gives memory back only when it is told to, and takes no heap profiles.",
                    "Build torpor with jemalloc (libjemalloc-dev).")
        ]
    }

    // MARK: Text

    static func text(_ size: ByteCount) -> String { size.roundedText }
}
