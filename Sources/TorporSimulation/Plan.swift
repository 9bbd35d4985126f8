import TorporCore
import TorporEngine
import TorporTestSupport

/// A scenario worked out.
struct Plan: Sendable {
    struct Client: Sendable {
        let account: AccountID
        var steps: [Step]
    }

    /// Has small objects, meets no fault, and must never notice those of others.
    static let bystander = AccountID.principal(99)
    private static let accounts: [AccountID] = [
        .principal(1), .principal(2), .principal(3), .anonymous(1), .anonymous(2),
    ]

    let limits: EngineLimits
    private(set) var clients: [Client]
    private(set) var incidents: [Incident]
    let hasBystander: Bool

    init(_ scenario: Scenario) {
        var random = SeededGenerator(seed: scenario.seed, stream: .scenario)
        let hasBystander = random.oneIn(2)
        self.hasBystander = hasBystander
        self.limits = Self.limits(hasBystander: hasBystander, &random)
        var clients = (0..<random.number(2...6)).map { _ in
            Client(account: Self.accounts[random.number(0...random.number(0...4))], steps: [])
        }
        if hasBystander { clients.append(Client(account: Self.bystander, steps: [])) }
        for number in 0..<scenario.steps {
            let index = random.number(0...clients.count - 1)
            let isSmall = clients[index].account == Self.bystander
            clients[index].steps.append(Step(number: number, kind: Self.step(isSmall: isSmall, &random)))
        }
        self.clients = clients
        self.incidents = (0..<random.number(0...7)).map { index in
            Incident(
                number: scenario.steps + index, job: random.number(0...scenario.steps * 4), kind: Self.incident(&random)
            )
        }
        self.incidents.sort { ($0.job, $0.number) < ($1.job, $1.number) }
        self.narrow(to: scenario)
    }

    private mutating func narrow(to scenario: Scenario) {
        self.incidents.removeAll { !scenario.faults.contains($0.fault) }
        if let keeping = scenario.keeping.map({ Set($0) }) {
            self.incidents.removeAll { !keeping.contains($0.number) }
            for index in self.clients.indices { self.clients[index].steps.removeAll { !keeping.contains($0.number) } }
        }
    }

    /// The numbers of all steps and incidents, client by client.
    var numbers: [[Int]] { self.clients.map { $0.steps.map(\.number) } + [self.incidents.map(\.number)] }

    // MARK: Chance

    private static func limits(hasBystander: Bool, _ random: inout SeededGenerator) -> EngineLimits {
        // With a bystander there is room for all accounts at their limits; without one they are in each other's way.
        let accountMax = 12 << 10
        let objectMax = [6 << 10, 12 << 10][random.number(0...1)]
        let retention = Duration.seconds(random.number(3...60))
        return EngineLimits(
            memory: MemoryLimits(
                residentMax: ByteCount(hasBystander ? accountMax * 4 + (8 << 10) : random.number(12...30) << 10),
                objectMax: ByteCount(objectMax), accountMax: ByteCount(accountMax), anonymousMax: ByteCount(accountMax),
                dirtyMax: ByteCount(objectMax + random.number(0...4) << 10)),
            storage: StorageLimits(
                totalMax: .kibibytes(hasBystander ? 96 : 48), accountMax: .kibibytes(20),
                accountObjectsMax: random.number(2...8), anonymousMax: .kibibytes(20),
                objectValuesMax: random.number(6...16)),
            updatesMax: random.oneIn(3) ? 1 : 20, idleTimeout: .seconds(random.number(1...8)), retention: retention,
            sessionLifetime: retention,
            durability: random.oneIn(8) ? .interval(.milliseconds(random.magnitude(10...5_000))) : .acknowledged,
            batchMax: ByteCount(random.number(1...4) << 10),
            batchObjectsMax: random.number(1...6), unavailableMax: .seconds(5),
            evictionPolicy: random.oneIn(2) ? .weighted : .leastRecentlyUsed)
    }

    private static func step(isSmall: Bool, _ random: inout SeededGenerator) -> Step.Kind {
        let cancelledAfter = random.oneIn(6) ? random.magnitude(0...3_000) : nil
        switch random.number(0...19) {
        case 0...1: return .idle(milliseconds: random.magnitude(1...30_000))
        case 2 where !isSmall: return .delete(Self.target(&random))
        case 3: return .operate(Self.operatorStep(isSmall: isSmall, &random))
        case 4...5 where !isSmall:
            return .create(Self.effects(isSmall: isSmall, &random), cancelledAfter: cancelledAfter)
        default:
            let actions = (0..<random.number(1...4)).map { _ in Self.action(isSmall: isSmall, &random) }
            return .call(isSmall ? .session(0) : Self.target(&random), actions, cancelledAfter: cancelledAfter)
        }
    }

    private static func operatorStep(isSmall: Bool, _ random: inout SeededGenerator) -> OperatorStep {
        let target = isSmall ? .session(0) : Self.target(&random)
        return switch random.number(0...9) {
        case 0: .evictAll
        case 1...2: .inspect
        case 3: .copy(target)
        case 4 where !isSmall: .delete(target)
        default: .evict(target)
        }
    }

    private static func target(_ random: inout SeededGenerator) -> Target {
        switch random.number(0...9) {
        case 0...3: .session(random.number(0...2))
        case 4...5: .principal
        case 6...8: .handle(random.number(0...7))
        default: .foreign(random.number(0...7))
        }
    }

    private static func action(isSmall: Bool, _ random: inout SeededGenerator) -> Action {
        switch random.number(0...11) {
        case 0...2: .survey
        case 3: .readLog
        case 4: .list(limit: random.number(1...4))
        case 5: .changeAndThrow(Self.effects(isSmall: isSmall, &random))
        case 6: .pause(milliseconds: random.magnitude(1...20_000))
        case 7: .gate
        default: .change(Self.effects(isSmall: isSmall, &random))
        }
    }

    private static func effects(isSmall: Bool, _ random: inout SeededGenerator) -> [Operation.Effect] {
        (0..<random.number(1...3)).map { _ in
            switch random.number(0...6) {
            case 0...1: .count
            case 2...3:
                .put(
                    key: random.number(0...(isSmall ? 0 : Key.values - 1)),
                    size: random.magnitude(0...(isSmall ? 200 : 7_000)),
                    milliseconds: random.oneIn(4) ? random.magnitude(1...20_000) : nil)
            case 4: .remove(key: random.number(0...Key.values - 1))
            default:
                .transfer(
                    from: random.number(0...Key.amounts - 1), to: random.number(0...Key.amounts - 1),
                    amount: random.number(1...50))
            }
        }
    }

    private static func incident(_ random: inout SeededGenerator) -> Incident.Kind {
        switch random.number(0...9) {
        case 0...2: .crash
        case 3: .stop(isOrderly: random.oneIn(2))
        case 4...5: .jump(milliseconds: random.magnitude(1...200_000) * (random.oneIn(2) ? 1 : -1))
        case 6...7: .rogue(choice: random.number(0...1_000), isOwner: random.oneIn(2))
        default:
            .damage(
                choice: random.number(0...1_000), isAltered: random.oneIn(2), milliseconds: random.magnitude(1...20_000)
            )
        }
    }
}
