import CWarden
import Glibc
import Testing
import TorporCore
import TorporSystem

@testable import TorporChildren

/// Runs `body` with a warden of its own, and closes it afterwards.
func withWarden<Result>(
    cap: MemoryCap.Kind = .watch, _ body: (Warden) async throws -> Result
) async throws -> Result {
    let warden = try Warden.start(cap: cap)
    do {
        let result = try await body(warden)
        await warden.close()
        return result
    } catch {
        await warden.close()
        throw error
    }
}

/// What a test's children get, unless it says otherwise.
let plainEnvironment = ["PATH": "/usr/local/bin:/usr/bin:/bin"]

func shell(
    _ script: String, environment: [String: String] = plainEnvironment, directory: String = "/",
    limits: ChildLimits = ChildLimits(memory: .mebibytes(256)), sandbox: ChildSandbox? = nil
) -> ChildCommand {
    ChildCommand(
        arguments: ["/bin/sh", "-c", script], environment: environment, directory: directory, limits: limits,
        sandbox: sandbox)
}

/// Python itself, not one of the scripts that look for it.
let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first { access($0, X_OK) == 0 }

extension Child {
    /// A line from its output, without the line's end; what there is when the output ends before.
    func line() -> String { Descriptor(self.streams.output).line() }

    /// All that it and its family write, until the last of them has closed the output.
    func output() -> String { Descriptor(self.streams.output).rest() }

    func errors() -> String { Descriptor(self.streams.errors).rest() }

    func write(_ text: String) {
        var text = text
        let count = text.utf8.count
        #expect(text.withUTF8 { Glibc.write(self.streams.input, $0.baseAddress, count) } == count)
    }

    func closeInput() { close(self.streams.input) }

    func closeOutputs() {
        close(self.streams.output)
        close(self.streams.errors)
    }

    func closeStreams() {
        self.closeInput()
        self.closeOutputs()
    }
}

/// A descriptor that is read by waiting for it.
struct Descriptor {
    let number: Int32
    init(_ number: Int32) { self.number = number }

    func line() -> String {
        var bytes: [UInt8] = []
        while let byte = self.byte(), byte != UInt8(ascii: "\n") { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    func rest() -> String {
        var bytes: [UInt8] = []
        while let byte = self.byte() { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The next byte; `nil` at the end, and when none comes within half a minute.
    private func byte() -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = read(self.number, &byte, 1)
            if count == 1 { return byte }
            guard count < 0, errno == EAGAIN || errno == EINTR else { return nil }
            var polled = pollfd(fd: self.number, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 30_000) != 0 else {
                Issue.record("nothing came from descriptor \(self.number) within 30 s")
                return nil
            }
        }
    }
}

/// A pipe with a name, which tells when the last process that holds it has ended.
final class Fifo {
    let path: String
    private let folder: String
    private var reader: Descriptor?

    init() throws {
        var template = Array("/tmp/torpor-children-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        self.folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.path = "\(self.folder)/fifo"
        try #require(mkfifo(self.path, 0o600) == 0)
        // Does not wait for a writer.
        let descriptor = open(self.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(descriptor >= 0)
        self.reader = Descriptor(descriptor)
    }

    deinit {
        if let reader = self.reader { close(reader.number) }
        unlink(self.path)
        rmdir(self.folder)
    }

    /// A line that somebody writes to it.
    func line() throws -> String {
        let reader = try #require(self.reader)
        // Without a writer a read would say that the end is reached.
        var polled = pollfd(fd: reader.number, events: Int16(POLLIN), revents: 0)
        try #require(poll(&polled, 1, 30_000) == 1, "nobody wrote to the pipe")
        return reader.line()
    }

    /// Waits until nobody holds it any more. Somebody must hold it at the time.
    func untilReleased() throws -> String { try #require(self.reader).rest() }
}

/// Whether a process is there and is no zombie.
func isRunning(_ pid: Int32) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return false }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 1_024)
    guard fgets(&line, Int32(line.count), file) != nil else { return false }
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return !text.contains(") Z ") && !text.contains(") X ")
}

/// The processes that `pid` started and that are there, zombies included.
func children(of pid: Int32) -> [Int32] {
    guard let file = fopen("/proc/\(pid)/task/\(pid)/children", "r") else { return [] }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 1 << 16)
    guard fgets(&line, Int32(line.count), file) != nil else { return [] }
    return String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        .split(separator: " ").compactMap { Int32($0) }
}

/// The descriptors that are open and what each is, but for those by which threads wait and count time: Dispatch makes them
/// when they are first needed, and keeps them.
func openDescriptors() -> Set<String> {
    let own = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"]
    let numbers = SystemRoot.machine.names(in: "/proc/self/fd") ?? []
    return Set(
        numbers.compactMap { number in
            // Nothing, of the one by which they are listed.
            guard let target = SystemRoot.machine.target(of: "/proc/self/fd/\(number)"), !own.contains(target) else {
                return nil
            }
            return "\(number) \(target)"
        })
}

/// The descriptors that are open beside `others`, and stay so: the watch opens files at any time, and closes them at once.
func openDescriptors(beside others: Set<String>) -> Set<String> {
    var left = openDescriptors().subtracting(others)
    for _ in 0..<1_000 where !left.isEmpty {
        poll(nil, 0, 10)
        left.formIntersection(openDescriptors())
    }
    return left
}
