import Torpor
import TorporCore

/// Where state is kept.
enum StoreSetting: Equatable, CustomStringConvertible {
    /// It ends with the process.
    case memory
    case sqlite(path: String)

    init(_ setting: ConfigurationSources.Setting) throws(ConfigurationError) {
        if setting.text == "memory:" {
            self = .memory
        } else if setting.text.hasPrefix("sqlite:"), setting.text.count > "sqlite:".count {
            self = .sqlite(path: String(setting.text.dropFirst("sqlite:".count)))
        } else {
            throw setting.fault("store; use memory: or sqlite:PATH")
        }
    }

    var description: String {
        switch self {
        case .memory: "memory:"
        case .sqlite(let path): "sqlite:\(path)"
        }
    }
}

/// What state may take, and how long it is kept.
struct StateSettings: Equatable {
    /// Default: the lesser of 256 MiB and 40 % of what the process may take, and at least 8 MiB.
    private(set) var residentMax: ByteCount
    private(set) var objectMax = ByteCount.mebibytes(8)
    private(set) var objectValuesMax = 10_000
    private(set) var principalMemory: ByteCount?
    private(set) var storageMax = ByteCount.gibibytes(10)
    private(set) var principalStorage: ByteCount?
    private(set) var principalObjects = 10_000
    private(set) var idleTimeout = Duration.seconds(1_800)
    private(set) var retention = Duration.seconds(604_800)
    private(set) var durability = StateDurability.acknowledged
    private(set) var compresses = true

    /// - Parameter memory: What the process may take; `nil` when that is not known.
    init(memory: ByteCount? = nil) {
        let share = memory.map { max(.mebibytes(8), ByteCount($0.bytes / 5 * 2)) }
        self.residentMax = min(.mebibytes(256), share ?? .mebibytes(256))
        self.objectMax = min(self.objectMax, ByteCount(self.residentMax.bytes / 4))
    }

    /// - Parameter memory: What the process may take; `nil` when that is not known.
    init(
        _ sources: ConfigurationSources, sessionLifetime: Duration, memory: ByteCount?
    ) throws(ConfigurationError) {
        self.init(memory: memory)
        try self.readMemory(sources)
        try self.readStorage(sources)
        try self.readTimes(sources, sessionLifetime)
        if let setting = sources[.compression] {
            guard ["zstd", "none"].contains(setting.text) else { throw setting.fault("compression; use zstd or none") }
            self.compresses = setting.text == "zstd"
        }
    }

    /// For the engine.
    var limits: StateLimits {
        StateLimits(
            memory: MemoryLimits(
                residentMax: self.residentMax, objectMax: self.objectMax,
                accountMax: self.principalMemory, dirtyMax: max(.mebibytes(32), self.objectMax)),
            storage: StorageLimits(
                totalMax: self.storageMax, accountMax: self.principalStorage,
                accountObjectsMax: self.principalObjects, objectValuesMax: self.objectValuesMax),
            idleTimeout: self.idleTimeout, retention: self.retention, durability: self.durability)
    }

    private mutating func readMemory(_ sources: ConfigurationSources) throws(ConfigurationError) {
        if let setting = sources[.residentMemory] {
            self.residentMax = try ServeConfiguration.size(setting, in: .mebibytes(1)...(.gibibytes(1_024)))
            // Small memory holds small objects, unless they are given a size.
            self.objectMax = min(self.objectMax, ByteCount(self.residentMax.bytes / 4))
        }
        if let setting = sources[.objectMemory] {
            self.objectMax = try ServeConfiguration.size(setting, in: .kibibytes(1)...(.gibibytes(1)))
        }
        if let setting = sources[.principalMemory] {
            self.principalMemory = try ServeConfiguration.size(setting, in: .kibibytes(1)...(.gibibytes(1_024)))
        }
        let principalMemory = self.principalMemory ?? ByteCount(self.residentMax.bytes / 4)
        guard principalMemory <= self.residentMax else {
            throw ConfigurationError(
                description:
                    "principal-memory: \(principalMemory) of one caller is more than resident-memory, \(self.residentMax)"
            )
        }
        guard self.objectMax <= principalMemory else {
            throw ConfigurationError(
                description:
                    "object-memory: one object of \(self.objectMax) would not fit in the memory of one caller, \(principalMemory); raise resident-memory or principal-memory"
            )
        }
        if let setting = sources[.objectValues] {
            self.objectValuesMax = try ServeConfiguration.integer(setting, in: 1...1_000_000, "count (1 to 1000000)")
        }
    }

    private mutating func readStorage(_ sources: ConfigurationSources) throws(ConfigurationError) {
        if let setting = sources[.storage] {
            self.storageMax = try ServeConfiguration.size(setting, in: .mebibytes(1)...(.gibibytes(1 << 20)))
        }
        if let setting = sources[.principalStorage] {
            self.principalStorage = try ServeConfiguration.size(setting, in: .kibibytes(1)...(.gibibytes(1 << 20)))
            guard self.principalStorage.map({ $0 <= self.storageMax }) ?? true else {
                throw setting.fault("size of at most storage, \(self.storageMax)")
            }
        }
        if let setting = sources[.principalObjects] {
            self.principalObjects = try ServeConfiguration.integer(
                setting, in: 1...1_000_000_000, "count (1 to 1000000000)")
        }
    }

    private mutating func readTimes(
        _ sources: ConfigurationSources, _ sessionLifetime: Duration
    ) throws(ConfigurationError) {
        if let setting = sources[.idleTimeout] {
            self.idleTimeout = try ServeConfiguration.duration(setting, least: .seconds(1))
        }
        if let setting = sources[.retention] {
            self.retention = try ServeConfiguration.duration(setting, least: .seconds(1))
        }
        guard self.retention >= sessionLifetime else {
            throw ConfigurationError(
                description:
                    "retention: \(self.retention.text) is shorter than session-lifetime, \(sessionLifetime.text): a session's state would be gone before the session"
            )
        }
        guard let setting = sources[.durability], setting.text != "acknowledged" else { return }
        guard setting.text.hasPrefix("interval="),
            let interval = Duration(parsing: String(setting.text.dropFirst("interval=".count))),
            interval >= .milliseconds(1)
        else { throw setting.fault("durability; use acknowledged, or interval=1s") }
        self.durability = .interval(interval)
    }
}
