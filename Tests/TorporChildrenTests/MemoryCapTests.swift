import Glibc
import Testing
import TorporCore
import TorporSystem

@testable import TorporChildren

/// Families that take too much, held by whatever this machine has.
@Suite(.serialized) struct MemoryCapTests {
    /// Takes memory page by page, ten MiB at a time, and says so.
    private static let glutton = """
        import sys
        held = []
        sys.stdin.readline()
        while True:
            held.append(bytearray(b"x") * (10 << 20))
            print(len(held), flush=True)
        """

    private static func command(_ script: String, memory: ByteCount, headroom: ByteCount? = nil) throws -> ChildCommand
    {
        ChildCommand(
            arguments: [try #require(python), "-c", script], environment: plainEnvironment, directory: "/",
            limits: ChildLimits(memory: memory, mappedHeadroom: headroom))
    }

    /// Runs `body` with each kind that works here.
    private static func withEachKind(_ body: (Warden) async throws -> Void) async throws {
        var tried: Set<MemoryCap.Kind> = []
        for kind in MemoryCap.Kind.allCases {
            try await withWarden(cap: kind) { warden in
                // A machine without the better kinds gives a lesser one, which has been tried.
                guard tried.insert(warden.cap.kind).inserted else { return }
                try await body(warden)
            }
        }
        #expect(tried.contains(.watch))
    }

    @Test(.enabled(if: python != nil, "python3 is not installed"))
    func aChildOverItsCapIsEndedAndSaysSo() async throws {
        try await Self.withEachKind { warden in
            let bystander = try await warden.start(shell("read x; exit 4"))
            let child = try await warden.start(try Self.command(Self.glutton, memory: .mebibytes(100)))
            child.isBusy = true
            child.write("\n")
            let last = child.output().split(separator: "\n").last.flatMap { Int($0) } ?? 0
            guard case .overMemory(let used, let cap) = await child.ending else {
                Issue.record("\(warden.cap.kind): \(await child.ending)")
                return
            }
            #expect(cap == .mebibytes(100))
            #expect(used >= cap)
            #expect(await child.ending.description.contains("100 MiB"))
            if warden.cap.kind != .watch { #expect(last < 10) }
            bystander.write("\n")
            #expect(await bystander.ending == .exited(status: 4))
            child.closeStreams()
            bystander.closeStreams()
        }
    }

    @Test(.enabled(if: python != nil, "python3 is not installed"))
    func theFamilyCountsAsAWholeAndAllOfItIsEnded() async throws {
        let script = """
            import os, sys, time
            path = sys.argv[1]
            fifo = os.open(path, os.O_WRONLY)
            for number in range(4):
                if os.fork() == 0:
                    os.setsid()
                    held = bytearray(b"x") * (40 << 20)
                    while True: time.sleep(100)
            sys.stdin.readline()
            """
        try await Self.withEachKind { warden in
            let fifo = try Fifo()
            var command = try Self.command(script, memory: .mebibytes(100))
            command.arguments.append(fifo.path)
            let child = try await warden.start(command)
            child.isBusy = true
            guard case .overMemory = await child.ending else {
                Issue.record("\(warden.cap.kind): \(await child.ending)")
                return
            }
            #expect(try fifo.untilReleased() == "")
            child.closeStreams()
        }
    }

    @Test(.enabled(if: python != nil, "python3 is not installed"))
    func whatAllChildrenTakeIsTheirSumAndNothingOnceTheyHaveEnded() async throws {
        let script = """

            import sys
            held = bytearray(b"x") * (50 << 20)
            print("up", flush=True)
            sys.stdin.readline()
            """

        try await Self.withEachKind { warden in
            #expect(warden.memoryUsed < .mebibytes(1))
            var children: [Child] = []
            for _ in 0..<2 {
                let child = try await warden.start(try Self.command(script, memory: .mebibytes(200)))
                #expect(child.line() == "up")
                // A watch looks when it is time to; groups need none.
                _ = child.look(warden.watcher.tree, now: .now + .seconds(10))
                children.append(child)
            }
            let used = warden.memoryUsed
            #expect(used > .mebibytes(100) && used < .mebibytes(200), "\(warden.cap.kind): \(used)")
            for child in children {
                child.closeStreams()
                #expect(await child.ending == .exited(status: 0))
            }
            #expect(warden.memoryUsed < .mebibytes(4), "\(warden.cap.kind): \(warden.memoryUsed)")
        }
    }

    @Test(.enabled(if: python != nil, "python3 is not installed"))
    func whatAChildTakesIsTold() async throws {
        let script = """
            import sys
            held = bytearray(b"x") * (50 << 20)
            print("up", flush=True)
            sys.stdin.readline()
            held = None
            print("less", flush=True)
            sys.stdin.readline()
            """
        try await Self.withEachKind { warden in
            let child = try await warden.start(try Self.command(script, memory: .mebibytes(200)))
            #expect(child.line() == "up")
            let first = try #require(child.memory())
            #expect(first.used > .mebibytes(50) && first.used < .mebibytes(100))
            #expect(first.peak >= first.used)
            child.write("\n")
            #expect(child.line() == "less")
            let second = try #require(child.memory())
            #expect(second.used < .mebibytes(50))
            if warden.cap.kind != .watch { #expect(second.peak > .mebibytes(50)) }
            #expect(await child.end(grace: .seconds(10)) != .wardenLost)
            #expect(child.memory() == nil)
            child.closeStreams()
        }
    }

    /// The bound on what a process maps gives it an error that it can tell of.
    @Test(.enabled(if: python != nil, "python3 is not installed"))
    func aProcessThatMapsFarTooMuchAtOnceIsRefusedByTheKernel() async throws {
        try await withWarden(cap: .watch) { warden in
            let child = try await warden.start(
                try Self.command("bytearray(1 << 30)", memory: .mebibytes(100), headroom: .mebibytes(200)))
            #expect(child.errors().contains("MemoryError"))
            #expect(await child.ending == .exited(status: 1))
            child.closeStreams()
        }
    }

    @Test func aFamilyOfTooManyProcessesIsRefusedMoreOrEnded() async throws {
        try await Self.withEachKind { warden in
            let limits = ChildLimits(memory: .mebibytes(200), processes: 20)
            let child = try await warden.start(
                shell("i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; echo all; read x", limits: limits))
            child.isBusy = true
            if warden.cap.groups?.place.processes == nil {
                guard case .overProcesses(let count, max: 20) = await child.ending else {
                    Issue.record("\(await child.ending)")
                    return
                }
                #expect(count > 20)
            } else {
                // The shell gives up at the first process that it is refused.
                #expect(child.errors().contains("fork"))
                #expect(await child.ending == .exited(status: 2))
            }
            child.closeStreams()
        }
    }

    private static let npx = ["/usr/local/bin/npx", "/usr/bin/npx"].first { (path: String) in access(path, X_OK) == 0 }

    /// 512 MiB of address space, as one host allowed, were too few for it.
    @Test(.enabled(if: npx != nil, "npx is not installed"))
    func aPlainNpxServerStartsWithinTheDefaults() async throws {
        let tree = try Tree([
            "/package/package.json":
                #"{"name": "plain-server", "version": "1.0.0", "bin": {"plain-server": "server.js"}}"#,
            "/package/server.js": """
            #!/usr/bin/env node
            process.stdin.on("data", (text) => process.stdout.write("got " + text))
            process.stdin.on("end", () => process.exit(0))
            """,
            "/home/.keep": "",
        ])
        chmod("\(tree.folder)/package/server.js", 0o755)
        let arguments = [
            try #require(Self.npx), "--yes", "--offline", "--package=\(tree.folder)/package", "plain-server",
        ]
        let profile = RuntimeProfile.of(arguments)
        try await Self.withEachKind { warden in
            let environment = profile.environment(
                inheriting: ["PATH": "/usr/local/bin:/usr/bin:/bin"], places: .init(home: "\(tree.folder)/home"),
                cap: profile.memory)
            let child = try await warden.start(
                ChildCommand(
                    arguments: arguments, environment: environment, directory: tree.folder, limits: profile.limits()))
            child.isBusy = true
            child.write("hello\n")
            #expect(child.line() == "got hello", "\(warden.cap.kind)")
            child.closeInput()
            #expect(await child.ending == .exited(status: 0), "\(warden.cap.kind)")
            child.closeOutputs()
        }
    }

    // MARK: Control groups that are there

    private static var hasGroups: Bool {
        if case .success = ChildGroups.Place.find(atMost: .controlGroupTwo, root: .machine) { return true }
        return false
    }

    @Test(.enabled(if: hasGroups, "no control group can be written here"))
    func groupsAreRemovedWithTheirChildrenAndAtTheEnd() async throws {
        let root = SystemRoot.machine
        let warden = try Warden.start()
        let groups = try #require(warden.cap.groups)
        let child = try await warden.start(shell("cat /proc/self/cgroup; read x"))
        #expect(child.line().isEmpty == false)
        for top in groups.tops { #expect(root.names(in: "\(top)/child-\(child.id)") != nil) }
        child.closeInput()
        _ = await child.ending
        for top in groups.tops { #expect(root.names(in: "\(top)/child-\(child.id)") == nil) }
        let error = await #expect(throws: ChildError.self) {
            var command = shell("exit 0")
            command.directory = "/no/such/directory"
            return try await warden.start(command)
        }
        #expect(error?.code == .directoryMissing)
        // Of the one that failed, too, once its keeper has ended, which the close waits for.
        await warden.close()
        for top in groups.tops { #expect(root.names(in: top) == nil) }
        child.closeOutputs()
    }

    @Test(.enabled(if: hasGroups, "no control group can be written here"))
    func whatAKilledTorporLeftIsSweptAndWhatALivingOneHasIsNot() async throws {
        let root = SystemRoot.machine
        let fifo = try Fifo()
        let path = fifo.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let warden = try Warden.start()
            let child = try await warden.start(shell("exec 9>\(path); echo up; read x"))
            #expect(child.line() == "up")
            let file = try #require(fopen(path, "w"))
            for top in try #require(warden.cap.groups).tops { fputs("\(top)\n", file) }
            fclose(file)
            kill(getpid(), SIGKILL)
        }
        let left = try fifo.untilReleased().split(separator: "\n").map { String($0) }
        #expect(left.isEmpty == false)
        let first = try Warden.start()
        for top in left { #expect(root.names(in: top) == nil) }
        let child = try await first.start(shell("read x; exit 4"))
        let second = try Warden.start()
        for top in try #require(first.cap.groups).tops {
            #expect(root.names(in: "\(top)/child-\(child.id)") != nil)
        }
        await second.close()
        child.write("\n")
        #expect(await child.ending == .exited(status: 4))
        await first.close()
        child.closeStreams()
    }
}
