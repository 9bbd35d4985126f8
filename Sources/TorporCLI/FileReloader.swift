import Glibc
import Logging
import ServiceLifecycle

/// Looks at files once a second and acts when one was replaced or written to. A faulty new version changes nothing.
struct FileReloader: Service {
    struct Watch: Sendable {
        /// The files as they were before they were first read, so that no change between is missed.
        fileprivate(set) var version: FileVersion
        /// Reads the files again. When it throws, what was read before stays in force.
        let reload: @Sendable () throws -> Void

        init(_ version: FileVersion, reload: @escaping @Sendable () throws -> Void) {
            self.version = version
            self.reload = reload
        }
    }

    private let watches: [Watch]
    private let logger: Logger

    init(_ watches: [Watch], logger: Logger) {
        self.watches = watches
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var watches = self.watches
            while !Task.isCancelled {
                // Cancellation ends the loop above.
                try? await Task.sleep(for: .seconds(1))
                Self.look(at: &watches, logger: self.logger)
            }
        }
    }

    /// Reads again whatever has changed since the last look.
    static func look(at watches: inout [Watch], logger: Logger) {
        for index in watches.indices {
            // Before reading: a change that comes while it is read is another one.
            let version = FileVersion(watches[index].version.paths)
            guard version != watches[index].version else { continue }
            watches[index].version = version
            Self.reload(watches[index], logger)
        }
    }

    private static func reload(_ watch: Watch, _ logger: Logger) {
        let paths = watch.version.paths.joined(separator: ", ")
        do {
            try watch.reload()
            logger.info("file read again", metadata: ["path": "\(paths)"])
        } catch {
            logger.error("file changed but cannot be used; the old one stays in force", metadata: ["error": "\(error)"])
        }
    }
}

/// What tells one version of some files from another. Take it before reading them.
struct FileVersion: Equatable {
    let paths: [String]
    private let states: [FileState]

    init(_ paths: [String]) {
        self.paths = paths
        self.states = paths.map { FileState(path: $0) }
    }
}

/// What tells one version of a file from another; of a missing one, all zero.
private struct FileState: Equatable {
    private var inode: UInt64 = 0
    private var size: Int64 = 0
    private var seconds: Int = 0
    private var nanoseconds: Int = 0

    init(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        self.inode = UInt64(status.st_ino)
        self.size = Int64(status.st_size)
        self.seconds = status.st_mtim.tv_sec
        self.nanoseconds = status.st_mtim.tv_nsec
    }
}
