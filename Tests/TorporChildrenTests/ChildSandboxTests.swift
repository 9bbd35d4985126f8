import Glibc
import Testing
import TorporCore

@testable import TorporChildren

@Suite struct ChildSandboxTests {
    @Test func theSandboxShowsEverythingAndLetsOnlyTheFolderChange() {
        let sandbox = ChildSandbox(writable: ["/caches"], hidden: ["/etc", "/etc/passwd", "/no/such/thing"])
        #expect(
            sandbox.command(["/usr/bin/node", "a b"], directory: "/folder", bubblewrap: "/usr/bin/bwrap") == [
                "/usr/bin/bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
                "--tmpfs", "/etc", "--ro-bind", "/dev/null", "/etc/passwd", "--bind", "/folder", "/folder",
                "--bind", "/caches", "/caches", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--chdir", "/folder", "--",
                "/usr/bin/node", "a b",
            ])
    }

    @Test func withoutTheNetworkItIsUnshared() {
        let sandbox = ChildSandbox(isNetworkKept: false)
        #expect(sandbox.command(["/x"], directory: "/f", bubblewrap: "/b").contains("--unshare-net"))
        #expect(ChildSandbox().command(["/x"], directory: "/f", bubblewrap: "/b").contains("--unshare-net") == false)
    }

    @Test func withoutBubblewrapTheStartSaysWhatToInstall() {
        let error = #expect(throws: ChildError.self) {
            try ChildSandbox().command(["/x"], directory: "/f", in: "/no/such/folder:/nor/this")
        }
        #expect(error?.code == .sandboxMissing)
        #expect(error?.description.contains("apt-get install bubblewrap") == true)
    }

    @Test(.enabled(if: ChildSandbox.find() != nil, "bubblewrap is not installed"))
    func aChildInASandboxChangesItsFolderAndSeesNobodyElse() async throws {
        let tree = try Tree(["/folder/x": "", "/secret/key": "k", "/file": "s"])
        let sandbox = ChildSandbox(
            isNetworkKept: false, hidden: ["\(tree.folder)/secret", "\(tree.folder)/file"])
        try await withWarden { warden in
            let child = try await warden.start(
                shell(
                    """
                    echo new > y && echo written
                    [ -w /usr ] && echo writable || echo refused
                    ls \(tree.folder)/secret 2>/dev/null | wc -l
                    ls /proc | grep -c '^[0-9]'
                    """, directory: "\(tree.folder)/folder", sandbox: sandbox))
            let lines = child.output().split(separator: "\n")
            #expect(lines.prefix(3) == ["written", "refused", "0"])
            #expect(lines.last.flatMap { Int($0) }.map { $0 < 10 } == true)
            #expect(tree.text("/folder/y") == "new\n")
            #expect(await child.ending == .exited(status: 0))
            child.closeStreams()
        }
    }

    @Test(.enabled(if: ChildSandbox.find() != nil, "bubblewrap is not installed"))
    func aSandboxEndsWithItsFamily() async throws {
        let fifo = try Fifo()
        try await withWarden { warden in
            let child = try await warden.start(
                shell(
                    "exec 9>\(fifo.path); (setsid sleep 1000 &); echo up; read x",
                    directory: String(fifo.path.dropLast("/fifo".count)), sandbox: ChildSandbox()))
            #expect(child.line() == "up")
            child.kill()
            #expect(await child.ending == .killed(signal: SIGKILL))
            #expect(try fifo.untilReleased() == "")
            child.closeStreams()
        }
    }
}
