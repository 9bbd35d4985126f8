import ArgumentParser

/// The options of `torpor serve`, as they were given. A missing one comes from the environment, the file, or the
/// defaults.
struct ServeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address to listen at.", valueName: "address"))
    var host: String?
    @Option(help: ArgumentHelp("Port of the MCP endpoint; 0 lets the system choose.", valueName: "port"))
    var port: String?
    @Option(help: ArgumentHelp("Port of health checks and metrics, at loopback; 0 turns them off.", valueName: "port"))
    var adminPort: String?
    @Option(help: ArgumentHelp("Address of health checks and metrics.", valueName: "address"))
    var adminHost: String?
    @Option(
        help: ArgumentHelp(
            "File of the bearer tokens that state may be looked at and changed with, at the admin port.",
            valueName: "path"))
    var adminTokenFile: String?
    @Option(help: ArgumentHelp("Built-in server: workbench, conformance or bench.", valueName: "name"))
    var server: String?
    @Flag(help: "Serve one client on standard input and output; nothing listens then.")
    var stdio = false
    @Option(
        help: ArgumentHelp(
            "Where state is kept: sqlite:PATH or memory:. Default sqlite:./torpor.db; with --stdio memory:.",
            valueName: "url"))
    var store: String?
    @Option(
        help: ArgumentHelp(
            "File of the keys that seal session ids; made when missing. Default: beside the SQLite file.",
            valueName: "path"))
    var keyFile: String?
    @Option(
        help: ArgumentHelp(
            "When changes are durable: acknowledged (before any answer), or interval=1s.", valueName: "pace"))
    var durability: String?
    @Option(help: ArgumentHelp("Unused for so long, state leaves memory. Default 30m.", valueName: "duration"))
    var idleTimeout: String?
    @Option(help: ArgumentHelp("Unused for so long, state is deleted. Default 7d.", valueName: "duration"))
    var retention: String?
    @Option(help: ArgumentHelp("Most memory of all resident state.", valueName: "size"))
    var residentMemory: String?
    @Option(help: ArgumentHelp("Most memory of one state object. Default 8MiB.", valueName: "size"))
    var objectMemory: String?
    @Option(help: ArgumentHelp("Most values of one state object. Default 10000.", valueName: "count"))
    var objectValues: String?
    @Option(help: ArgumentHelp("Most that is stored. Default 10GiB.", valueName: "size"))
    var storage: String?
    @Option(
        help: ArgumentHelp(
            "Most memory of the state of one principal, or anonymous address. Default a quarter.", valueName: "size"))
    var principalMemory: String?
    @Option(
        help: ArgumentHelp(
            "Most that one principal, or anonymous address, stores. Default a quarter.", valueName: "size"))
    var principalStorage: String?
    @Option(
        help: ArgumentHelp(
            "Most state objects of one principal, or anonymous address. Default 10000.", valueName: "count"))
    var principalObjects: String?
    @Option(help: ArgumentHelp("How stored values are compressed: zstd or none.", valueName: "method"))
    var compression: String?
    @Option(help: ArgumentHelp("How long a session is honoured.", valueName: "duration"))
    var sessionLifetime: String?
    @Option(help: ArgumentHelp("Who may call: none, or token-file=PATH.", valueName: "method"))
    var auth: String?
    @Option(
        help: ArgumentHelp(
            "File of the certificate, then those that lead to its root, in PEM; the server then speaks TLS.",
            valueName: "path"))
    var tlsCertificateFile: String?
    @Option(help: ArgumentHelp("File of the certificate's private key, in PEM.", valueName: "path"))
    var tlsKeyFile: String?
    @Flag(help: "Listen beyond loopback although nobody has to prove who they are.")
    var insecure = false
    @Option(
        help: ArgumentHelp("Host names, separated by commas, by which the server may be addressed.", valueName: "names")
    )
    var allowedHosts: String?
    @Option(help: ArgumentHelp("Web origins, separated by commas, whose pages may call.", valueName: "origins"))
    var allowedOrigins: String?
    @Option(help: ArgumentHelp("Largest request body.", valueName: "size"))
    var maxRequest: String?
    @Option(
        help: ArgumentHelp(
            "What the process may take of memory. Default: from the control group, or the machine.", valueName: "size"))
    var memoryLimit: String?
    @Option(help: ArgumentHelp("Most calls running at once; further ones wait.", valueName: "count"))
    var maxCalls: String?
    @Option(
        help: ArgumentHelp(
            "What one call may take of memory. Default: half of what the process may.", valueName: "size"))
    var callMemory: String?
    @Option(help: ArgumentHelp("Most calls waiting for their turns; 0 lets none wait.", valueName: "count"))
    var maxQueuedCalls: String?
    @Option(help: ArgumentHelp("How long a call waits for its turn. Default 10s.", valueName: "duration"))
    var queueTimeout: String?
    @Option(
        help: ArgumentHelp(
            "Most calls of one principal, or anonymous address, running at once; off for no limit.", valueName: "count")
    )
    var principalCalls: String?
    @Option(
        help: ArgumentHelp(
            "Most calls of one principal, or anonymous address, waiting for their turns. Default a quarter.",
            valueName: "count"))
    var principalQueuedCalls: String?
    @Option(
        help: ArgumentHelp(
            "Most messages a second of one principal, or anonymous address; with a burst: 20,100. off for no limit.",
            valueName: "rate"))
    var principalRate: String?
    @Option(help: ArgumentHelp("Most connections.", valueName: "count"))
    var maxConnections: String?
    @Option(help: ArgumentHelp("Most connections of one address.", valueName: "count"))
    var maxConnectionsPerAddress: String?
    @Option(
        help: ArgumentHelp(
            "Most bytes in large requests that are arriving and large answers that are not read.", valueName: "size"))
    var maxBuffers: String?
    @Option(help: ArgumentHelp("Most streams of one session, open or resumable.", valueName: "count"))
    var maxStreams: String?
    @Option(
        help: ArgumentHelp(
            "Most bytes of messages that wait in streams or are kept for clients that come back.", valueName: "size"))
    var maxStreamBytes: String?
    @Option(
        help: ArgumentHelp(
            "How long a stream may be silent before it is kept alive by a comment.", valueName: "duration"))
    var heartbeat: String?
    @Option(
        help: ArgumentHelp(
            "How long the end of a session's stream is kept for a client that comes back.", valueName: "duration"))
    var resumeGrace: String?
    @Option(help: ArgumentHelp("Longest time a call may run.", valueName: "duration"))
    var callTimeout: String?
    @Option(
        help: ArgumentHelp(
            "At a stop, how long new requests are still taken. Default 5s, or 100ms on loopback.", valueName: "duration"
        ))
    var drainDelay: String?
    @Option(help: ArgumentHelp("At a stop, how long running calls may take to end.", valueName: "duration"))
    var gracePeriod: String?
    @Option(
        help: ArgumentHelp("Threads that read and write sockets. Default: one a core, at most 8.", valueName: "count"))
    var eventLoops: String?
    @Option(help: ArgumentHelp("Least level of log lines on standard error.", valueName: "level"))
    var logLevel: String?
    @Option(
        help: ArgumentHelp(
            "File of the MCP servers to host, as clients configure them: an object mcpServers.", valueName: "path"))
    var servers: String?
    @Option(help: ArgumentHelp("URL of a remote MCP server to stand in front of.", valueName: "url"))
    var upstream: String?
    @Option(
        help: ArgumentHelp(
            "Who has a child of the hosted server: session (the default: the session, else the principal, else a handle), principal, handle, call, or shared.",
            valueName: "key"))
    var per: String?
    @Option(help: ArgumentHelp("Most children of a hosted server at once. Default 32.", valueName: "count"))
    var children: String?
    @Option(
        help: ArgumentHelp(
            "Most children of one principal, or anonymous address. Default a quarter.", valueName: "count"))
    var principalChildren: String?
    @Option(
        help: ArgumentHelp(
            "What a child and all that it starts may take of memory. Default: by its runtime.", valueName: "size"))
    var childMemory: String?
    @Option(help: ArgumentHelp("Most calls that one child runs at once. Default 16.", valueName: "count"))
    var childCalls: String?
    @Option(help: ArgumentHelp("Without calls for so long, a child is stopped. Default 5m.", valueName: "duration"))
    var childIdleTimeout: String?
    @Option(help: ArgumentHelp("Longest time a child may take to start. Default 60s.", valueName: "duration"))
    var childStartTimeout: String?
    @Option(help: ArgumentHelp("Children that are started ahead. Default 0.", valueName: "count"))
    var spares: String?
    @Flag(help: "The child's folder is its home directory too.")
    var childHome = false
    @Option(help: ArgumentHelp("Run children in bubblewrap: off, on, or no-network. Default off.", valueName: "mode"))
    var sandbox: String?
    @Option(
        help: ArgumentHelp(
            "Where the folders of children lie while they run. Default: beside the SQLite file.", valueName: "path"))
    var folders: String?
    @Option(help: ArgumentHelp("Most bytes of one child's folder that are kept. Default 64MiB.", valueName: "size"))
    var maxFolder: String?
    @Option(
        help: ArgumentHelp(
            "Whether children's folders are kept while they do not run: true or false. Default true.", valueName: "flag"
        ))
    var keepFolders: String?
    @Option(help: ArgumentHelp("Configuration file. Default torpor.yaml, if there is one.", valueName: "path"))
    var config: String?

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("A stdio MCP server to host: its command, after --.", valueName: "command"))
    var command: [String] = []

    /// What was given, by key.
    var given: [String: String] {
        let values: [(ServeKey, String?)] = [
            (.host, self.host), (.port, self.port), (.adminPort, self.adminPort), (.adminHost, self.adminHost),
            (.adminTokenFile, self.adminTokenFile), (.server, self.server), (.stdio, self.stdio ? "true" : nil),
            (.store, self.store), (.keyFile, self.keyFile), (.sessionLifetime, self.sessionLifetime),
            (.durability, self.durability), (.idleTimeout, self.idleTimeout), (.retention, self.retention),
            (.residentMemory, self.residentMemory), (.objectMemory, self.objectMemory),
            (.objectValues, self.objectValues), (.storage, self.storage), (.principalMemory, self.principalMemory),
            (.principalStorage, self.principalStorage), (.principalObjects, self.principalObjects),
            (.compression, self.compression),
            (.auth, self.auth), (.tlsCertificateFile, self.tlsCertificateFile), (.tlsKeyFile, self.tlsKeyFile),
            (.insecure, self.insecure ? "true" : nil), (.allowedHosts, self.allowedHosts),
            (.allowedOrigins, self.allowedOrigins),
            (.maxRequest, self.maxRequest), (.memoryLimit, self.memoryLimit), (.maxCalls, self.maxCalls),
            (.callMemory, self.callMemory), (.maxQueuedCalls, self.maxQueuedCalls), (.queueTimeout, self.queueTimeout),
            (.principalCalls, self.principalCalls), (.principalQueuedCalls, self.principalQueuedCalls),
            (.principalRate, self.principalRate),
            (.maxConnections, self.maxConnections), (.maxConnectionsPerAddress, self.maxConnectionsPerAddress),
            (.maxBuffers, self.maxBuffers), (.maxStreams, self.maxStreams), (.maxStreamBytes, self.maxStreamBytes),
            (.heartbeat, self.heartbeat), (.resumeGrace, self.resumeGrace), (.callTimeout, self.callTimeout),
            (.drainDelay, self.drainDelay),
            (.servers, self.servers),
            (.upstream, self.upstream),
            (.per, self.per),
            (.children, self.children),
            (.principalChildren, self.principalChildren),
            (.childMemory, self.childMemory),
            (.childCalls, self.childCalls),
            (.childIdleTimeout, self.childIdleTimeout),
            (.childStartTimeout, self.childStartTimeout),
            (.spares, self.spares),
            (.childHome, self.childHome ? "true" : nil),
            (.sandbox, self.sandbox),
            (.folders, self.folders),
            (.maxFolder, self.maxFolder),
            (.keepFolders, self.keepFolders),
            (.gracePeriod, self.gracePeriod), (.eventLoops, self.eventLoops), (.logLevel, self.logLevel),
        ]
        return values.reduce(into: [:]) { given, pair in given[pair.0.rawValue] = pair.1 }
    }
}

