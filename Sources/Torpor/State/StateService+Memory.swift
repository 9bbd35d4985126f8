import Synchronization
public import TorporCore
package import TorporEngine
import TorporStore

extension StateService {
    /// A service that keeps state in memory only: it ends with the process.
    ///
    /// For tests, and for servers whose state may be lost.
    /// - Parameter limits: What it may take, and how long it keeps what it has.
    public static func inMemory(limits: StateLimits = StateLimits()) -> StateService {
        let store = MemoryStore(
            identity: UInt128.random(in: .min ... .max), incarnation: UInt64.random(in: .min ... .max))
        do {
            let engine = try StateEngine(
                store: store, usage: StoreUsage(total: AccountUsage(), anonymous: AccountUsage(), storedBytes: 0),
                codec: RecordValueCodec(compression: NoCompression(), compresses: false), limits: EngineLimits(limits),
                environment: .system)
            return StateService(engine: engine, store: store)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

extension MCPServer {
    /// Where the server's state is kept: in what it is given, else in memory if it declares any.
    package func stateService(_ given: StateService?) -> StateService? {
        given ?? (self.table.states.isEmpty ? nil : .inMemory())
    }
}

/// What a server's state may take, and how long it is kept.
public struct StateLimits: Sendable {
    /// Memory of state that is in memory. Default 256 MiB in all, 8 MiB of one object.
    public var memory: MemoryLimits
    /// What is stored. Default 10 GiB in all.
    public var storage: StorageLimits
    /// Unused for so long, an object leaves memory. Default 30 min.
    public var idleTimeout: Duration
    /// Unused for so long, an object is deleted. Default 7 d.
    public var retention: Duration
    /// When changes are made durable. Default: before anything that reveals them leaves the server.
    public var durability: StateDurability

    /// - Precondition: Times are positive.
    public init(
        memory: MemoryLimits = MemoryLimits(), storage: StorageLimits = StorageLimits(),
        idleTimeout: Duration = .seconds(1_800), retention: Duration = .seconds(604_800),
        durability: StateDurability = .acknowledged
    ) {
        self.memory = memory
        self.storage = storage
        self.idleTimeout = idleTimeout
        self.retention = retention
        self.durability = durability
    }
}

extension StateLimits {
    init(_ limits: EngineLimits) {
        let durability: StateDurability =
            switch limits.durability {
            case .acknowledged: .acknowledged
            case .interval(let interval): .interval(interval)
            }
        self.init(
            memory: limits.memory, storage: limits.storage, idleTimeout: limits.idleTimeout,
            retention: limits.retention, durability: durability)
    }
}

/// When what a call has changed is durable.
public enum StateDurability: Sendable, Equatable {
    /// Before anything leaves the server that reveals it.
    case acknowledged
    /// Within this time. A crash may lose what was acknowledged since.
    case interval(Duration)
}

extension EngineLimits {
    package init(_ limits: StateLimits, sessionLifetime: Duration = .seconds(86_400)) {
        let pace: CommitStateMachine.Pace =
            switch limits.durability {
            case .acknowledged: .acknowledged
            case .interval(let interval): .interval(interval)
            }
        self.init(
            memory: limits.memory, storage: limits.storage, idleTimeout: limits.idleTimeout,
            retention: limits.retention, sessionLifetime: min(sessionLifetime, limits.retention), durability: pace)
    }
}

extension EngineEnvironment {
    /// The clocks and the randomness of the system.
    package static let system = EngineEnvironment(
        now: { Instant(nanoseconds: SystemTime.monotonicNanoseconds()) }, wallTime: SystemTime.wallTime,
        sleep: { try await Task.sleep(for: $0) }, randomBits: { UInt128.random(in: .min ... .max) })
}

/// Compresses nothing, and restores nothing: what is kept in memory was never compressed.
private struct NoCompression: ValueCompression {
    func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool { false }
    func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool { false }
}
