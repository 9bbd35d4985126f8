import ArgumentParser
import Logging
import Testing
import Torpor
import TorporHTTP
import TorporServers
import TorporSystem

@testable import TorporCLI

@Suite struct ServeConfigurationTests {
    /// For each setting two values, and how to read back which of them is in force.
    struct Sample: Sendable, CustomTestStringConvertible {
        let key: ServeKey
        let values: [String]
        /// What else has to be set for it to make sense.
        let companions: [ServeKey: String]
        let read: @Sendable (ServeConfiguration) -> String

        init(
            _ key: ServeKey, _ first: String, _ second: String, with companions: [ServeKey: String] = [:],
            _ read: @escaping @Sendable (ServeConfiguration) -> String
        ) {
            self.key = key
            self.values = [first, second]
            self.companions = companions
            self.read = read
        }

        /// The flags of the companions and of the setting itself, if it is given a value.
        func flags(_ value: String? = nil) -> [String: String] {
            var flags: [String: String] = [:]
            for (key, text) in self.companions { flags[key.rawValue] = text }
            flags[self.key.rawValue] = value
            return flags
        }

        var testDescription: String { self.key.rawValue }
    }

    static let samples: [Sample] = [
        Sample(.host, "localhost", "127.0.0.2") { $0.http.host },
        Sample(.port, "0", "65535") { "\($0.http.port)" },
        Sample(.adminPort, "1", "0") { "\($0.adminPort)" },
        Sample(.adminHost, "::1", "localhost") { $0.adminHost },
        Sample(.adminTokenFile, "a.tokens", "b.tokens") { $0.adminTokenFilePath ?? "none" },
        Sample(.server, "workbench", "bench") { $0.server.rawValue },
        Sample(.stdio, "true", "false") { "\($0.isStdio)" },
        Sample(.store, "memory:", "sqlite:a b.db") { "\($0.store)" },
        Sample(.keyFile, "a.key", "b.key") { $0.keyFile?.path ?? "none" },
        Sample(.sessionLifetime, "3600s", "5s") { "\($0.sessionLifetime.components.seconds)s" },
        Sample(.durability, "interval=2s", "acknowledged") {
            $0.state.durability == .interval(.seconds(2)) ? "interval=2s" : "acknowledged"
        },
        Sample(.idleTimeout, "1s", "10m") { $0.state.idleTimeout.text },
        Sample(.retention, "24h", "365d") { $0.state.retention.text },
        Sample(.residentMemory, "1073741824", "33554432") { "\($0.state.residentMax.bytes)" },
        Sample(.objectMemory, "1024", "2048") { "\($0.state.objectMax.bytes)" },
        Sample(.objectValues, "1", "1000000") { "\($0.state.objectValuesMax)" },
        Sample(.storage, "1048576", "2097152") { "\($0.state.storageMax.bytes)" },
        Sample(.principalMemory, "8388608", "16777216") { "\($0.state.principalMemory?.bytes ?? 0)" },
        Sample(.principalStorage, "1024", "2048") { "\($0.state.principalStorage?.bytes ?? 0)" },
        Sample(.principalObjects, "1", "1000000000") { "\($0.state.principalObjects)" },
        Sample(.compression, "none", "zstd") { $0.state.compresses ? "zstd" : "none" },
        Sample(.auth, "token-file=x", "token-file=a=b") { $0.tokenFilePath.map { "token-file=\($0)" } ?? "none" },
        Sample(.tlsCertificateFile, "a.pem", "b.pem", with: [.tlsKeyFile: "k"]) { $0.tlsFiles?.certificate ?? "none" },
        Sample(.tlsKeyFile, "a.key", "b.key", with: [.tlsCertificateFile: "c"]) { $0.tlsFiles?.key ?? "none" },
        Sample(.insecure, "true", "false") { "\($0.http.allowsAnonymousBeyondLoopback)" },
        Sample(.allowedHosts, "a.example", "b.example,[2001:db8::1]") { $0.http.allowedHosts.joined(separator: ",") },
        Sample(.allowedOrigins, "https://a.example", "http://b.example:1,vscode-webview://x") {
            $0.http.allowedOrigins.joined(separator: ",")
        },
        Sample(.maxRequest, "1024", "2048") { "\($0.http.requestMax.bytes)" },
        Sample(.memoryLimit, "16777216", "1099511627776") { "\($0.http.memoryLimit?.bytes ?? 0)" },
        Sample(.maxCalls, "1", "1000000") { "\($0.limits.callsMax)" },
        Sample(.callMemory, "1048576", "2097152") { "\($0.limits.memoryMax?.bytes ?? 0)" },
        Sample(.maxQueuedCalls, "0", "1000000") { "\($0.limits.queuedMax)" },
        Sample(.queueTimeout, "1ms", "24h") { $0.limits.queueTimeout.text },
        Sample(.principalCalls, "3", "off") { $0.limits.principalCallsMax.map { "\($0)" } ?? "off" },
        Sample(.principalQueuedCalls, "1", "1024") { "\($0.limits.principalQueuedMax ?? 0)" },
        Sample(.principalRate, "20,100", "off") {
            $0.limits.principalRate.map { "\(Int($0.perSecond)),\($0.burst)" } ?? "off"
        },
        Sample(.maxConnections, "4", "5") { "\($0.http.connectionsMax)" },
        Sample(.maxConnectionsPerAddress, "6", "7") { "\($0.http.connectionsPerAddressMax)" },
        Sample(.maxBuffers, "8388608", "16777216") { "\($0.http.buffersMax.bytes)" },
        Sample(.maxStreams, "1", "10000") { "\($0.streams.streamsMax)" },
        Sample(.maxStreamBytes, "1048576", "2097152") { "\($0.streams.totalMax.bytes)" },
        Sample(.heartbeat, "1s", "60s") { "\($0.http.heartbeatInterval.components.seconds)s" },
        Sample(.resumeGrace, "1s", "300s") { "\($0.streams.resumeGrace.components.seconds)s" },
        Sample(.callTimeout, "1s", "90s") { "\($0.http.callTimeout.components.seconds)s" },
        Sample(.drainDelay, "2s", "0s") { "\($0.http.effectiveDrainDelay.components.seconds)s" },
        Sample(.gracePeriod, "3s", "0s") { "\($0.http.gracePeriod.components.seconds)s" },
        Sample(.eventLoops, "1", "256") { "\($0.http.eventLoopCount)" },
        Sample(.logLevel, "trace", "critical") { $0.logLevel.rawValue },
    ]

