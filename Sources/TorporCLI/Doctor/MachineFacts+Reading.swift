import CMalloc
import Glibc
import NIOCore
import NIOHTTP1
import Synchronization
import Torpor
import TorporAllocator
import TorporCore
import TorporHTTP
import TorporSQLite
import TorporSystem

extension MachineFacts {
    /// Looks at this machine. Changes nothing, and makes no file.
    ///
    /// - Parameter databaseMax: A larger database is not read, in bytes.
    init(reading configuration: ServeConfiguration, root: SystemRoot = .machine, databaseMax: Int) {
        self.init(configuration: configuration)
        self.unusableFiles = Self.unusableFiles(configuration)
        self.memory = MachineMemory.current(root)
        self.memoryLimit = MemoryLimit.derive(explicit: configuration.http.memoryLimit, root: root)
        self.controlGroupLimit = ControlGroup.current(root)?.memoryLimit
        self.readLimits()
        if case .sqlite(let path) = configuration.store {
            self.library = Library(
                version: SQLiteLibrary.version, isAffectedByLogResetBug: SQLiteLibrary.isAffectedByLogResetBug)
            self.database = Self.database(path, bytesMax: databaseMax)
        }
        self.keys = Self.keys(configuration.keyFile)
        self.allocator = Allocator.name
        self.allocatorGivesBack = Allocator.givesBackByItself
        self.clock = Self.clock()
        self.backlogMax = Self.number("/proc/sys/net/core/somaxconn", root)
        self.overcommit = Self.number("/proc/sys/vm/overcommit_memory", root)
        self.hugePages = root.text("/sys/kernel/mm/transparent_hugepage/enabled").flatMap { Self.choice(in: $0) }
        self.hosted = configuration.hosting.map {
            Hosted(reading: $0, variables: ProcessEnvironment.all, root: root)
        }
    }

    /// The files that a start would read, but for the keys.
    private static func unusableFiles(_ configuration: ServeConfiguration) -> [String] {
        var faults: [String] = []
        for path in [configuration.tokenFilePath, configuration.adminTokenFilePath].compactMap(\.self) {
            do { _ = try TokenFile(path: path) } catch { faults.append("\(error)") }
        }
        if let files = configuration.tlsFiles {
            do {
                _ = try TLSCertificate(certificateFile: files.certificate, keyFile: files.key)
            } catch {
                faults.append("\(error)")
            }
        }
        return faults.map { $0.hasSuffix(".") ? $0 : $0 + "." }
    }

    private mutating func readLimits() {
        var files = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
            // Beyond what a number holds there is none.
            self.fileDescriptorsMax = Int(exactly: files.rlim_cur)
            self.fileDescriptorsHardMax = Int(exactly: files.rlim_max)
        }
        var core = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core) == 0 { self.dumpsCore = core.rlim_cur > 0 }
    }

    private static func database(_ path: String, bytesMax: Int) -> Database {
        var information = stat()
        let exists = stat(path, &information) == 0
        var bytes = 0
        for suffix in ["", "-wal"] {
            var part = stat()
            if stat(path + suffix, &part) == 0 { bytes += Int(part.st_size) }
        }
        return Database(
            path: path, condition: StoreInspection.condition(of: path, bytesMax: bytesMax),
            changed: exists ? information.st_mtim.tv_sec : nil, bytes: bytes, disk: StoreInspection.disk(of: path),
            networkFileSystem: StoreInspection.networkFileSystem(of: path))
    }

    private static func keys(_ file: KeyFile?) -> Keys {
        guard let file else { return .perProcess }
        if access(file.path, F_OK) != 0, errno == ENOENT { return .missing(path: file.path) }
        do {
            _ = try file.load()
            return .sound(path: file.path)
        } catch {
            // The error begins with the name of the file.
            var reason = "\(error)"
            for name in ["key file ", file.path, " "] where reason.hasPrefix(name) {
                reason.removeFirst(name.count)
            }
            return .unusable(path: file.path, reason: reason)
        }
    }

    private static func clock() -> Clock {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var details = timex()  // Without modes it is only read.
        let isKnown = adjtimex(&details) >= 0
        return Clock(now: time.tv_sec, isSynchronised: isKnown ? details.status & STA_UNSYNC == 0 : nil)
    }

    private static func number(_ path: String, _ root: SystemRoot) -> Int? {
        root.lines(path)?.first.flatMap { Int($0) }
    }

    /// The word in brackets of a line such as `always [madvise] never`.
    static func choice(in line: String) -> String? {
        guard let start = line.firstIndex(of: "["), let end = line[start...].firstIndex(of: "]") else { return nil }
        return String(line[line.index(after: start)..<end])
    }

    // MARK: A running server

    /// Asks the admin port of a server that may be running.
    ///
    /// - Parameter wasNamed: Whether the caller named it, and so expects one.
    mutating func ask(_ client: AdminClient, url: String, wasNamed: Bool) async {
        do {
            let memory = try await client.object(.GET, "/debug/memory")
            self.server = .answers(memory: memory, unreadiness: try await Self.unreadiness(client))
        } catch  where error.code == .noServer {
            self.server = .absent(url: url, reason: error.description, wasNamed: wasNamed)
        } catch {
            self.server = .refuses(error.description)
        }
    }

    private static func unreadiness(_ client: AdminClient) async throws(AdminClientError) -> String? {
        do {
            try await client.send(.GET, "/readyz") { _ throws(AdminClientError) in }
            return nil
        } catch  where error.code == .refused {
            return error.description
        }
    }
}
