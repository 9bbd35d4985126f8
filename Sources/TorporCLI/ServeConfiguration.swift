import Glibc
import Logging
import Torpor
import TorporHosting
import TorporHTTP
import TorporServers
import TorporSystem

/// The settings of `torpor serve`, checked and complete. Files are named, not read.
struct ServeConfiguration {
    var http = HTTPConfiguration()
    var limits = CallLimits()
    var streams = StreamLimits()
    /// Serve one client on standard input and output instead of a port.
    var isStdio = false
    var adminHost = "127.0.0.1"
    var adminPort = 9_464
    var adminTokenFilePath: String?
    var server = BuiltInServer.workbench
    var store = StoreSetting.sqlite(path: "./torpor.db")
    var state = StateSettings()
    var keyFile: KeyFile?
    var sessionLifetime = Duration.seconds(86_400)
    var tokenFilePath: String?
    var tlsFiles: TLSFiles?
    var logLevel = Logger.Level.info

    var hosting: HostingSettings?

    /// Reads the environment, and the configuration file if there is one.
    init(_ options: ServeOptions) throws(ConfigurationError) {
        let environment = ProcessEnvironment.all
        let file = try ConfigurationFile.read(named: options.config ?? environment["TORPOR_CONFIG"])
        try self.init(
            ConfigurationSources(flags: options.given, environment: environment, file: file),
            command: options.command, file: file)
    }