    @Test func everySettingHasASample() {
        // Those of hosted servers have tests of their own.
        let hosting = HostingSettings.keys.map(\.flag) + [.servers, .upstream, .folders]
        #expect(Self.samples.map(\.key) == ServeKey.allCases.filter { !hosting.contains($0) })
    }

    @Test(arguments: samples)
    func everySettingCanComeFromEachLayer(sample: Sample) throws {
        for value in sample.values {
            let sources = [
                try ConfigurationSources(flags: sample.flags(value), environment: [:], file: nil),
                try ConfigurationSources(
                    flags: sample.flags(), environment: [sample.key.variable: value], file: nil),
                try ConfigurationSources(
                    flags: sample.flags(), environment: [:],
                    file: ("torpor.yaml", "\(sample.key.rawValue): \"\(value)\"")),
            ]
            for source in sources { #expect(sample.read(try ServeConfiguration(source)) == value) }
        }
    }

    @Test(arguments: samples)
    func flagsComeBeforeTheEnvironmentAndThatBeforeTheFile(sample: Sample) throws {
        let file = (name: "torpor.yaml", text: "\(sample.key.rawValue): \"\(sample.values[0])\"")
        let overFile = try ConfigurationSources(
            flags: sample.flags(), environment: [sample.key.variable: sample.values[1]], file: file)
        #expect(sample.read(try ServeConfiguration(overFile)) == sample.values[1])
        let overAll = try ConfigurationSources(
            flags: sample.flags(sample.values[0]), environment: [sample.key.variable: sample.values[1]], file: file)
        #expect(sample.read(try ServeConfiguration(overAll)) == sample.values[0])
    }

    @Test(arguments: samples)
    func everySettingIsAFlag(sample: Sample) throws {
        let value = sample.values[0]
        let arguments =
            [.insecure, .stdio].contains(sample.key)
            ? ["--\(sample.key.rawValue)"] : ["--\(sample.key.rawValue)", value]
        #expect(try ServeOptions.parse(arguments).given == [sample.key.rawValue: value])
    }

    @Test func withoutSettingsTheDefaultsHold() throws {
        let configuration = try Self.configuration()
        let defaults = HTTPConfiguration()
        #expect(configuration.http.host == "127.0.0.1")
        #expect(configuration.http.port == 8_080)
        #expect(configuration.http.requestMax == defaults.requestMax)
        #expect(configuration.http.connectionsMax == 10_000)
        #expect(configuration.limits.callsMax == 1_024)
        #expect(configuration.limits.principalCallsMax == nil)
        #expect(configuration.tokenFilePath == nil)
        #expect(configuration.store == .sqlite(path: "./torpor.db"))
        #expect(configuration.keyFile?.path == "./torpor.db.keys")
        #expect(configuration.state == StateSettings(memory: MemoryLimit.derive(explicit: nil)?.bytes))
        #expect(configuration.state.limits.memory.objectMax == .mebibytes(8))
        #expect(configuration.state.retention == .seconds(7 * 86_400) && configuration.state.compresses)
        #expect(try ServeOptions.parse([]).given.isEmpty)
    }

    @Test(arguments: [
        ("4MiB", 4 << 20), ("64 KiB", 64 << 10), ("1MB", 1_000_000), ("5000", 5_000), ("5000b", 5_000),
        ("1gib", 1 << 30),
    ])
    func sizesTakeUnits(text: String, bytes: Int) throws {
        #expect(try Self.configuration(["max-request": text, "max-buffers": "2GiB"]).http.requestMax == .bytes(bytes))
    }

    @Test(arguments: [
        ("1500ms", Duration.milliseconds(1_500)), ("30s", .seconds(30)), ("10m", .seconds(600)),
        ("24h", .seconds(86_400)),
        ("7d", .seconds(604_800)),
    ])
    func durationsTakeUnits(text: String, duration: Duration) throws {
        #expect(try Self.configuration(["call-timeout": text]).http.callTimeout == duration)
    }

    @Test(arguments: [
        ("port", "65536"), ("port", "-1"), ("port", "http"), ("port", ""), ("admin-port", "70000"),
        ("max-request", "1023"), ("max-request", "1GiB1"), ("max-request", "2GiB"), ("max-request", "many"),
        ("max-request", "-4MiB"),
        ("max-buffers", "1023KiB"), ("max-calls", "0"), ("max-calls", "1000001"), ("principal-calls", "0"),
        ("memory-limit", "15MiB"), ("call-memory", "1023KiB"), ("max-queued-calls", "-1"), ("queue-timeout", "0s"),
        ("queue-timeout", "25h"),
        ("principal-queued-calls", "0"), ("principal-queued-calls", "1025"), ("principal-rate", "0"),
        ("principal-rate", "fast"), ("principal-rate", "20,"), ("principal-rate", "20,0"), ("principal-rate", "1,2,3"),
        ("max-connections", "0"),
        ("max-connections-per-address", "x"), ("call-timeout", "0s"), ("call-timeout", "30"), ("call-timeout", "999ms"),
        ("drain-delay", "5"), ("grace-period", "-1s"), ("session-lifetime", "0s"), ("event-loops", "0"),
        ("event-loops", "257"),
        ("insecure", "yes"), ("server", "shop"), ("store", "redis://x"), ("auth", "token-file="), ("auth", "jwt"),
        ("log-level", "loud"),
        ("allowed-hosts", "a.example:80"), ("allowed-hosts", "http://a.example"), ("allowed-origins", "a.example"),
        ("allowed-origins", "https://a.example/"), ("allowed-origins", "https://a.example/x"),
        ("allowed-origins", "https://"),
        ("allowed-origins", "://a.example"),
    ])
    func aFaultyValueIsRefusedWithItsPlaceAndWhatWasExpected(key: String, value: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try Self.configuration([key: value]) }
        #expect(error?.description.hasPrefix("--\(key): \"\(value)\" is no ") == true)
        let variable = try #require(ServeKey(rawValue: key)).variable
        let fromEnvironment = #expect(throws: ConfigurationError.self) {
            try ServeConfiguration(ConfigurationSources(flags: [:], environment: [variable: value], file: nil))
        }
        #expect(fromEnvironment?.description.hasPrefix("\(variable): ") == true)
    }

    @Test func settingsThatContradictEachOtherAreRefused() {
        let large = #expect(throws: ConfigurationError.self) {
            try Self.configuration(["max-request": "8MiB", "max-buffers": "4MiB"])
        }
        #expect(large?.description == "max-request: one request of 8 MiB would not fit in max-buffers, 4 MiB")
        let ports = #expect(throws: ConfigurationError.self) { try Self.configuration(["port": "9464"]) }
        #expect(ports?.description == "admin-port: 9464 is the port of the MCP endpoint already")
    }

    @Test func theFilesOfTLSAreGivenBothOrNone() throws {
        #expect(try Self.configuration().tlsFiles == nil)
        let noKey = #expect(throws: ConfigurationError.self) {
            try Self.configuration(["tls-certificate-file": "a.pem"])
        }
        #expect(noKey?.description == "--tls-certificate-file: TLS needs the key as well; set tls-key-file")
        let noCertificate = #expect(throws: ConfigurationError.self) {
            try ServeConfiguration(
                ConfigurationSources(flags: [:], environment: ["TORPOR_TLS_KEY_FILE": "a.key"], file: nil))
        }
        #expect(
            noCertificate?.description
                == "TORPOR_TLS_KEY_FILE: TLS needs the certificate as well; set tls-certificate-file")
    }

    @Test func oneAddressMayHoldAQuarterOfTheConnectionsUnlessToldOtherwise() throws {
        #expect(try Self.configuration(["max-connections": "100"]).http.connectionsPerAddressMax == 25)
        #expect(try Self.configuration(["max-connections": "3"]).http.connectionsPerAddressMax == 1)
        let both = try Self.configuration(["max-connections": "100", "max-connections-per-address": "50"])
        #expect(both.http.connectionsPerAddressMax == 50)
    }

    @Test func listsTakeBlanksAroundTheirEntries() throws {
        #expect(
            try Self.configuration(["allowed-hosts": " a.example , b.example,, "]).http.allowedHosts == [
                "a.example", "b.example",
            ])
        let file = (
            name: "torpor.yaml",
            text: "allowed-hosts: [a.example, b.example]\nallowed-origins:\n  - https://a.example\n"
        )
        let configuration = try ServeConfiguration(ConfigurationSources(flags: [:], environment: [:], file: file))
        #expect(configuration.http.allowedHosts == ["a.example", "b.example"])
        #expect(configuration.http.allowedOrigins == ["https://a.example"])
    }

    private static func configuration(_ flags: [String: String] = [:]) throws -> ServeConfiguration {
        try ServeConfiguration(ConfigurationSources(flags: flags, environment: [:], file: nil))
    }
}
