import ArgumentParser
import Dispatch
import Glibc
import NIOHTTP1
import Torpor
import UnixSignals

/// `torpor top`: how a running server stands, live.
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch a running server: memory, governor, requests, wakes and evictions.",
        discussion: """
            q or Ctrl-C ends. Ends with 0; 1 when the server refuses; 3 when no server answers; 64 when the command line \
            is wrong.
            """)

    @OptionGroup var admin: AdminOptions
    @Flag(help: "Print one frame without escape codes, and end. Rates are those of one second.")
    var once = false
    @Option(help: ArgumentHelp("Seconds between two frames, 1 to 3600.", valueName: "seconds"))
    var interval = 2

    func validate() throws {
        guard (1...3_600).contains(self.interval) else { throw ValidationError("--interval is 1 to 3600") }
    }

    func run() async throws {
        try await self.admin.run { client in
            if self.once { return try await self.printOnce(client) }
            guard Terminal.isThere else {
                throw AdminClientError(.usage, "standard output is no terminal; --once prints one frame")
            }
            try await TopScreen(
                source: TopSource(client: client), url: self.admin.adminURL, interval: .seconds(self.interval)
            ).run()
        }
    }

    private func printOnce(_ client: AdminClient) async throws {
        let source = TopSource(client: client)
        let before = try await source.overview()
        try await Task.sleep(for: .seconds(1))
        let frame = TopFrame(now: try await source.overview(), before: before, largest: try await source.largest())
        for line in frame.lines(url: self.admin.adminURL, fault: nil, columns: 100, rows: nil) {
            print(line.plain(columns: 100))
        }
    }
}

/// Asks a server for what is shown, and does not wait for ever.
struct TopSource: Sendable {
    private static let patience = Duration.seconds(5)

    let client: AdminClient

    func overview() async throws -> Overview { Overview(page: .object(try await self.object("/debug/overview"))) }

    /// - Returns: `nil` for a server that keeps no state.
    func largest() async throws -> JSONValue? {
        do {
            return .object(try await self.object("/debug/state"))
        } catch let error as AdminClientError where error.code == .unknown {
            return nil
        }
    }

    private func object(_ path: String) async throws -> JSONObject {
        try await withThrowingTaskGroup(of: JSONObject.self) { tasks in
            tasks.addTask { try await self.client.object(.GET, path) }
            tasks.addTask {
                try await Task.sleep(for: Self.patience)
                throw AdminClientError(.noServer, "the server has not answered for 5 s")
            }
            defer { tasks.cancelAll() }
            guard let object = try await tasks.next() else { preconditionFailure("one of two tasks ends first") }
            return object
        }
    }
}

/// The live view: asks, draws, and listens to the keyboard until it is told to end.
struct TopScreen: Sendable {
    private enum Event: Sendable {
        case answer(Overview)
        case largest(JSONValue?)
        case failure(AdminClientError)
        case key(UInt8)
        case resize
        case end
    }

    /// Frames between two questions for the largest objects, which cost the server more than the rest.
    private static let largestEvery = 8

    let source: TopSource
    let url: String
    let interval: Duration

    /// On return the terminal is as it was.
    /// - Throws: ``AdminClientError`` when there is no first answer, or the server wants a token.
    func run() async throws {
        let (events, sink) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingOldest(1_024))
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup, .sigwinch)
        // Before the screen is taken: an error stays readable.
        let first = try await self.source.overview()
        let terminal = Terminal()
        defer { terminal.leave() }
        let keyboard = terminal.hasKeyboard ? Self.keyboard(sink) : nil
        defer { keyboard?.cancel() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { for await signal in signals { sink.yield(signal == .sigwinch ? .resize : .end) } }
            tasks.addTask { await self.ask(sink) }
            try await self.show(first, events, terminal)
        }
    }

    private static func keyboard(_ sink: AsyncStream<Event>.Continuation) -> any DispatchSourceRead {
        let keyboard = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO)
        keyboard.setEventHandler {
            var keys = [UInt8](repeating: 0, count: 64)
            let count = read(STDIN_FILENO, &keys, keys.count)
            if count < 0, errno == EINTR || errno == EAGAIN { return }
            // A keyboard that is gone stays readable for ever.
            guard count > 0 else {
                sink.yield(.end)
                return keyboard.cancel()
            }
            for key in keys.prefix(count) { sink.yield(.key(key)) }
        }
        keyboard.resume()
        return keyboard
    }

    /// Asks again and again until it is cancelled.
    private func ask(_ sink: AsyncStream<Event>.Continuation) async {
        var round = 0
        while !Task.isCancelled {
            do {
                if round % Self.largestEvery == 0 { sink.yield(.largest(try await self.source.largest())) }
                round += 1
                // Cancellation ends the loop above.
                try? await Task.sleep(for: self.interval)
                sink.yield(.answer(try await self.source.overview()))
            } catch let error as AdminClientError {
                sink.yield(.failure(error))
                try? await Task.sleep(for: self.interval)
            } catch {
                return
            }
        }
    }

    private func show(_ first: Overview, _ events: AsyncStream<Event>, _ terminal: Terminal) async throws {
        var frame = TopFrame(now: first, before: nil, largest: nil)
        var fault: String?
        self.draw(frame, fault, terminal)
        for await event in events {
            switch event {
            case .answer(let overview):
                frame = TopFrame(now: overview, before: frame.now, largest: frame.largest)
                fault = nil
            case .largest(let largest): frame = TopFrame(now: frame.now, before: frame.before, largest: largest)
            case .failure(let error):
                guard error.code == .noServer else { throw error }
                fault = error.description
            case .key(UInt8(ascii: "q")), .key(UInt8(ascii: "Q")), .key(0x03), .end: return
            case .key: continue
            case .resize: break
            }
            self.draw(frame, fault, terminal)
        }
    }

    private func draw(_ frame: TopFrame, _ fault: String?, _ terminal: Terminal) {
        let (columns, rows) = Terminal.size
        terminal.draw(frame.lines(url: self.url, fault: fault, columns: columns, rows: rows))
    }
}
