import Torpor
import TorporCore
import TorporSQLite
import TorporStore
import TorporSystem

/// What ``Doctor`` looks at: a configuration, and what was found on the machine and of a running server. What could not be
/// found out is `nil`, and nothing is said of it.
struct MachineFacts: Sendable {
    /// The SQLite library.
    struct Library: Sendable, Equatable {
        var version: String
        var isAffectedByLogResetBug: Bool
    }

    /// The database of a `sqlite:` store.
    struct Database: Sendable, Equatable {
        var path: String
        var condition: StoreInspection.Condition
        /// When it was changed, in seconds since 1970.
        var changed: Int?
        /// What its files take, in bytes.
        var bytes = 0
        var disk: DiskSpace?
        var networkFileSystem: String?
    }

    enum Keys: Sendable, Equatable {
        /// No file: each process makes a key of its own.
        case perProcess
        case missing(path: String)
        case sound(path: String)
        case unusable(path: String, reason: String)
    }

    struct Clock: Sendable, Equatable {
        /// Seconds since 1970.
        var now: Int
        /// Whether the kernel's clock is kept right from outside, by NTP as a rule.
        var isSynchronised: Bool?
    }

    /// What is hosted, by the settings.
    struct Hosted: Sendable, Equatable {
        /// A hosted server that is started here.
        struct Command: Sendable, Equatable {
            var name: String
            /// Why its program cannot be run; `nil` when it can, as far as one can see.
            var fault: String?
            /// What a child and all that it starts may take.
            var memory: ByteCount
            var childrenMax: Int
            var isSandboxed = false
            /// What its caps do not reach; `nil` when they hold.
            var caveat: String?
        }

        var commands: [Command] = []
        /// Why the settings cannot be used: a sentence.
        var fault: String?
        /// Whether there is what makes sandboxes.
        var hasBubblewrap = true
        /// Why control groups do not hold the caps of children; `nil` when they do.
        var controlGroupRefusal: String?
    }

    enum RunningServer: Sendable, Equatable {
        /// The configuration has no admin port.
        case notAsked
        case absent(url: String, reason: String, wasNamed: Bool)
        /// It answers, with its `/debug/memory`, and why it is not ready, if it is not.
        case answers(memory: JSONObject, unreadiness: String?)
        /// It answers, and does not let us look.
        case refuses(String)
    }

    var configuration: ServeConfiguration
    /// Files that the configuration names and that cannot be used: sentences.
    var unusableFiles: [String] = []
    var memory: MachineMemory?
    var memoryLimit: MemoryLimit?
    /// A lower limit of the control group than an explicit one, in bytes.
    var controlGroupLimit: ByteCount?
    var fileDescriptorsMax: Int?
    /// Up to where it can be raised without privileges.
    var fileDescriptorsHardMax: Int?
    var library: Library?
    var database: Database?
    var keys = Keys.perProcess
    var allocator: String?
    var allocatorGivesBack = false
    var clock: Clock?
    /// `/proc/sys/net/core/somaxconn`.
    var backlogMax: Int?
    /// `always`, `madvise` or `never`.
    var hugePages: String?
    /// `/proc/sys/vm/overcommit_memory`.
    var overcommit: Int?
    /// Whether a crash writes the process's memory to a file.
    var dumpsCore: Bool?
    /// `nil` when nothing is hosted.
    var hosted: Hosted?
    var server = RunningServer.notAsked

    init(configuration: ServeConfiguration) { self.configuration = configuration }
}
