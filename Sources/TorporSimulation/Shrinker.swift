extension Scenario {
    /// Looks for a smaller scenario that breaks the same promise: with fewer faults, clients, steps and incidents.
    /// - Parameter runsMax: How many scenarios are tried.
    /// - Returns: The report of the smallest that was found; of this one, when it keeps all promises.
    /// - Throws: ``ArenaUnavailable``.
    package func shrunk(runsMax: Int = 400) throws -> Report {
        let report = try self.run()
        guard let violation = report.violation else { return report }
        var shrinker = Shrinker(smallest: report, promise: violation.promise, runsLeft: runsMax)
        try shrinker.shrink()
        return shrinker.smallest
    }
}

private struct Shrinker {
    var smallest: Report
    let promise: Violation.Promise
    var runsLeft: Int

    mutating func shrink() throws {
        try self.dropFaults()
        for numbers in Plan(self.smallest.scenario).numbers { try self.drop(numbers) }
        var size = max(1, self.kept.count / 2)
        while self.runsLeft > 0 {
            let before = self.kept.count
            for start in stride(from: 0, to: before, by: size) {
                let kept = self.kept
                guard start < kept.count else { break }
                try self.drop(Array(kept[start..<min(start + size, kept.count)]))
            }
            if size == 1, self.kept.count == before { break }
            if self.kept.count == before { size /= 2 }
            size = max(1, min(size, self.kept.count))
        }
        try self.dropFaults()
    }

    private var kept: [Int] { Plan(self.smallest.scenario).numbers.joined().sorted() }

    private mutating func dropFaults() throws {
        for fault in self.smallest.scenario.faults.elements {
            var scenario = self.smallest.scenario
            scenario.faults.remove(fault)
            try self.tryOut(scenario)
        }
    }

    private mutating func drop(_ numbers: [Int]) throws {
        guard !numbers.isEmpty else { return }
        var scenario = self.smallest.scenario
        let dropped = Set(numbers)
        scenario.keeping = self.kept.filter { !dropped.contains($0) }
        try self.tryOut(scenario)
    }

    private mutating func tryOut(_ scenario: Scenario) throws {
        guard self.runsLeft > 0 else { return }
        self.runsLeft -= 1
        let report = try scenario.run()
        if report.violation?.promise == self.promise { self.smallest = report }
    }
}
