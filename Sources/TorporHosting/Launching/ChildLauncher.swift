import Glibc
package import Logging
package import NIOCore
import Synchronization
import Torpor
package import TorporChildren
import TorporCore
import TorporJSON
import TorporProtocol
import TorporUpstream

/// Starts a hosted server as a process of its own for each key, in the key's folder.
package final class ChildLauncher: Launcher {
    private let name: String
    let command: HostedServerSettings.Command
    private let startTimeout: Duration
    /// How long folders are kept that nobody uses.
    private let retention: Duration
    /// The longest message of the server.
    private let messageMax = UpstreamLimits().messageMax
    private let warden: Warden
    private let area: FolderArea
    private let eventLoops: any EventLoopGroup
    private let own: [String: String]
    private let caches: String?
    /// What a sandboxed child does not see: Torpor's own files.
    private let hidden: [String]
    private let logger: Logger
    /// The era of the server, once one has said it.
    private let era = Mutex<ProtocolRevision.Era?>(nil)

    /// - Parameters:
    ///   - own: Torpor's environment, of which children get what every program needs.
    ///   - caches: A folder for what launchers such as `npx` and `uvx` fetch, which all children share.
    package init(
        _ name: String, _ command: HostedServerSettings.Command, startTimeout: Duration, retention: Duration,
        warden: Warden, area: FolderArea, eventLoops: any EventLoopGroup,
        environment own: [String: String], caches: String?, hidden: [String], logger: Logger
    ) {
        self.name = name
        self.command = command
        self.startTimeout = startTimeout
        self.retention = command.folder?.retention ?? retention
        self.warden = warden
        self.area = area
        self.eventLoops = eventLoops
        self.own = own
        self.caches = caches
        self.hidden = hidden
        self.logger = logger
    }

    /// Less than all of the start may take, so that what was wrong is told.
    private var introductionTimeout: Duration { max(self.startTimeout / 2, self.startTimeout - .seconds(5)) }

    package var startsProcesses: Bool { true }

    package var description: String { "the command \(self.command.program)" }

    /// Folders may be as large as this server is set, also those of children that one before it has started.
    package func begin() {
        let folder = self.command.folder ?? HostedServerSettings.Folder()
        self.area.store.limit(bytesMax: folder.bytesMax, entriesMax: folder.filesMax)
    }

    package func launch(_ order: LaunchOrder) async throws -> any Launched {
        let folder = try await self.open(order.caller)
        do {
            do {
                return try await self.start(order, in: folder)
            } catch let error as UpstreamError where error.code == .endedAtProbe {
                // It did not survive the question which era it speaks, so it is of the one that does not know it.
                self.era.withLock { $0 = .legacy }
                return try await self.start(order, in: folder)
            }
        } catch {
            // Also when the start was given up.
            await Task { _ = await self.leave(folder, discard: true) }.value
            throw error
        }
    }

    /// The folder of a key, as it was left; an empty one that is not kept for anybody else.
    private func open(_ caller: HostCaller?) async throws -> FolderArea.OpenFolder {
        let folderKey =
            caller.flatMap { self.folderKey(of: $0) }
            ?? FolderKey(
                id: StateObjectID(bits: .random(in: .min ... .max)), account: caller?.folderAccount ?? .anonymous(0),
                retention: self.retention)
        do throws(FolderError) {
            return try await self.open(folderKey)
        } catch {
            guard error.code != .cancelled else { throw CancellationError() }
            throw LaunchError("Its folder cannot be restored. \(error.reason)", isOfKey: true)
        }
    }

    /// The folder that is kept for a caller's key; `nil` when none is.
    private func folderKey(of caller: HostCaller) -> FolderKey? {
        guard self.command.folder != nil, caller.key.keepsFolder else { return nil }
        return FolderKey(
            id: StateObjectID(of: caller.key, at: self.name), account: caller.folderAccount, retention: self.retention)
    }

    package func remove(_ caller: HostCaller) async {
        guard let key = self.folderKey(of: caller) else { return }
        do throws(FolderError) {
            try await self.area.delete(key)
        } catch {
            // Then it goes when its retention is over.
            self.logger.warning(
                "the folder of a session that has ended could not be removed",
                metadata: ["server": "\(self.name)", "reason": "\(error.reason)"])
        }
    }

    /// Opens a folder; one that a child leaves just now, of a server that was set anew, is waited for.
    private func open(_ key: FolderKey) async throws(FolderError) -> FolderArea.OpenFolder {
        let deadline = SystemTime.monotonicNanoseconds() + Int64(self.startTimeout.wholeMilliseconds) * 500_000
        while true {
            do throws(FolderError) {
                return try await self.area.open(key).folder
            } catch {
                guard error.code == .busy, SystemTime.monotonicNanoseconds() < deadline else { throw error }
            }
            do {
                try await Task.sleep(for: .milliseconds(100))
            } catch {
                throw FolderError(.cancelled, "The start was given up.")
            }
        }
    }

    private func start(_ order: LaunchOrder, in folder: FolderArea.OpenFolder) async throws -> any Launched {
        let child: Child
        do throws(ChildError) {
            child = try await self.warden.start(self.childCommand(in: folder.path))
        } catch {
            throw LaunchError(error.description)
        }
        let errors = ErrorLines(self.name, child.pid, logger: self.logger)
        errors.read(child.streams.errors, on: self.eventLoops.next())
        let loop = self.eventLoops.next()
        let transport = PipeTransport(
            input: child.streams.output, output: child.streams.input, on: loop,
            messageMax: self.messageMax)
        var limits = UpstreamLimits()
        limits.messageMax = self.messageMax
        do {
            let session = try await UpstreamSession.open(
                over: transport,
                as: .torpor(capabilities: order.caller?.capabilities ?? .carried),
                known: self.era.withLock { $0 }, timeLimit: self.introductionTimeout, limits: limits,
                timer: EventLoopTimer(loop), events: order.events)
            self.era.withLock { $0 = session.server?.revision.era }
            return LaunchedChild(
                child, session, errors, folder,
                keeps: self.command.folder != nil && order.caller?.key.keepsFolder == true,
                launcher: self)
        } catch {
            let ending = await child.end(grace: .zero)
            await transport.closed()
            if let error = error as? UpstreamError, error.code == .endedAtProbe, self.era.withLock({ $0 }) == nil {
                throw error
            }
            if error is CancellationError { throw error }
            throw LaunchError(self.explain(error, ending, errors))
        }
    }

    /// Why a child that was started did not come up, with the last that it said.
    private func explain(_ error: any Error, _ ending: ChildEnding, _ errors: ErrorLines) -> String {
        var text: String
        switch ending {
        case .overMemory: text = "\(self.command.program) \(ending) before it answered; raise its memory."
        case .exited: text = "\(self.command.program) \(ending) before it answered."
        default:
            text =
                "\(self.command.program) did not answer as an MCP server: \((error as? UpstreamError)?.message ?? "\(error)")"
        }
        let last = errors.last
        if !last.isEmpty { text += " It said: \(last)" }
        return text
    }

    private func childCommand(in folder: String) -> ChildCommand {
        let arguments = [self.command.program] + self.command.arguments
        let profile = RuntimeProfile.of(arguments)
        var limits = profile.limits(memory: self.command.memory)
        if let processes = self.command.processesMax { limits.processes = processes }
        if let openFiles = self.command.openFilesMax { limits.openFiles = openFiles }
        // Where the user's own are seen and may be written, launchers use those.
        let caches = self.command.isHome || self.command.isSandboxed ? self.caches : nil
        if let caches { mkdir(caches, 0o700) }
        var named = self.command.environment
        named["TORPOR_STATE_DIR"] = folder
        let environment = profile.environment(
            inheriting: self.own,
            places: RuntimeProfile.Places(home: self.command.isHome ? folder : nil, caches: caches),
            cap: limits.memory, named: named)
        var sandbox: ChildSandbox?
        if self.command.isSandboxed {
            sandbox = ChildSandbox(
                isNetworkKept: self.command.hasNetwork, writable: [folder] + (caches.map { [$0] } ?? []),
                hidden: self.hidden)
        }
        return ChildCommand(
            arguments: arguments, environment: environment, directory: self.command.directory ?? folder,
            limits: limits, sandbox: sandbox)
    }

    /// Saves a folder every so often while a child runs, if that is asked for.
    fileprivate func keepSaving(_ folder: FolderArea.OpenFolder) -> Task<Void, Never>? {
        guard let interval = self.command.folder?.interval else { return nil }
        return Task {
            // Cancelled when the child is stopped.
            while (try? await Task.sleep(for: interval)) != nil {
                do throws(FolderError) {
                    _ = try await self.area.snapshot(folder)
                } catch {
                    guard error.code != .cancelled else { return }
                    self.logger.warning(
                        "a folder could not be stored while its child runs",
                        metadata: ["server": "\(self.name)", "reason": "\(error.reason)"])
                }
            }
        }
    }

    /// Nobody works in a folder any more.
    /// - Returns: Whether all that was in it is stored, or was not to be.
    @discardableResult
    fileprivate func leave(_ folder: FolderArea.OpenFolder, discard: Bool) async -> Bool {
        do throws(FolderError) {
            if discard {
                try await self.area.discard(folder)
            } else {
                let report = try await self.area.close(folder)
                if report.leftOut.count > 0 {
                    self.logger.warning(
                        "not all of a folder was stored",
                        metadata: ["server": "\(self.name)", "left_out": "\(report.leftOut)"])
                }
            }
            return true
        } catch {
            self.logger.error(
                discard ? "a folder could not be removed" : "a folder could not be stored",
                metadata: ["server": "\(self.name)", "reason": "\(error.reason)"])
            return discard
        }
    }
}

