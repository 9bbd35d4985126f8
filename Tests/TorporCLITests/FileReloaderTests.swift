import Glibc
import Logging
import Synchronization
import Testing
import Torpor
import TorporHTTP

@testable import TorporCLI

@Suite struct FileReloaderTests {
    @Test func aFileIsReadAgainOnceForEachChange() throws {
        let file = try WatchedFile()
        var watches = [file.watch()]
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 0)
        try file.replace("second")
        FileReloader.look(at: &watches, logger: Self.logger)
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 1)
        try file.replace("third")
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 2)
    }

    @Test func aChangeBetweenTheFirstReadingAndTheFirstLookIsSeen() throws {
        let file = try WatchedFile()
        let watch = file.watch()
        try file.replace("changed while the program starts")
        var watches = [watch]
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 1)
    }

    @Test func aFaultyVersionIsTriedOnceAndTheNextOneAgain() throws {
        let file = try WatchedFile()
        var watches = [file.watch(fails: true)]
        try file.replace("faulty")
        FileReloader.look(at: &watches, logger: Self.logger)
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 1)
        try file.replace("repaired")
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 2)
    }

    @Test func eitherOfTwoFilesIsAChangeAndBothTogetherAreOne() throws {
        let first = try WatchedFile()
        let second = try WatchedFile()
        var watches = [first.watch(with: second)]
        try second.replace("changed")
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(first.reloads == 1)
        try first.replace("changed")
        try second.replace("changed again")
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(first.reloads == 2)
    }

    @Test func aFileThatGoesAndComesBackIsReadAgain() throws {
        let file = try WatchedFile()
        var watches = [file.watch()]
        file.remove()
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 1)
        try file.replace("back")
        FileReloader.look(at: &watches, logger: Self.logger)
        #expect(file.reloads == 2)
    }

    @Test func makingTheKeyFileIsNoChange() throws {
        let path = "/tmp/torpor-key-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        let configuration = try ServeConfiguration(
            ConfigurationSources(flags: ["key-file": path], environment: [:], file: nil))
        let files = try ServeFiles(configuration)
        let http = HTTPServer(MCPServer(name: "t", version: "1") {})
        let watch = try #require(files.watches(replacingKeysOf: http).first)
        #expect(watch.version == FileVersion([path]))
    }

    private static let logger = Logger(label: "torpor.tests") { _ in SwiftLogNoOpLogHandler() }
}

/// A file of its own that counts how often it is read again.
private final class WatchedFile: Sendable {
    struct Fault: Error {}

    private let path = "/tmp/torpor-watched-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    private let count = Atomic<Int>(0)

    init() throws { try self.replace("first") }

    deinit { unlink(self.path) }

    var reloads: Int { self.count.load(ordering: .relaxed) }

    func replace(_ text: String) throws { try PrivateFile.write(text, to: self.path, mayReplace: true) }

    func remove() { unlink(self.path) }

    func watch(with other: WatchedFile? = nil, fails: Bool = false) -> FileReloader.Watch {
        FileReloader.Watch(FileVersion([self.path] + (other.map { [$0.path] } ?? []))) {
            self.count.add(1, ordering: .relaxed)
            if fails { throw Fault() }
        }
    }
}
