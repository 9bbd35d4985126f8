import Glibc
import Logging
import ServiceLifecycle

/// Looks at files once a second and acts when one was replaced or written to. A faulty new version changes nothing.
struct FileReloader: Service {
    struct Watch: Sendable {
        let path: String
        /// Reads the file again. When it throws, what was read before stays in force.
        let reload: @Sendable () throws -> Void
    }

    private let watches: [Watch]
    private let logger: Logger

    init(_ watches: [Watch], logger: Logger) {
        self.watches = watches
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var seen = self.watches.map { FileState(path: $0.path) }
            while !Task.isCancelled {
                // Cancellation ends the loop above.
                try? await Task.sleep(for: .seconds(1))
                for (index, watch) in self.watches.enumerated() {
                    let state = FileState(path: watch.path)
                    guard state != seen[index] else { continue }
                    seen[index] = state
                    self.reload(watch)
                }
            }
        }
    }

    private func reload(_ watch: Watch) {
        do {
            try watch.reload()
            self.logger.info("file read again", metadata: ["path": "\(watch.path)"])
        } catch {
            self.logger.error(
                "file changed but cannot be used; the old one stays in force", metadata: ["error": "\(error)"])
        }
    }
}

/// What tells one version of a file from another.
struct FileState: Equatable {
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