/// A child that is up.
private final class LaunchedChild: Launched {
    let session: UpstreamSession
    private let child: Child
    private let errors: ErrorLines
    private let folder: FolderArea.OpenFolder
    private let keeps: Bool
    private let launcher: ChildLauncher
    /// Saves the folder meanwhile.
    private let saving: Task<Void, Never>?

    init(
        _ child: Child, _ session: UpstreamSession, _ errors: ErrorLines, _ folder: FolderArea.OpenFolder, keeps: Bool,
        launcher: ChildLauncher
    ) {
        self.child = child
        self.session = session
        self.errors = errors
        self.folder = folder
        self.keeps = keeps
        self.launcher = launcher
        self.saving = keeps ? launcher.keepSaving(folder) : nil
    }

    var pid: Int32? { self.child.pid }

    func setBusy(_ isBusy: Bool) { self.child.isBusy = isBusy }

    func memory() -> ByteCount? { self.child.memory()?.used }

    func stop(discards: Bool) async -> Bool {
        // Its input ends, which is how a server is asked to; then it is told to by a signal, then it is made to.
        self.session.close()
        let grace = self.launcher.command.gracePeriod
        if await !self.hasEnded(within: grace / 2) { _ = await self.child.end(grace: grace - grace / 2) }
        await self.session.closed()
        self.saving?.cancel()
        await self.saving?.value
        return await self.launcher.leave(self.folder, discard: discards || !self.keeps)
    }

