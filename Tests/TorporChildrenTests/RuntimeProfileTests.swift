import Testing
import TorporCore

@testable import TorporChildren

@Suite struct RuntimeProfileTests {
    @Test(arguments: [
        (["node", "server.js"], RuntimeProfile.Runtime.node, false), (["/usr/bin/node22"], .node, false),
        (["npx", "-y", "some-server"], .node, true), (["npm", "exec", "some-server"], .node, true),
        (["python3.12", "-m", "server"], .python, false), (["/opt/pypy3/bin/pypy3"], .python, false),
        (["uvx", "some-server"], .python, true), (["uv", "run", "server.py"], .python, true),
        (["java", "-jar", "server.jar"], .java, false), (["deno", "run", "server.ts"], .deno, false),
        (["bun", "server.ts"], .bun, false), (["bun", "x", "some-server"], .bun, true), (["bunx", "some"], .bun, true),
        (["dotnet", "server.dll"], .dotnet, false), (["dnx", "Some.Server"], .dotnet, true),
        (["docker", "run", "-i", "some"], .container, false), (["./server"], .native, false), ([], .native, false),
    ])
    func aProgramIsKnownByItsName(arguments: [String], runtime: RuntimeProfile.Runtime, isLauncher: Bool) {
        #expect(RuntimeProfile.of(arguments) == RuntimeProfile(runtime: runtime, isLauncher: isLauncher))
    }

    @Test func everyRuntimeHasRoomToStart() {
        for runtime in RuntimeProfile.Runtime.allCases {
            for isLauncher in [false, true] {
                let profile = RuntimeProfile(runtime: runtime, isLauncher: isLauncher)
                let limits = profile.limits()
                #expect(limits.memory == profile.memory)
                #expect(limits.memory >= .mebibytes(isLauncher ? 768 : 256))
                // What a plain npx server failed to start in was 512 MiB of address space.
                #expect(limits.mappedHeadroom.map { $0 >= .mebibytes(512) } == true)
                #expect(profile.limits(memory: .mebibytes(64)).memory == .mebibytes(64))
            }
        }
        #expect(RuntimeProfile.of(["docker"]).caveat?.contains("--memory") == true)
        #expect(RuntimeProfile.of(["node"]).caveat == nil)
    }

    private static let own = [
        "PATH": "/p", "HOME": "/root", "LANG": "de_DE.UTF-8", "AWS_SECRET_ACCESS_KEY": "s", "JAVA_HOME": "/j",
        "DOCKER_HOST": "d", "LD_PRELOAD": "x", "NODE_OPTIONS": "--inspect",
    ]

    @Test func onlyWhatIsKnownToBeHarmlessIsInherited() {
        let environment = RuntimeProfile.of(["./server"]).environment(
            inheriting: Self.own, places: .init(), cap: .mebibytes(100))
        #expect(
            environment == [
                "PATH": "/p", "HOME": "/root", "LANG": "de_DE.UTF-8", "MALLOC_ARENA_MAX": "2", "GOMEMLIMIT": "94371840",
            ])
        #expect(
            RuntimeProfile.of(["java"]).environment(inheriting: Self.own, places: .init(), cap: .mebibytes(100))[
                "JAVA_HOME"] == "/j")
        #expect(
            RuntimeProfile.of(["docker"]).environment(inheriting: Self.own, places: .init(), cap: .mebibytes(100))[
                "DOCKER_HOST"] == "d")
    }

    @Test func aChildWithNothingToInheritHasAPathAndALanguage() {
        let environment = RuntimeProfile.of(["python3"]).environment(
            inheriting: [:], places: .init(), cap: .mebibytes(100))
        #expect(environment["PATH"] == "/usr/local/bin:/usr/bin:/bin")
        #expect(environment["LANG"] == "C.UTF-8")
        #expect(environment["PYTHONUNBUFFERED"] == "1")
        #expect(environment["HOME"] == nil)
    }

    @Test func homesOfTheirOwnShareWhatWasFetchedIfToldSo() {
        let places = RuntimeProfile.Places(home: "/k", temporary: "/k/tmp", caches: "/c")
        let npx = RuntimeProfile.of(["npx"]).environment(inheriting: Self.own, places: places, cap: .mebibytes(100))
        #expect(npx["HOME"] == "/k")
        #expect(npx["TMPDIR"] == "/k/tmp")
        #expect(npx["npm_config_cache"] == "/c/npm")
        let uvx = RuntimeProfile.of(["uvx"]).environment(inheriting: Self.own, places: places, cap: .mebibytes(100))
        #expect(uvx["UV_CACHE_DIR"] == "/c/uv")
        let alone = RuntimeProfile.of(["npx"]).environment(
            inheriting: Self.own, places: .init(home: "/k"), cap: .mebibytes(100))
        #expect(alone["npm_config_cache"] == nil)
    }

    @Test func theRuntimeIsToldItsCap() {
        let cases = [
            ("node", "NODE_OPTIONS", "--max-old-space-size=384"), ("npx", "NODE_OPTIONS", "--max-old-space-size=384"),
            ("java", "JAVA_TOOL_OPTIONS", "-Xmx256m"), ("deno", "DENO_V8_FLAGS", "--max-old-space-size=384"),
            ("dotnet", "DOTNET_GCHeapHardLimit", "18000000"), ("./server", "GOMEMLIMIT", "483183819"),
            ("bun", "BUN_JSC_forceRAMSize", "536870912"),
        ]
        for (program, name, value) in cases {
            let environment = RuntimeProfile.of([program]).environment(
                inheriting: Self.own, places: .init(), cap: .mebibytes(512))
            #expect(environment[name] == value)
        }
    }

    @Test func whatIsNamedWinsAndOptionsAreAddedBehindOurs() {
        let environment = RuntimeProfile.of(["node"]).environment(
            inheriting: Self.own, places: .init(home: "/k"), cap: .mebibytes(512),
            named: ["HOME": "/mine", "NODE_OPTIONS": "--max-old-space-size=100", "KEY": "k"])
        #expect(environment["HOME"] == "/mine")
        #expect(environment["KEY"] == "k")
        #expect(environment["NODE_OPTIONS"] == "--max-old-space-size=384 --max-old-space-size=100")
    }
}
