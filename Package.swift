// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

// Which allocator the program is linked with; see docs/decisions/0025-allocator.md.
let allocator: [Target.Dependency] = Context.environment["TORPOR_ALLOCATOR"] == "glibc" ? [] : ["CJemalloc"]

// Dependencies point inward: the pure core knows nothing of NIO, HTTP or a database.
let package = Package(
    name: "torpor",
    products: [
        .library(name: "Torpor", targets: ["Torpor"]),
        .library(name: "TorporHTTP", targets: ["TorporHTTP"]),
        .library(name: "TorporStdio", targets: ["TorporStdio"]),
        .library(name: "TorporStorage", targets: ["TorporStorage"]),
        .library(name: "TorporDownstream", targets: ["TorporDownstream"]),
        .library(name: "TorporTesting", targets: ["TorporTesting"]),
        .executable(name: "torpor", targets: ["TorporCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Pure core.
        .target(name: "TorporJSON", swiftSettings: settings),
        .target(
            name: "TorporCore", dependencies: [.product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: settings),
        .target(name: "TorporEncoding", dependencies: ["TorporJSON"], swiftSettings: settings),
        .target(name: "TorporProtocol", dependencies: ["TorporJSON"], swiftSettings: settings),
        .target(
            name: "TorporStore",
            dependencies: ["TorporCore", .product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: settings),

        // Keeps state in memory and brings it to the store.
        .target(name: "TorporEngine", dependencies: ["TorporCore", "TorporStore"], swiftSettings: settings),

        // The library that authors of MCP servers import.
        .target(
            name: "Torpor",
            dependencies: [
                "TorporCore", "TorporEncoding", "TorporEngine", "TorporJSON", "TorporProtocol", "TorporStore",
                "TorporSystem",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),

        // What the kernel says about memory, processes and limits, and what the allocator does.
        .target(name: "TorporSystem", dependencies: ["CThreads", "TorporCore"], swiftSettings: settings),
        .target(
            name: "TorporAllocator", dependencies: ["CMalloc", "CThreads", "TorporSystem"],
            swiftSettings: settings),

        // Adapters.
        .target(
            name: "TorporMetrics",
            dependencies: ["TorporSystem", .product(name: "CoreMetrics", package: "swift-metrics")],
            swiftSettings: settings
        ),
        .target(
            name: "TorporHTTP",
            dependencies: [
                "Torpor", "TorporAllocator", "TorporCore", "TorporJSON", "TorporProtocol", "TorporSystem",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),

        .target(
            name: "TorporStdio",
            dependencies: [
                "Torpor", "TorporAllocator", "TorporCore", "TorporProtocol",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),

        .target(
            name: "TorporSQLite",
            dependencies: [
                "CSQLite", "TorporCore", "TorporStore", "TorporSystem",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),

        // What keeps the state of servers: the engine, put together with its stores.
        .target(
            name: "TorporStorage",
            dependencies: [
                "Torpor", "TorporCompression", "TorporCore", "TorporEngine", "TorporSQLite", "TorporStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),

        // Requests of handlers to HTTP APIs.
        .target(
            name: "TorporDownstream",
            dependencies: [
                "Torpor", "TorporCore", "TorporJSON",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // Foreign servers under management: processes, conversations with them, and both for whoever calls.
        .target(name: "CWarden"),
        .target(
            name: "TorporChildren", dependencies: ["CWarden", "TorporCore", "TorporSystem"], swiftSettings: settings),
        .target(
            name: "TorporUpstream",
            dependencies: [
                "TorporCore", "TorporJSON", "TorporProtocol",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TorporUpstreamHTTP",
            dependencies: [
                "TorporCore", "TorporJSON", "TorporProtocol", "TorporUpstream",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "TorporHosting",
            dependencies: [
                "Torpor", "TorporChildren", "TorporCore", "TorporEncoding", "TorporEngine", "TorporJSON",
                "TorporProtocol", "TorporStore", "TorporSystem", "TorporUpstream", "TorporUpstreamHTTP",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // Test support for authors of MCP servers.
        .target(
            name: "TorporTesting",
            dependencies: [
                "Torpor", "TorporCore", "TorporEngine", "TorporHTTP", "TorporJSON", "TorporProtocol",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),

        // What trials share: random numbers by seed, which torpor soak plans its agents by too, models, traces.
        .target(name: "TorporTestSupport", dependencies: ["TorporCore"], swiftSettings: settings),
        // What every adapter of the store's port is tried with. Test support: no product has it.
        .target(
            name: "TorporStoreTestKit", dependencies: ["TorporCore", "TorporStore", "TorporTestSupport"],
            swiftSettings: settings),
        // The engine in simulation, and the program that runs many seeds of it; see docs/simulation.md. Test support.
        .target(
            name: "TorporSimulation", dependencies: ["TorporCore", "TorporEngine", "TorporStore", "TorporTestSupport"],
            swiftSettings: settings),
        .executableTarget(
            name: "TorporSimulator",
            dependencies: ["TorporSimulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: settings),
        .target(name: "TorporCompression", dependencies: ["CZstd", "TorporCore"], swiftSettings: settings),

        // Loads any MCP server and tells whether its memory grows; see docs/guides/soak.md.
        .target(
            name: "TorporSoak",
            dependencies: [
                "TorporJSON", "TorporSystem", "TorporTestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // C libraries, from Debian's -dev packages, and what is glibc's own.
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CMalloc"),
        // How jemalloc is set, for programs; and what Glibc's module lacks of threads.
        .target(name: "CMallocSettings"),
        .target(name: "CThreads"),
        .systemLibrary(name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

        // The program.
        .target(
            name: "TorporServers", dependencies: ["Torpor", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .executableTarget(
            name: "TorporCLI",
            dependencies: [
                "CMalloc", "CMallocSettings", "CYaml", "Torpor", "TorporAllocator", "TorporChildren", "TorporCore",
                "TorporEngine", "TorporHosting", "TorporHTTP", "TorporJSON", "TorporMetrics", "TorporSQLite",
                "TorporServers", "TorporSoak",
                "TorporStdio",
                "TorporStorage", "TorporStore", "TorporSystem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ] + allocator,
            swiftSettings: settings
        ),

        // Examples.
        .executableTarget(
            name: "ShopExample", dependencies: ["Torpor", "TorporHTTP"], path: "Examples/Shop", swiftSettings: settings),
        .executableTarget(
            name: "NotebookExample", dependencies: ["Torpor", "TorporHTTP"], path: "Examples/Notebook",
            swiftSettings: settings),
        .executableTarget(
            name: "QuizExample", dependencies: ["Torpor", "TorporHTTP", "TorporStorage"], path: "Examples/Quiz",
            swiftSettings: settings),

        // What is fuzzed, and how; see Fuzzing/README.md. Test support: no product has it.
        .target(
            name: "TorporFuzzing",
            dependencies: [
                "Torpor", "TorporCompression", "TorporCore", "TorporEncoding", "TorporHTTP", "TorporJSON",
                "TorporProtocol", "TorporTestSupport",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Fuzzing/Targets",
            swiftSettings: settings
        ),

        // Tests.
        .testTarget(
            name: "TorporFuzzingTests", dependencies: ["TorporFuzzing", "TorporTestSupport"], swiftSettings: settings),
        .testTarget(
            name: "TorporJSONTests", dependencies: ["TorporJSON", "TorporTestSupport"], swiftSettings: settings),
        .testTarget(
            name: "TorporCoreTests", dependencies: ["TorporCore", "TorporTestSupport"], swiftSettings: settings),
        .testTarget(
            name: "TorporEngineTests",
            dependencies: ["TorporCore", "TorporEngine", "TorporStore", "TorporTestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SimulationTests", dependencies: ["TorporCore", "TorporEngine", "TorporSimulation", "TorporStore"],
            swiftSettings: settings),
        .testTarget(
            name: "TorporEncodingTests", dependencies: ["TorporEncoding", "TorporJSON", "TorporTestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "TorporStoreTests", dependencies: ["TorporStore", "TorporStoreTestKit"], swiftSettings: settings),
        .testTarget(
            name: "TorporCompressionTests", dependencies: ["TorporCompression", "TorporCore"], swiftSettings: settings),
        .testTarget(
            name: "TorporSQLiteTests",
            dependencies: [
                "CSQLite", "TorporCore", "TorporSQLite", "TorporStore", "TorporStoreTestKit", "TorporSystem",
                "TorporTestSupport",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporSystemTests", dependencies: ["TorporCore", "TorporSystem"], swiftSettings: settings),
        .testTarget(
            name: "TorporSoakTests",
            dependencies: [
                "Torpor", "TorporJSON", "TorporSoak", "TorporTestSupport", "TorporTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporChildrenTests", dependencies: ["CWarden", "TorporChildren", "TorporCore", "TorporSystem"],
            swiftSettings: settings),
        .testTarget(
            name: "TorporUpstreamTests",
            dependencies: [
                "TorporCore", "TorporJSON", "TorporProtocol", "TorporUpstream",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporUpstreamHTTPTests",
            dependencies: [
                "TorporCore", "TorporJSON", "TorporProtocol", "TorporUpstream", "TorporUpstreamHTTP",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporHostingTests",
            dependencies: [
                "Torpor", "TorporChildren", "TorporCompression", "TorporCore", "TorporEncoding", "TorporEngine",
                "TorporHosting", "TorporJSON", "TorporProtocol", "TorporSQLite", "TorporStore", "TorporSystem",
                "TorporTesting", "TorporTestSupport", "TorporUpstream", "TorporUpstreamHTTP",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporAllocatorTests", dependencies: ["TorporAllocator", "TorporSystem"], swiftSettings: settings),
        .testTarget(
            name: "TorporMetricsTests",
            dependencies: ["TorporMetrics", .product(name: "Metrics", package: "swift-metrics")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporProtocolTests", dependencies: ["TorporJSON", "TorporProtocol", "TorporTestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "TorporTests",
            dependencies: [
                "Torpor", "TorporCore", "TorporEngine", "TorporJSON", "TorporMetrics", "TorporProtocol",
                "TorporStorage", "TorporStore", "TorporSystem", "TorporTesting",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "InMemoryLogging", package: "swift-log"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporDownstreamTests",
            dependencies: [
                "Torpor", "TorporCore", "TorporDownstream", "TorporTesting",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "TorporStdioTests",
            dependencies: [
                "Torpor", "TorporCore", "TorporStdio",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporServersTests",
            dependencies: [
                "Torpor", "TorporAllocator", "TorporServers", "TorporSystem", "TorporTestSupport", "TorporTesting",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporCLITests",
            dependencies: [
                "Torpor", "TorporAllocator", "TorporCLI", "TorporCore", "TorporEngine", "TorporHosting", "TorporHTTP",
                "TorporJSON", "TorporMetrics",
                "TorporSQLite", "TorporServers", "TorporStorage", "TorporStore", "TorporSystem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TorporHTTPTests",
            dependencies: [
                "Torpor", "TorporCore", "TorporEngine", "TorporFuzzing", "TorporHTTP", "TorporJSON", "TorporProtocol",
                "TorporTestSupport", "TorporTesting",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
    ]
)

// The base that every CPU ratio is taken against, the state engine without HTTP, and the eviction policies on traces; see Benchmarks/README.md.
if Context.environment["TORPOR_BENCHMARKS"] != nil {
    package.products.append(.executable(name: "BareNIO", targets: ["BareNIO"]))
    package.targets.append(
        .executableTarget(
            name: "BareNIO",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Benchmarks/BareNIO",
            swiftSettings: settings
        ))
    package.products.append(.executable(name: "StateBench", targets: ["StateBench"]))
    package.targets.append(
        .executableTarget(
            name: "StateBench",
            dependencies: [
                "CMalloc", "CSQLite", "TorporCompression", "TorporCore", "TorporEngine", "TorporSQLite", "TorporStore",
            ],
            path: "Benchmarks/StateBench",
            swiftSettings: settings
        ))
    package.products.append(.executable(name: "EvictionBench", targets: ["EvictionBench"]))
    package.targets.append(
        .executableTarget(
            name: "EvictionBench", dependencies: ["TorporCore", "TorporTestSupport"],
            path: "Benchmarks/EvictionBench",
            swiftSettings: settings
        ))
}

// The program that fuzzes; see Fuzzing/README.md. "coverage" is set by scripts/fuzz.sh, which links libFuzzer.
if let fuzzing = Context.environment["TORPOR_FUZZING"] {
    let isGuided = fuzzing == "coverage"
    package.products.append(.executable(name: "TorporFuzz", targets: ["TorporFuzz"]))
    package.targets.append(
        .executableTarget(
            name: "TorporFuzz",
            dependencies: [
                "TorporFuzzing", "TorporTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + (isGuided ? ["CLibFuzzer"] : []),
            path: "Fuzzing/TorporFuzz",
            swiftSettings: settings + (isGuided ? [.define("COVERAGE_GUIDED")] : [])
        ))
    if isGuided { package.targets.append(.systemLibrary(name: "CLibFuzzer", path: "Fuzzing/CLibFuzzer")) }
}
