package import TorporCore

extension RuntimeProfile {
    /// Where a family keeps its files.
    package struct Places: Sendable, Equatable {
        /// Its home, if it has one of its own.
        package var home: String?
        /// For its temporary files, if that is a place of its own.
        package var temporary: String?
        /// For what launchers fetch, shared by all families that trust each other: each can change what the others run.
        /// With homes of their own and without it, each fetches everything anew.
        package var caches: String?

        package init(home: String? = nil, temporary: String? = nil, caches: String? = nil) {
            self.home = home
            self.temporary = temporary
            self.caches = caches
        }
    }

    /// Variables of Torpor's own environment that every child gets. All others have to be named.
    package static let inherited: Set<String> = [
        "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "NODE_EXTRA_CA_CERTS", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE",
        "TMPDIR", "TZ", "USER",
    ]

    /// The environment of a child: what it needs, what tells its runtime the cap, and what is named for it.
    ///
    /// - Parameters:
    ///   - own: Torpor's, of which only ``inherited`` and what this runtime needs is taken.
    ///   - places: Where the family keeps its files.
    ///   - cap: Of its memory.
    ///   - named: What the configuration names. It replaces all else, but for the options of a runtime, which are put
    ///     behind those that tell the cap, so that they win.
    package func environment(
        inheriting own: [String: String], places: Places, cap: ByteCount, named: [String: String] = [:]
    ) -> [String: String] {
        let wanted = Self.inherited.union(self.inheritedHere)
        var environment = own.filter { wanted.contains($0.key) }
        environment["PATH"] = environment["PATH"] ?? ChildCommand.defaultPath
        environment["LANG"] = environment["LANG"] ?? "C.UTF-8"
        // glibc would keep up to eight heaps for each processor.
        environment["MALLOC_ARENA_MAX"] = "2"
        if let home = places.home { environment["HOME"] = home }
        if let temporary = places.temporary { environment["TMPDIR"] = temporary }
        if let caches = places.caches { environment.merge(self.caches(in: caches)) { _, new in new } }
        let told = self.told(cap: cap)
        environment.merge(told) { _, new in new }
        environment.merge(named) { _, new in new }
        for name in Self.optionLists {
            if let ours = told[name], let theirs = named[name] { environment[name] = "\(ours) \(theirs)" }
        }
        return environment
    }

    /// Variables with options in a row, of which the last one wins.
    private static let optionLists = ["NODE_OPTIONS", "JAVA_TOOL_OPTIONS"]

    private var inheritedHere: Set<String> {
        switch self.runtime {
        case .java: ["JAVA_HOME"]
        case .dotnet: ["DOTNET_ROOT"]
        case .container: ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "XDG_RUNTIME_DIR"]
        case .node, .deno, .bun, .python, .native: []
        }
    }

    /// How the runtime is told to make do: it then collects garbage before its family reaches the cap.
    private func told(cap: ByteCount) -> [String: String] {
        let mebibytes = cap.bytes >> 20
        let heap = max(16, mebibytes / 4 * 3)
        switch self.runtime {
        case .node:
            return [
                "NODE_OPTIONS": "--max-old-space-size=\(heap)", "npm_config_update_notifier": "false",
                "npm_config_fund": "false", "npm_config_audit": "false",
            ]
        case .deno: return ["DENO_V8_FLAGS": "--max-old-space-size=\(heap)", "DENO_NO_UPDATE_CHECK": "1"]
        case .bun: return ["BUN_JSC_forceRAMSize": "\(cap.bytes)"]
        case .python: return ["PYTHONUNBUFFERED": "1"]
        // Beside its heap a virtual machine has classes, compiled code and stacks.
        case .java: return ["JAVA_TOOL_OPTIONS": "-Xmx\(max(16, mebibytes / 2))m"]
        case .dotnet:
            return [
                // In hexadecimal digits.
                "DOTNET_GCHeapHardLimit": String(cap.bytes / 4 * 3, radix: 16), "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
                // What it would say first on its output is not for the client.
                "DOTNET_NOLOGO": "1",
            ]
        // Go's; nobody else minds.
        case .native: return ["GOMEMLIMIT": "\(cap.bytes / 10 * 9)"]
        case .container: return [:]
        }
    }

    private func caches(in folder: String) -> [String: String] {
        switch self.runtime {
        case .node:
            [
                "npm_config_cache": "\(folder)/npm", "YARN_CACHE_FOLDER": "\(folder)/yarn",
                "COREPACK_HOME": "\(folder)/corepack",
            ]
        case .deno: ["DENO_DIR": "\(folder)/deno"]
        case .bun: ["BUN_INSTALL_CACHE_DIR": "\(folder)/bun"]
        case .python:
            [
                "UV_CACHE_DIR": "\(folder)/uv", "UV_PYTHON_INSTALL_DIR": "\(folder)/uv-python",
                "PIP_CACHE_DIR": "\(folder)/pip",
            ]
        case .dotnet: ["NUGET_PACKAGES": "\(folder)/nuget"]
        case .java, .container, .native: [:]
        }
    }
}
