import TorporJSON
import TorporTestSupport

/// A simulated agent: does one unit of a scenario after the other.
actor Agent {
    /// Clients that an agent keeps at most, beside the one that it works with.
    static let heldMax = 5

    let context: AgentContext
    let number: Int
    var client: MCPClient
    /// Clients whose connections or sessions go on while the agent does something else.
    var held: [MCPClient] = []

    init(_ context: AgentContext, number: Int) {
        self.context = context
        self.number = number
        self.client = MCPClient(context)
    }

    /// Takes a turn, of one unit in most scenarios, and counts how it went.
    func perform(_ scenario: Scenario, unit: Int) async {
        let (units, isRefused) = await self.attempt(scenario, unit: unit)
        self.context.tally.update {
            $0.units += units
            if units > 0 { $0.turns += 1 }
        }
        // Whoever is told to come back later does not come back at once.
        if isRefused { try? await Task.sleep(for: .milliseconds(50)) }  // Cut short when the run ends.
    }

    private func attempt(_ scenario: Scenario, unit: Int) async -> (units: Int, isRefused: Bool) {
        do {
            return (try await self.act(scenario.name, unit: unit), false)
        } catch let refusal as Refusal {
            await self.client.disconnect()
            self.context.tally.update {
                $0.refusals += 1
                if !refusal.saysWhen, scenario.name == .atCapacity {
                    $0.addViolation("\(refusal.status) without Retry-After")
                }
            }
            return (0, true)
        } catch {
            await self.client.disconnect(.reset)
            self.client.forgetSession()
            self.context.tally.update { $0.addFailure("\(error)") }
            return (0, true)
        }
    }

    /// Ends what the units of a phase left open, so that memory is read when clients have gone.
    func endPhase(_ scenario: Scenario) async {
        guard scenario.name == .accounts || scenario.name == .halfOpenStreams else { return }
        for client in self.held {
            // A client that cannot say farewell is gone as well.
            if scenario.name == .accounts { try? await client.delete() }
            await client.disconnect(scenario.name == .halfOpenStreams ? .reset : .farewell)
        }
        self.held = []
    }

    /// Leaves for good.
    func leave() async {
        for client in [self.client] + self.held {
            try? await client.delete()  // A server that does not answer has nobody to take leave of.
            await client.disconnect()
        }
        self.held = []
    }

    /// Random numbers that depend on the seed and the unit alone, whichever agent does it.
    func generator(for unit: Int) -> SeededGenerator {
        var mixer = SeededGenerator(seed: self.context.seed)
        return SeededGenerator(seed: mixer.next() ^ UInt64(truncatingIfNeeded: unit) &* 0x9E37_79B9_7F4A_7C15)
    }

    func marker(_ unit: Int) -> String { "soak-\(self.number)-\(unit)" }
}
