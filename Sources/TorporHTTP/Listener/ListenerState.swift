import Logging
import NIOCore
import Synchronization
import Torpor
import TorporCore
import TorporProtocol

/// What all connections of a listener share.
final class ListenerState: Sendable {
    let dispatcher: Dispatcher
    let configuration: HTTPConfiguration
    let limits: HTTPLimits
    let path: [UInt8]
    let authentication: Authentication
    let rules: AccessRules
    let gate: ConnectionGate
    let buffers: ByteBudget
    let channels: OpenChannels
    let logger: Logger
    private let draining = Atomic<Bool>(false)
    private let others = Mutex<[Mounted]>([])

    let headTicks, bodyTicks, idleTicks, writeTicks, callTicks, heartbeatTicks: Int

    init(dispatcher: Dispatcher, configuration: HTTPConfiguration, authentication: Authentication, logger: Logger) {
        self.dispatcher = dispatcher
        self.configuration = configuration
        self.limits = configuration.limits
        self.path = Array(configuration.path.utf8)
        self.authentication = authentication
        self.rules = AccessRules(configuration)
        self.gate = ConnectionGate(
            connectionsMax: configuration.connectionsMax, perAddressMax: configuration.connectionsPerAddressMax)
        self.buffers = ByteBudget(configuration.buffersMax)
        self.channels = OpenChannels(dispatcher: dispatcher)
        self.logger = logger
        // A limit of n seconds has passed for sure when n + 1 ticks have.
        self.headTicks = configuration.headTimeout.secondsRoundedUp + 1
        self.bodyTicks = configuration.bodyTimeout.secondsRoundedUp + 1
        self.idleTicks = configuration.idleTimeout.secondsRoundedUp + 1
        self.writeTicks = configuration.writeTimeout.secondsRoundedUp + 1
        self.callTicks = configuration.callTimeout.secondsRoundedUp + 1
        self.heartbeatTicks = configuration.heartbeatInterval.secondsRoundedUp
    }

    /// The servers beside the main one, and who answers for each.
    var mounted: [Mounted] { self.others.withLock { $0 } }

    func mounted(at path: ArraySlice<UInt8>) -> Mounted? {
        self.others.withLock { others in others.first { path.elementsEqual($0.path) } }
    }

    func replaceMounted(_ mounted: [Mounted]) { self.others.withLock { $0 = mounted } }

    /// Who answers at any of the paths.
    var dispatchers: [Dispatcher] { [self.dispatcher] + self.mounted.map(\.dispatcher) }

    /// Whether a graceful stop is under way: then every answer closes its connection.
    var isDraining: Bool { self.draining.load(ordering: .relaxed) }

    func beginDraining() { self.draining.store(true, ordering: .relaxed) }
}