/// The keys of the configuration, the same as flags (`--max-request`), in the environment (`TORPOR_MAX_REQUEST`) and in
/// the file.
enum ServeKey: String, CaseIterable {
    case host, port
    case adminPort = "admin-port"
    case adminHost = "admin-host"
    case adminTokenFile = "admin-token-file"
    case server, stdio, store
    case keyFile = "key-file"
    case sessionLifetime = "session-lifetime"
    case durability
    case idleTimeout = "idle-timeout"
    case retention
    case residentMemory = "resident-memory"
    case objectMemory = "object-memory"
    case objectValues = "object-values"
    case storage
    case principalMemory = "principal-memory"
    case principalStorage = "principal-storage"
    case principalObjects = "principal-objects"
    case compression
    case auth
    case tlsCertificateFile = "tls-certificate-file"
    case tlsKeyFile = "tls-key-file"
    case insecure
    case allowedHosts = "allowed-hosts"
    case allowedOrigins = "allowed-origins"
    case maxRequest = "max-request"
    case memoryLimit = "memory-limit"
    case maxCalls = "max-calls"
    case callMemory = "call-memory"
    case maxQueuedCalls = "max-queued-calls"
    case queueTimeout = "queue-timeout"
    case principalCalls = "principal-calls"
    case principalQueuedCalls = "principal-queued-calls"
    case principalRate = "principal-rate"
    case maxConnections = "max-connections"
    case maxConnectionsPerAddress = "max-connections-per-address"
    case maxBuffers = "max-buffers"
    case maxStreams = "max-streams"
    case maxStreamBytes = "max-stream-bytes"
    case heartbeat
    case resumeGrace = "resume-grace"
    case callTimeout = "call-timeout"
    case drainDelay = "drain-delay"
    case gracePeriod = "grace-period"
    case eventLoops = "event-loops"
    case logLevel = "log-level"
    case servers
    case upstream
    case per
    case children
    case principalChildren = "principal-children"
    case childMemory = "child-memory"
    case childCalls = "child-calls"
    case childIdleTimeout = "child-idle-timeout"
    case childStartTimeout = "child-start-timeout"
    case spares
    case childHome = "child-home"
    case sandbox
    case folders
    case maxFolder = "max-folder"
    case keepFolders = "keep-folders"

    /// The variable that sets it.
    var variable: String { "TORPOR_" + self.rawValue.uppercased().map { $0 == "-" ? "_" : $0 } }
}