    /// - Parameters:
    ///   - command: What is hosted, as it was given after `--`.
    ///   - file: The configuration file, if there is one.
    init(
        _ sources: ConfigurationSources, command: [String] = [], file: (name: String, text: String)? = nil
    ) throws(ConfigurationError) {
        try self.readEndpoint(sources)
        try self.readLimits(sources)
        if let setting = sources[.server] {
            guard let server = BuiltInServer(rawValue: setting.text) else {
                throw setting.fault(
                    "built-in server; they are \(BuiltInServer.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self.server = server
        }
        if let setting = sources[.stdio] {
            guard let flag = Bool(setting.text) else { throw setting.fault("Boolean; use true or false") }
            self.isStdio = flag
        }
        // Several clients may start a server of their own in the same folder, and one process has a file at a time.
        if self.isStdio { self.store = .memory }
        if let setting = sources[.store] { self.store = try StoreSetting(setting) }
        let hosting = try HostingSettings(sources, command: command, file: file, store: self.store)
        if hosting.source != nil { self.hosting = hosting }
        if let setting = sources[.keyFile] {
            self.keyFile = KeyFile(path: setting.text)
        } else if case .sqlite(let path) = self.store {
            self.keyFile = KeyFile(path: path + ".keys")
        }
        if let setting = sources[.sessionLifetime] {
            self.sessionLifetime = try Self.duration(setting, least: .seconds(1))
        }
        self.state = try StateSettings(
            sources, sessionLifetime: self.sessionLifetime,
            memory: MemoryLimit.derive(explicit: self.http.memoryLimit)?.bytes)
        if let setting = sources[.auth], setting.text != "none" {
            guard setting.text.hasPrefix("token-file="), setting.text.count > "token-file=".count else {
                throw setting.fault("way of authentication; use none or token-file=PATH")
            }
            self.tokenFilePath = String(setting.text.dropFirst("token-file=".count))
        }
        self.tlsFiles = try Self.tlsFiles(sources)
        if let setting = sources[.logLevel] {
            guard let level = Logger.Level(rawValue: setting.text) else {
                throw setting.fault("log level; use trace, debug, info, notice, warning, error or critical")
            }
            self.logLevel = level
        }
    }

    /// The files with keys, tokens and state, by absolute paths.
    var ownPaths: [String] {
        var paths = [self.keyFile?.path, self.tokenFilePath, self.adminTokenFilePath, self.tlsFiles?.key].compactMap {
            $0
        }
        if case .sqlite(let path) = self.store { paths += [path, path + "-wal", path + "-shm"] }
        return paths.compactMap { path in
            // What is not there is not hidden.
            guard let absolute = realpath(path, nil) else { return nil }
            defer { free(absolute) }
            return String(cString: absolute)
        }
    }

    /// What is served, in words.
    var servedName: String {
        self.hosting?.name ?? self.server.rawValue
    }

    private mutating func readEndpoint(_ sources: ConfigurationSources) throws(ConfigurationError) {
        if let setting = sources[.host] { self.http.host = setting.text }
        if let setting = sources[.port] {
            self.http.port = try Self.integer(setting, in: 0...65_535, "port (0 to 65535)")
        }
        if let setting = sources[.adminHost] { self.adminHost = setting.text }
        if let setting = sources[.adminTokenFile] { self.adminTokenFilePath = setting.text }
        if let setting = sources[.adminPort] {
            self.adminPort = try Self.integer(setting, in: 0...65_535, "port (0 to 65535)")
        }
        if self.adminPort != 0, self.adminPort == self.http.port {
            throw ConfigurationError(
                description: "admin-port: \(self.adminPort) is the port of the MCP endpoint already")
        }
        if let setting = sources[.insecure] {
            guard let flag = Bool(setting.text) else { throw setting.fault("Boolean; use true or false") }
            self.http.allowsAnonymousBeyondLoopback = flag
        }
        if let setting = sources[.allowedHosts] {
            self.http.allowedHosts = Self.list(setting)
            // Ports are not compared, so a name with one would never match.
            guard self.http.allowedHosts.allSatisfy({ !$0.contains("/") && ($0.hasSuffix("]") || !$0.contains(":")) })
            else {
                throw setting.fault("list of host names such as app.example.com, without scheme and port")
            }
        }
        if let setting = sources[.allowedOrigins] {
            self.http.allowedOrigins = Self.list(setting)
            guard self.http.allowedOrigins.allSatisfy({ Self.isOrigin($0) }) else {
                throw setting.fault("list of origins such as https://app.example.com, without a path")
            }
        }
        if let setting = sources[.eventLoops] {
            self.http.eventLoopCount = try Self.integer(setting, in: 1...256, "count (1 to 256)")
        }
    }

    private mutating func readLimits(_ sources: ConfigurationSources) throws(ConfigurationError) {
        let counts = 1...1_000_000
        if let setting = sources[.maxRequest] {
            self.http.requestMax = try Self.size(setting, in: .kibibytes(1)...(.gibibytes(1)))
        }
        if let setting = sources[.maxBuffers] {
            self.http.buffersMax = try Self.size(setting, in: .mebibytes(1)...(.gibibytes(1_024)))
        }
        guard self.http.requestMax <= self.http.buffersMax else {
            throw ConfigurationError(
                description:
                    "max-request: one request of \(self.http.requestMax) would not fit in max-buffers, \(self.http.buffersMax)"
            )
        }
        if let setting = sources[.memoryLimit] {
            self.http.memoryLimit = try Self.size(setting, in: .mebibytes(16)...(.gibibytes(1 << 20)))
        }
        try self.readCalls(sources, counts)
        if let setting = sources[.maxConnections] {
            self.http.connectionsMax = try Self.integer(setting, in: counts, "count (1 to 1000000)")
            self.http.connectionsPerAddressMax = max(1, self.http.connectionsMax / 4)
        }
        if let setting = sources[.maxConnectionsPerAddress] {
            self.http.connectionsPerAddressMax = try Self.integer(setting, in: counts, "count (1 to 1000000)")
        }
        if let setting = sources[.callTimeout] {
            self.http.callTimeout = try Self.duration(setting, least: .seconds(1))
        }
        if let setting = sources[.heartbeat] {
            self.http.heartbeatInterval = try Self.duration(setting, least: .seconds(1))
        }
        if let setting = sources[.maxStreams] {
            self.streams.streamsMax = try Self.integer(setting, in: 1...10_000, "count (1 to 10000)")
        }
        if let setting = sources[.maxStreamBytes] {
            self.streams.totalMax = try Self.size(setting, in: .mebibytes(1)...(.gibibytes(1_024)))
        }
        if let setting = sources[.resumeGrace] {
            self.streams.resumeGrace = try Self.duration(setting, least: .seconds(1))
        }
        if let setting = sources[.drainDelay] { self.http.drainDelay = try Self.duration(setting, least: .zero) }
        if let setting = sources[.gracePeriod] { self.http.gracePeriod = try Self.duration(setting, least: .zero) }
    }

    private mutating func readCalls(
        _ sources: ConfigurationSources, _ counts: ClosedRange<Int>
    ) throws(ConfigurationError) {
        if let setting = sources[.maxCalls] {
            self.limits.callsMax = try Self.integer(setting, in: counts, "count (1 to 1000000)")
        }
        if let setting = sources[.callMemory] {
            self.limits.memoryMax = try Self.size(setting, in: .mebibytes(1)...(.gibibytes(1_024)))
        }
        if let setting = sources[.maxQueuedCalls] {
            self.limits.queuedMax = try Self.integer(setting, in: 0...1_000_000, "count (0 to 1000000)")
        }
        if let setting = sources[.queueTimeout] {
            self.limits.queueTimeout = try Self.duration(setting, least: .milliseconds(1))
            guard self.limits.queueTimeout <= .seconds(86_400) else { throw setting.fault("duration of at most 24h") }
        }
        if let setting = sources[.principalCalls], setting.text != "off" {
            self.limits.principalCallsMax = try Self.integer(setting, in: counts, "count (1 to 1000000, or off)")
        }
        if let setting = sources[.principalQueuedCalls] {
            self.limits.principalQueuedMax = try Self.integer(
                setting, in: 1...max(1, self.limits.queuedMax), "count of at least 1 and at most max-queued-calls")
        }
        if let setting = sources[.principalRate], setting.text != "off" {
            self.limits.principalRate = try Self.rate(setting)
        }
    }

    /// `20`, or with a burst `20,100`.
    private static func rate(_ setting: ConfigurationSources.Setting) throws(ConfigurationError) -> CallRate {
        let parts = setting.text.split(separator: ",", omittingEmptySubsequences: false)
        guard let first = parts.first, let perSecond = Double(first), (0.001...1_000_000).contains(perSecond),
            parts.count <= 2
        else { throw setting.fault("rate a second such as 20, with a burst such as 20,100, or off") }
        guard parts.count == 2 else { return CallRate(perSecond: perSecond) }
        guard let burst = Int(parts[1]), (1...1_000_000).contains(burst) else {
            throw setting.fault("rate with a burst of 1 to 1000000, such as 20,100")
        }
        return CallRate(perSecond: perSecond, burst: burst)
    }

    private static func tlsFiles(_ sources: ConfigurationSources) throws(ConfigurationError) -> TLSFiles? {
        switch (sources[.tlsCertificateFile], sources[.tlsKeyFile]) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLSFiles(certificate: certificate.text, key: key.text)
        case (let given?, nil):
            throw ConfigurationError(description: "\(given.origin): TLS needs the key as well; set tls-key-file")
        case (nil, let given?):
            throw ConfigurationError(
                description: "\(given.origin): TLS needs the certificate as well; set tls-certificate-file")
        }
    }

    static func integer(
        _ setting: ConfigurationSources.Setting, in range: ClosedRange<Int>, _ name: String
    ) throws(ConfigurationError) -> Int {
        guard let number = Int(setting.text), range.contains(number) else { throw setting.fault(name) }
        return number
    }

    static func size(
        _ setting: ConfigurationSources.Setting, in range: ClosedRange<ByteCount>
    ) throws(ConfigurationError) -> ByteCount {
        guard let size = ByteCount(parsing: setting.text), range.contains(size) else {
            throw setting.fault("size from \(range.lowerBound) to \(range.upperBound), such as 4MiB")
        }
        return size
    }

    static func duration(_ setting: ConfigurationSources.Setting, least: Duration) throws(ConfigurationError)
        -> Duration
    {
        guard let duration = Duration(parsing: setting.text), duration >= least else {
            throw setting.fault("duration of at least \(least.text), such as 30s, 10m or 24h")
        }
        return duration
    }

    private static func list(_ setting: ConfigurationSources.Setting) -> [String] {
        setting.text.split(separator: ",").compactMap { entry in
            guard let first = entry.firstIndex(where: { $0 != " " }), let last = entry.lastIndex(where: { $0 != " " })
            else { return nil }
            return String(entry[first...last])
        }
    }

    /// Whether the text is a scheme and a host, perhaps with a port, as browsers send it.
    private static func isOrigin(_ text: String) -> Bool {
        guard let mark = text.firstRange(of: "://"), mark.lowerBound > text.startIndex else { return false }
        let host = text[mark.upperBound...]
        return !host.isEmpty && !host.contains("/")
    }
}

/// The files of a listener that speaks TLS.
struct TLSFiles: Equatable {
    let certificate: String
    let key: String
}
