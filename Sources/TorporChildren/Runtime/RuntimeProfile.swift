package import TorporCore

/// What is known of the program that runs a foreign server: what it needs at least, and how it is told its cap.
///
/// Found by the name of the executable; measured in docs/decisions/0029-children.md.
package struct RuntimeProfile: Sendable, Equatable {
    package enum Runtime: String, Sendable, CaseIterable {
        case node, deno, bun, python, java, dotnet, container
        /// Anything else: mostly programs compiled to machine code.
        case native
    }

    package let runtime: Runtime
    /// Whether it fetches and starts another program, beside which it stays: `npx`, `uvx` and the like.
    package let isLauncher: Bool

    /// The cap of a family that nobody has set one for.
    package var memory: ByteCount {
        switch (self.runtime, self.isLauncher) {
        // npm itself takes 100 MiB and more, and stays beside the server.
        case (_, true): .mebibytes(768)
        case (.java, _): .mebibytes(768)
        case (.container, _): .mebibytes(256)
        default: .mebibytes(512)
        }
    }

    /// How much more than its memory it maps for writing: heaps that it reserves, stacks of threads, buffers of its
    /// allocator. For ``ChildLimits/mappedHeadroom``.
    package var mappedHeadroom: ByteCount {
        switch self.runtime {
        case .node, .deno, .bun: .mebibytes(512)
        case .java, .dotnet: .gibibytes(1)
        case .python, .container, .native: .mebibytes(512)
        }
    }

    /// What a family gets by default.
    /// - Parameter memory: Its cap, if somebody has set one.
    package func limits(memory: ByteCount? = nil) -> ChildLimits {
        ChildLimits(memory: memory ?? self.memory, mappedHeadroom: self.mappedHeadroom)
    }

    /// What somebody who relies on the caps ought to know; `nil` when they hold.
    package var caveat: String? {
        guard self.runtime == .container else { return nil }
        return "the container does not descend from its client, so no cap reaches it: limit it with --memory, "
            + "and end it with --rm and --init"
    }

    /// The profile of a command.
    package static func of(_ arguments: [String]) -> RuntimeProfile {
        let name = arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        let verb = arguments.dropFirst().first { !$0.hasPrefix("-") }
        switch name {
        case "npx", "npm", "pnpm", "pnpx", "yarn", "corepack": return RuntimeProfile(runtime: .node, isLauncher: true)
        case "tsx", "ts-node": return RuntimeProfile(runtime: .node, isLauncher: true)
        case "bunx": return RuntimeProfile(runtime: .bun, isLauncher: true)
        case "bun": return RuntimeProfile(runtime: .bun, isLauncher: verb == "x" || verb == "run")
        case "deno": return RuntimeProfile(runtime: .deno, isLauncher: false)
        case "uvx", "uv", "pipx", "poetry", "hatch", "rye": return RuntimeProfile(runtime: .python, isLauncher: true)
        case "java", "jbang": return RuntimeProfile(runtime: .java, isLauncher: name == "jbang")
        case "dotnet", "dnx": return RuntimeProfile(runtime: .dotnet, isLauncher: name == "dnx" || verb == "run")
        case "docker", "podman", "nerdctl": return RuntimeProfile(runtime: .container, isLauncher: false)
        default:
            // With a version behind it: python3.12, node22.
            let stem = name.prefix { !$0.isNumber }
            switch stem {
            case "node", "nodejs": return RuntimeProfile(runtime: .node, isLauncher: false)
            case "python", "pypy": return RuntimeProfile(runtime: .python, isLauncher: false)
            default: return RuntimeProfile(runtime: .native, isLauncher: false)
            }
        }
    }
}
