package import TorporCore

/// One hosted server, as it was set: checked, with all variables in place.
package struct HostedServerSettings: Hashable, Sendable {
    /// How its messages travel.
    package enum Connection: Hashable, Sendable {
        /// Torpor starts it, for each key.
        case command(Command)
        /// It runs elsewhere.
        case remote(Remote)
    }

    /// A program that speaks MCP on its standard input and output.
    package struct Command: Hashable, Sendable {
        /// A path, or a name to be looked for in the `PATH` of ``environment``, else of Torpor.
        package var program: String
        package var arguments: [String] = []
        /// What it gets besides what every child needs.
        package var environment: [String: String] = [:]
        /// Where it runs; `nil` for its key's folder, or Torpor's own folder where it has none.
        package var directory: String?
        /// What it and its descendants may take; `nil` for what its kind of program needs.
        package var memory: ByteCount?
        /// Processes and threads; `nil` for the default.
        package var processesMax: Int?
        /// Open files of each process; `nil` for the default.
        package var openFilesMax: Int?
        /// Whether its folder is its home directory too. Default no.
        package var isHome = false
        /// How long it may take to end when asked, before it is made to. Default 5 s.
        package var gracePeriod = Duration.seconds(5)
        /// Keep it in a sandbox, in which it can write to its folder only. Default no.
        package var isSandboxed = false
        /// Whether the sandbox lets it use the network. Default yes.
        package var hasNetwork = true
        /// What is kept of its folder while it does not run; `nil` for nothing.
        package var folder: Folder?
    }

    /// The files of a key, that are kept while its child does not run.
    package struct Folder: Hashable, Sendable {
        /// Bytes of all files. Default 64 MiB.
        package var bytesMax = ByteCount.mebibytes(64)
        /// Default 10,000.
        package var filesMax = 10_000
        /// How often it is saved while the child runs; `nil` for only when it stops.
        package var interval: Duration?
        /// How long it is kept after the last use; `nil` for as long as other state.
        package var retention: Duration?
    }

    /// A server at a URL.
    package struct Remote: Hashable, Sendable {
        /// Which transport it speaks.
        package enum Transport: String, Hashable, Sendable, CaseIterable {
            /// Streamable HTTP; of a server that refuses it as one of 2024-11-05 would, that transport.
            case http
            /// HTTP with server-sent events, of revision 2024-11-05.
            case sse
        }

        package var url: String
        package var headers: [Header] = []
        package var transport = Transport.http
    }

    /// A header that goes with every request to a remote server.
    package struct Header: Hashable, Sendable {
        package var name: String
        package var value: String
    }

    /// Whom one child, or one connection to a remote server, is for. The raw names stand in files.
    package enum Scope: String, Hashable, Sendable, CaseIterable {
        /// A legacy session; without one a principal; without one a handle.
        case session
        /// A principal; without one as ``session``.
        case principal
        /// A handle, in both eras.
        case handle
        /// One call, and nobody after it.
        case call
        /// All callers together.
        case shared
    }

    /// `[A-Za-z0-9_-]{1,32}`
    package var name: String
    package var connection: Connection
    /// It is set, and not to be hosted.
    package var isDisabled = false
    /// Default `session`.
    package var scope = Scope.session
    /// How many children there may be, who waits for them, and how long.
    package var limits = HostLimits()
    /// How long one call may take; `nil` for as long as any.
    package var callTimeout: Duration?
    /// What stands before the names of its tools and prompts; `nil` for the default, empty for nothing.
    package var prefix: String?
    /// The path of an endpoint of its own; `nil` for the common one.
    package var path: String?
    /// The tools that clients get to see; `nil` for all.
    package var includedTools: [String]?
    /// The tools that clients do not get to see.
    package var excludedTools: [String] = []
}

// Arguments, environment, addresses and headers may be secret: descriptions leave them out.

extension HostedServerSettings: CustomStringConvertible {
    package var description: String {
        switch self.connection {
        case .command(let command): "\(self.name) (\(command))"
        case .remote(let remote): "\(self.name) (\(remote))"
        }
    }
}

extension HostedServerSettings.Command: CustomStringConvertible {
    package var description: String { self.program }
}

extension HostedServerSettings.Remote: CustomStringConvertible {
    package var description: String { self.transport.rawValue }
}

extension HostedServerSettings.Header: CustomStringConvertible {
    package var description: String { self.name }
}
