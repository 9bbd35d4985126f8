import Torpor

/// One answer of `/debug/overview`.
struct Overview: Sendable, Equatable {
    let page: JSONValue

    /// The number at a path of names; `nil` when there is none.
    func number(_ path: String...) -> Double? { self.value(path)?.number }

    /// The text at a path of names, without anything that a terminal would take for a command.
    func text(_ path: String...) -> String? { self.value(path)?.plainText }

    /// What is counted under a path, in the order of the page.
    func totals(_ path: String...) -> [(name: String, total: Double)] {
        guard case .object(let object)? = self.value(path) else { return [] }
        return object.members.compactMap { member in member.value.number.map { (member.name, $0) } }
    }

    func has(_ path: String...) -> Bool {
        if case .object? = self.value(path) { true } else { false }
    }

    /// What is listed under a path, in the order of the page.
    func list(_ path: String...) -> [Overview] {
        guard case .array(let entries)? = self.value(path) else { return [] }
        return entries.map { Overview(page: $0) }
    }

    /// Why the server takes no requests; empty while it does.
    var faults: [String] {
        guard case .array(let faults)? = self.page["readiness_faults"] else { return [] }
        return faults.compactMap(\.plainText)
    }

    private func value(_ path: [String]) -> JSONValue? {
        path.reduce(self.page as JSONValue?) { value, name in value?[name] }
    }

    // MARK: Two of them

    /// Seconds that passed on the server since `earlier`; `nil` when it has started again meanwhile, and counts anew.
    func seconds(since earlier: Overview?) -> Double? {
        guard let now = self.number("uptime_seconds"), let then = earlier?.number("uptime_seconds"), now > then
        else { return nil }
        return now - then
    }

    /// Which bound a share of what was measured since `earlier` lies below; since the start when that is `nil`.
    /// - Returns: `nil` when nothing was measured.
    func quantile(_ share: Double, of name: String, since earlier: Overview?) -> Quantile? {
        guard case .array(let bounds)? = self.value(["latency", name, "bounds_seconds"]),
            case .array(let counts)? = self.value(["latency", name, "counts"]), counts.count == bounds.count + 1
        else { return nil }
        var before: [JSONValue] = []
        if case .array(let values)? = earlier?.value(["latency", name, "counts"]) { before = values }
        let new = counts.enumerated().map { index, count in
            (count.number ?? 0) - (index < before.count ? before[index].number ?? 0 : 0)
        }
        return Quantile(share, bounds: bounds.compactMap(\.number), counts: new)
    }
}

/// Where a quantile lies among the buckets of a histogram.
struct Quantile: Equatable {
    enum Place: Equatable {
        /// Within the first bucket: at most its bound.
        case atMost
        /// Between two bounds, as far as their counts tell.
        case about
        /// Beyond the last bound.
        case above
    }

    let seconds: Double
    let place: Place

    /// - Parameter counts: Cumulated, one for each bound, and one for all.
    init?(_ share: Double, bounds: [Double], counts: [Double]) {
        guard let all = counts.last, all > 0, counts.count == bounds.count + 1, let longest = bounds.last,
            let index = counts.firstIndex(where: { $0 >= share * all })
        else { return nil }
        switch index {
        case 0: (self.seconds, self.place) = (bounds[0], .atMost)
        case bounds.count: (self.seconds, self.place) = (longest, .above)
        default:
            let part = (share * all - counts[index - 1]) / (counts[index] - counts[index - 1])
            self.seconds = bounds[index - 1] + (bounds[index] - bounds[index - 1]) * part
            self.place = .about
        }
    }
}

extension JSONValue {
    fileprivate var number: Double? {
        guard case .number(let number) = self else { return nil }
        return number.double
    }

    /// A string without control characters: whoever answers must not steer the terminal.
    fileprivate var plainText: String? {
        guard case .string(let text) = self else { return nil }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.filter { $0.properties.generalCategory != .control }))
    }
}
