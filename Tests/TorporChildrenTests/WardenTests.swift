import CWarden
import Glibc
import Testing
import TorporCore

@testable import TorporChildren

/// Starting and ending real processes.
@Suite(.serialized) struct WardenTests {
    // MARK: How a child ends

    @Test(arguments: [0, 1, 77, 127, 255])
    func theStatusThatAChildExitsWithIsTold(status: Int32) async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("exit \(status)"))
            #expect(await child.ending == .exited(status: status))
            child.closeStreams()
        }
    }

    @Test(arguments: [SIGKILL, SIGSEGV, SIGTERM, SIGUSR1])
    func theSignalThatEndsAChildIsTold(signal: Int32) async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("kill -\(signal) $$"))
            #expect(await child.ending == .killed(signal: signal))
            child.closeStreams()
        }
    }

    @Test func aChildReadsWhatIsWrittenAndEndsWhenItsInputDoes() async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("while read line; do echo \"got $line\"; done; echo bye >&2"))
            child.write("one\ntwo\n")
            #expect(child.line() == "got one")
            child.closeInput()
            #expect(child.output() == "got two\n")
            #expect(child.errors() == "bye\n")
            #expect(await child.ending == .exited(status: 0))
            child.closeOutputs()
        }
    }

    @Test func aSignalReachesTheWholeGroupOfTheChild() async throws {
        try await withWarden { warden in
            let child = try await warden.start(
                shell(
                    "trap : USR1; (trap 'echo inner; exit' USR1; echo up; while :; do sleep 0.01; done) & wait; wait; exit 3"
                ))
            #expect(child.line() == "up")
            child.signal(SIGUSR1)
            #expect(child.output() == "inner\n")
            #expect(await child.ending == .exited(status: 3))
            child.closeStreams()
        }
    }

    @Test func aChildThatHeedsSIGTERMEndsWithinItsGrace() async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("trap 'exit 7' TERM; echo up; while :; do read x; done"))
            #expect(child.line() == "up")
            // Were the grace waited for, the test would not end.
            #expect(await child.end(grace: .seconds(3_600)) == .exited(status: 7))
            #expect(await child.end(grace: .seconds(3_600)) == .exited(status: 7))
            child.closeStreams()
        }
    }

    @Test func aChildThatIgnoresSIGTERMIsKilledAfterItsGrace() async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("trap '' TERM; echo up; while :; do read x; done"))
            #expect(child.line() == "up")
            let clock = ContinuousClock()
            let start = clock.now
            #expect(await child.end(grace: .milliseconds(50)) == .killed(signal: SIGKILL))
            #expect(clock.now - start >= .milliseconds(50))
            child.closeStreams()
        }
    }

    @Test func aCallerThatIsCancelledGivesNoGrace() async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("trap '' TERM; echo up; while :; do read x; done"))
            #expect(child.line() == "up")
            let task = Task { await child.end(grace: .seconds(3_600)) }
            task.cancel()
            #expect(await task.value == .killed(signal: SIGKILL))
            child.closeStreams()
        }
    }

    /// A wrapper such as npx ends at once, while the server that it started still saves its files.
    @Test func othersOfTheGroupHaveTheRestOfTheGrace() async throws {
        try await withWarden { warden in
            let child = try await warden.start(
                shell(
                    """
                    exec 3<&0
                    sh -c 'trap "read x <&3; echo saved; exit" TERM; echo up; while :; do sleep 0.01; done' &
                    trap 'exit 5' TERM
                    wait
                    """))
            #expect(child.line() == "up")
            async let ending = child.end(grace: .seconds(3_600))
            child.write("go on\n")
            #expect(child.output() == "saved\n")
            #expect(await ending == .exited(status: 5))
            child.closeStreams()
        }
    }

    // MARK: Families

    @Test func whatAChildLeavesBehindIsEndedWithIt() async throws {
        let fifo = try Fifo()
        try await withWarden { warden in
            // Forked twice, in a session and group of its own, with nothing in its environment, and deaf to SIGTERM.
            let child = try await warden.start(
                shell(
                    """
                    (setsid env -i /bin/sh -c 'trap "" TERM HUP; exec >\(fifo.path); echo $$; while :; do sleep 100; done' \
                    </dev/null &)
                    read x
                    """))
            let daemon = try #require(Int32(try fifo.line()))
            #expect(isRunning(daemon))
            child.closeInput()
            #expect(await child.ending == .exited(status: 1))
            #expect(!isRunning(daemon))
            #expect(try fifo.untilReleased() == "")
            child.closeOutputs()
        }
    }

    @Test func aFamilyThatGoesOnForkingIsEnded() async throws {
        let fifo = try Fifo()
        try await withWarden { warden in
            // Each generation leaves the one before, in a session of its own.
            let child = try await warden.start(
                shell(
                    """
                    exec 9>\(fifo.path)
                    run='setsid sh -c "$run" & exit'
                    export run
                    for i in 1 2 3 4; do setsid sh -c "$run" & done
                    echo up; read x
                    """))
            #expect(child.line() == "up")
            child.kill()
            #expect(await child.ending == .killed(signal: SIGKILL))
            _ = try fifo.untilReleased()
            child.closeStreams()
        }
    }

    @Test func aKeeperThatIsKilledTakesItsFamilyAlong() async throws {
        let fifo = try Fifo()
        try await withWarden { warden in
            let child = try await warden.start(
                shell("(setsid sh -c 'exec >\(fifo.path); echo up; sleep 1000' &); read x"))
            #expect(try fifo.line() == "up")
            kill(child.keeper, SIGKILL)
            #expect(await child.ending == .killed(signal: SIGKILL))
            _ = try fifo.untilReleased()
            let next = try await warden.start(shell("exit 4"))
            #expect(await next.ending == .exited(status: 4))
            child.closeStreams()
            next.closeStreams()
        }
    }

    // MARK: What a child gets

    @Test func aChildInheritsNothingButItsStreams() async throws {
        let descriptor = open("/dev/null", O_RDONLY)  // Not closed on exec.
        defer { close(descriptor) }
        setenv("TORPOR_TEST_SECRET", "1", 1)
        defer { unsetenv("TORPOR_TEST_SECRET") }
        try await withWarden { warden in
            let command = ChildCommand(
                arguments: ["ls", "/proc/self/fd"], environment: ["PATH": "/usr/bin:/bin", "LANG": "C"], directory: "/",
                limits: ChildLimits(memory: .mebibytes(64)))
            let child = try await warden.start(command)
            // The last one is the listing itself.
            #expect(child.output() == "0\n1\n2\n3\n")
            #expect(await child.ending == .exited(status: 0))
            child.closeStreams()
            let environment = try await warden.start(
                ChildCommand(
                    arguments: ["env"], environment: ["PATH": "/usr/bin:/bin", "A": "b=c", "EMPTY": ""], directory: "/",
                    limits: ChildLimits(memory: .mebibytes(64))))
            #expect(environment.output().split(separator: "\n").sorted() == ["A=b=c", "EMPTY=", "PATH=/usr/bin:/bin"])
            environment.closeStreams()
        }
    }

    @Test func anEmptyEnvironmentIsEmpty() async throws {
        try await withWarden { warden in
            let child = try await warden.start(
                ChildCommand(
                    arguments: ["/usr/bin/env"], environment: [:], directory: "/",
                    limits: ChildLimits(memory: .mebibytes(64))))
            #expect(child.output() == "")
            #expect(await child.ending == .exited(status: 0))
            child.closeStreams()
        }
    }

    @Test func aChildHasAGroupAndSessionOfItsOwnAndDefaultSignals() async throws {
        try await withWarden { warden in
            // By the shell itself: it blocks signals for a moment whenever it starts something.
            let child = try await warden.start(
                shell(
                    """
                    read pid name state parent group session rest < /proc/$$/stat
                    echo $group $session
                    while read name value; do
                        case $name in SigBlk: | SigIgn: | SigCgt: | NoNewPrivs:) echo $name $value ;; esac
                    done < /proc/$$/status
                    """))
            let lines = child.output().split(separator: "\n")
            #expect(lines.first == "\(child.pid) \(child.pid)")
            #expect(lines.contains("SigBlk: 0000000000000000"))
            #expect(lines.contains("SigIgn: 0000000000000000"))
            #expect(lines.contains("NoNewPrivs: 1"))
            child.closeStreams()
        }
    }

    @Test func limitsAreInEffect() async throws {
        try await withWarden { warden in
            let limits = ChildLimits(
                memory: .mebibytes(64), mappedHeadroom: .mebibytes(36), processes: 100, openFiles: 123)
            let child = try await warden.start(shell("ulimit -n; ulimit -d; ulimit -c; ulimit -Hn", limits: limits))
            #expect(child.output() == "123\n102400\n0\n123\n")
            child.closeStreams()
            let free = try await warden.start(shell("ulimit -d", limits: ChildLimits(memory: .mebibytes(64))))
            #expect(free.output() == "unlimited\n")
            free.closeStreams()
        }
    }

    @Test func aChildRunsInItsDirectory() async throws {
        try await withWarden { warden in
            let child = try await warden.start(shell("pwd", directory: "/usr/lib"))
            #expect(child.output() == "/usr/lib\n")
            child.closeStreams()
        }
    }

    @Test func argumentsArriveAsTheyAre() async throws {
        try await withWarden { warden in
            let arguments = ["", " ", "a b", "\"", "'", "\n", "ä", "$HOME", String(repeating: "x", count: 100_000)]
            var command = shell("for a; do printf '%s;' \"$a\"; done")
            command.arguments += ["name"] + arguments
            let child = try await warden.start(command)
            #expect(child.output() == arguments.map { $0 + ";" }.joined())
            child.closeStreams()
        }
    }

    // MARK: What cannot be started

    struct Refused: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var directory = "/"
        let code: ChildError.Code
        /// What the sentence has to name.
        let part: String

        var command: ChildCommand {
            ChildCommand(
                arguments: self.arguments, environment: plainEnvironment, directory: self.directory,
                limits: ChildLimits(memory: .mebibytes(64)))
        }
        var testDescription: String { "\(self.arguments.map { $0.prefix(40) }) in \(self.directory)" }

        static let all = [
            Refused(
                arguments: ["no-such-program-here"], code: .programNotFound, part: "PATH /usr/local/bin:/usr/bin:/bin"),
            Refused(arguments: ["/no/such/program"], code: .programNotFound, part: "/no/such/program"),
            Refused(arguments: ["/etc/passwd"], code: .programNotExecutable, part: "/etc/passwd"),
            Refused(arguments: ["/tmp"], code: .programNotExecutable, part: "/tmp"),
            Refused(
                arguments: ["/bin/sh"], directory: "/no/such/directory", code: .directoryMissing,
                part: "/no/such/directory"),
            Refused(arguments: ["/bin/sh"], directory: "relative", code: .invalidCommand, part: "relative"),
            Refused(arguments: [""], code: .invalidCommand, part: "empty"),
            Refused(arguments: [], code: .invalidCommand, part: "empty"),
            Refused(arguments: ["/bin/sh", "a\0b"], code: .invalidCommand, part: "NUL"),
            Refused(
                arguments: ["/bin/sh", String(repeating: "x", count: 9 << 20)], code: .invalidCommand, part: "8 MiB"),
            Refused(
                arguments: ["/bin/sh", String(repeating: "x", count: 4 << 20)], code: .invalidCommand, part: "too long"),
        ]
    }

    @Test(arguments: Refused.all)
    func whatCannotBeStartedSaysWhy(refused: Refused) async throws {
        try await withWarden { warden in
            let error = await #expect(throws: ChildError.self) { try await warden.start(refused.command) }
            #expect(error?.code == refused.code)
            #expect(error?.description.contains(refused.part) == true, "\(error?.description ?? "")")
            #expect(warden.count == 0)
            let next = try await warden.start(shell("exit 4"))
            #expect(await next.ending == .exited(status: 4))
            next.closeStreams()
        }
    }

    /// In a process of its own, where no other test opens anything.
    @Test func whatCannotBeStartedLeavesNoDescriptor() async {
        await #expect(processExitsWith: .success) {
            try await withWarden { warden in
                let before = openDescriptors()
                for refused in Refused.all {
                    await #expect(throws: ChildError.self) { try await warden.start(refused.command) }
                }
                let left = openDescriptors(beside: before)
                #expect(left == [], "\(left.sorted())")
            }
        }
    }

    @Test func aScriptWhoseInterpreterIsMissingOrThatNamesNoneSaysSo() async throws {
        var template = Array("/tmp/torpor-children-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { rmdir(folder) }
        let cases = [
            ("#!/no/such/interpreter\n", ChildError.Code.programNotFound, "interpreter"),
            ("echo\n", .programNotExecutable, "#!/bin/sh"),
        ]
        for (text, code, part) in cases {
            let path = "\(folder)/script"
            let file = try #require(fopen(path, "w"))
            fputs(text, file)
            fclose(file)
            chmod(path, 0o755)
            defer { unlink(path) }
            try await withWarden { warden in
                let error = await #expect(throws: ChildError.self) {
                    try await warden.start(
                        ChildCommand(
                            arguments: [path], environment: [:], directory: "/",
                            limits: ChildLimits(memory: .mebibytes(64))))
                }
                #expect(error?.code == code)
                #expect(error?.description.contains(part) == true)
            }
        }
    }

    // MARK: The warden

    @Test func twoHundredChildrenLeaveNoProcessAndNoDescriptor() async {
        await #expect(processExitsWith: .success) {
            try await withWarden { warden in
                let pid = try #require(warden.pid)
                let before = openDescriptors()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<200 {
                        group.addTask {
                            let child = try await warden.start(shell("read x; exit \(number)"))
                            child.closeInput()
                            #expect(await child.ending == .exited(status: Int32(number)))
                            child.closeOutputs()
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(children(of: pid) == [])
                #expect(warden.count == 0)
                let left = openDescriptors(beside: before)
                #expect(left == [], "\(left.sorted())")
            }
        }
    }

    @Test func closingEndsEveryChildAndTheWarden() async throws {
        let fifo = try Fifo()
        let warden = try Warden.start(cap: .watch)
        let pid = try #require(warden.pid)
        var started: [Child] = []
        for _ in 0..<5 {
            started.append(try await warden.start(shell("exec 9>\(fifo.path); trap '' TERM; echo up; read x")))
            #expect(started[started.count - 1].line() == "up")
        }
        await warden.close()
        for child in started {
            #expect(child.endingSoFar == .killed(signal: SIGKILL))
            child.closeStreams()
        }
        #expect(try fifo.untilReleased() == "")
        #expect(!isRunning(pid))
        #expect(warden.pid == nil)
        let error = await #expect(throws: ChildError.self) { try await warden.start(shell("exit 0")) }
        #expect(error?.code == .closed)
        await warden.close()
    }

    @Test func aKilledWardenEndsItsChildrenAndTheNextStartBringsANewOne() async throws {
        let fifo = try Fifo()
        try await withWarden { warden in
            let first = try #require(warden.pid)
            let child = try await warden.start(
                shell("(setsid sh -c 'trap \"\" TERM; exec >\(fifo.path); echo up; sleep 1000' &); read x"))
            #expect(try fifo.line() == "up")
            kill(first, SIGKILL)
            #expect(await child.ending == .wardenLost)
            _ = try fifo.untilReleased()
            // Its end is known before its process is out of the list.
            let next = try await warden.start(shell("exit 4"))
            #expect(await next.ending == .exited(status: 4))
            #expect(warden.pid != first)
            child.closeStreams()
            next.closeStreams()
        }
    }

    @Test func requestsThatMakeNoSenseHarmNobody() async throws {
        try await withWarden { warden in
            let link = try WardenLink()
            let pipe = try ChildPipes.make()
            let nonsense: [(torpor_message, [Int32])] = [
                (torpor_message(kind: 0, value: 0, child: 0, pid: 0, keeper: 0, where: 0, reserved: 0), []),
                (
                    torpor_message(kind: 9_999, value: -1, child: 7, pid: 1, keeper: 1, where: 1, reserved: 1),
                    pipe.childs
                ),
                (
                    torpor_message(
                        kind: UInt32(TORPOR_START), value: 0, child: 1, pid: 0, keeper: 0, where: 0, reserved: 0), []
                ),
                (
                    torpor_message(
                        kind: UInt32(TORPOR_SIGNAL), value: 9, child: 99, pid: 0, keeper: 0, where: 0, reserved: 0), []
                ),
                (
                    torpor_message(
                        kind: UInt32(TORPOR_START), value: 0, child: 2, pid: 0, keeper: 0, where: 0, reserved: 0),
                    [pipe.childs[0]] + pipe.childs
                ),
            ]
            for (message, descriptors) in nonsense { #expect(link.send(message, descriptors) == 0) }
            pipe.closeChilds()
            pipe.closeOwn()
            link.hangUp()
            var told: [UInt64: [Int]] = [:]
            link.receive { told[$0.child, default: []].append(Int($0.kind)) }
            #expect(told[1] == [TORPOR_FAILED])
            #expect(told[2] == [TORPOR_FAILED, TORPOR_ENDED])
            #expect(told.count == 2)
            _ = warden
        }
    }

    // MARK: The end of Torpor

    @Test func aTorporThatIsKilledLeavesNothingBehind() async throws {
        let fifo = try Fifo()
        let path = fifo.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let warden = try Warden.start(cap: .watch)
            let script = """
                (setsid env -i sh -c 'trap "" TERM HUP; exec >\(path); echo up; sleep 1000' </dev/null &)
                trap '' TERM HUP; exec 9>\(path); read x; sleep 1000
                """
            for _ in 0..<3 { _ = try await warden.start(shell(script)) }
            let pid = try #require(warden.pid)
            let file = try #require(fopen(path, "w"))
            fputs("\(pid)\n", file)
            fclose(file)
            // Nobody closes, nobody says goodbye.
            kill(getpid(), SIGKILL)
        }
        // All who held the pipe have ended.
        _ = try fifo.untilReleased()
    }
}

extension ChildCommand {
    func with(_ change: (inout ChildCommand) -> Void) -> ChildCommand {
        var command = self
        change(&command)
        return command
    }
}