    /// Whether it ends by itself.
    private func hasEnded(within time: Duration) async -> Bool {
        let deadline = ContinuousClock.now + time
        while self.child.endingSoFar == nil, ContinuousClock.now < deadline {
            // Not cancelled: stopping goes on to its end.
            try? await Task.sleep(for: .milliseconds(10))
        }
        return self.child.endingSoFar != nil
    }

    func untilEnded() async -> LaunchedEnd {
        let ending = await self.child.end(grace: .seconds(1))
        switch ending {
        case .overMemory:
            return LaunchedEnd(
                .overMemory, "\(ending)",
                advice:
                    "Ask for less, or have the operator raise its cap (--child-memory). What it held in memory is lost."
            )
        default:
            return LaunchedEnd(
                .unexpected, "\(ending)", advice: "The next call starts it again; what it held in memory is lost.")
        }
    }
}

extension StateObjectID {
    /// The folder of a key.
    init(of key: HostKey, at server: String) {
        let name = Array("torpor folder \(server) \(key.kind) \(String(key.bits, radix: 16))".utf8)
        let high = XXH64.hash(name.span.bytes, seed: 1)
        let low = XXH64.hash(name.span.bytes, seed: 2)
        self.init(bits: UInt128(high) << 64 | UInt128(low))
    }
}
