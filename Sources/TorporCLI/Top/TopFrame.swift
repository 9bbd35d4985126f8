import Torpor

/// What `torpor top` shows, as lines: a function of two answers and the size of the terminal, with no IO.
///
/// 80 columns and 24 rows have all of it but the tables of hosted servers and of the largest objects, which take the rows
/// that are left.
struct TopFrame {
    /// Characters of what stands in front of each line.
    private static let titleWidth = 10

    let now: Overview
    /// The answer before; without one there are no rates, and latencies are those since the start.
    let before: Overview?
    /// What `/debug/state` has told of the largest objects; `nil` when it was not asked.
    let largest: JSONValue?

    /// - Parameters:
    ///   - url: What is asked.
    ///   - fault: Why there is no newer answer.
    ///   - rows: At most so many lines; `nil` for as many as there are.
    func lines(url: String, fault: String?, columns: Int, rows: Int?) -> [TopLine] {
        var lines = [self.head(url, fault)]
        lines += self.governor() + [TopLine()] + self.memory(columns) + [TopLine()] + self.traffic() + [self.objects()]
        lines += self.children()
        if let rows, lines.count > rows { return Array(lines.prefix(rows)) }
        for table in [self.hostedServers, self.largestObjects] {
            // A heading without a line below it says nothing.
            let shown = table(rows.map { $0 - lines.count - 2 } ?? .max)
            if shown.count > 1 { lines += [TopLine()] + shown }
        }
        return lines
    }

    private func head(_ url: String, _ fault: String?) -> TopLine {
        var line = TopLine("torpor \(self.now.text("version") ?? "")", .strong)
        let faults = self.now.faults
        // What went wrong names the server by itself.
        line.add(fault == nil ? "  \(url)  " : "  ", .quiet)
        if let fault {
            line.add("no answer: \(fault)", .bad)
        } else if faults.isEmpty {
            line.add("ready", .good)
        } else {
            line.add("not ready: \(faults.joined(separator: "; "))", .bad)
        }
        line.add("  up \(TopText.period(self.now.number("uptime_seconds")))", .quiet)
        return line
    }

    private func governor() -> [TopLine] {
        guard self.now.has("governor") else {
            return [self.line("governor", "none: nothing acts on memory as a whole")]
        }
        let rung = Int(self.now.number("governor", "rung_index") ?? 0)
        var first = self.line("governor")
        first.add(
            self.now.text("governor", "rung") ?? "", rung == 0 ? .good : rung < 4 ? .warning : .bad)
        first.add(" for \(TopText.period(self.now.number("governor", "since_seconds")))")
        if let reason = self.now.text("governor", "reason"), !reason.isEmpty { first.add(": \(reason)") }
        var second = self.line("pressure")
        for source in ["state", "memory", "stall"] {
            guard let value = self.now.number("governor", "sources", source) else { continue }
            second.add("\(source) ", .quiet)
            second.add("\(Int((value * 100).rounded())) %   ", value >= 0.9 ? .bad : value >= 0.75 ? .warning : .plain)
        }
        return [first, second]
    }

    // MARK: Memory

    private func memory(_ columns: Int) -> [TopLine] {
        let now = self.now
        let disk: (Double?, Double?) =
            if let size = now.number("state", "stored", "disk", "size_bytes"),
                let free = now.number("state", "stored", "disk", "free_bytes")
            { (size - free, size) } else { (nil, nil) }
        let levels: [(String, Double?, Double?)] = [
            (
                // What the limit counts, the processes that this one has started included.
                "process", now.number("governor", "used_bytes") ?? now.number("process", "resident_bytes"),
                now.number("governor", "limit_bytes")
            ),
            ("state", now.number("state", "resident", "bytes"), now.number("state", "resident", "limit_bytes")),
            ("anonymous", now.number("state", "anonymous", "bytes"), now.number("state", "anonymous", "limit_bytes")),
            ("changes", now.number("state", "dirty", "bytes"), now.number("state", "dirty", "limit_bytes")),
            (
                "buffers", now.number("server", "buffered_bytes", "value"),
                now.number("server", "buffered_bytes", "limit")
            ),
            ("streams", now.number("server", "stream_bytes", "value"), now.number("server", "stream_bytes", "limit")),
            ("stored", now.number("state", "stored", "bytes"), now.number("state", "stored", "limit_bytes")),
            ("disk", disk.0, disk.1),
        ]
        var lines = levels.compactMap { self.level($0, $1, $2, columns) }
        if now.has("allocator") {
            let text =
                "\(now.text("allocator", "name") ?? ""): \(TopText.bytes(now.number("allocator", "allocated_bytes"))) in use, "
                + "\(TopText.bytes(now.number("allocator", "resident_bytes"))) in memory"
            lines.append(self.line("allocator", text))
        }
        return lines
    }

    /// `nil` for what the server does not tell.
    private func level(_ title: String, _ value: Double?, _ limit: Double?, _ columns: Int) -> TopLine? {
        guard let value else { return nil }
        var line = self.line(title)
        line.add(TopText.padded(TopText.bytes(value), 9, right: true))
        guard let limit, limit > 0 else { return line }
        let share = min(1, max(0, value / limit))
        let width = max(10, min(60, columns - 45))
        let filled = Int((share * Double(width)).rounded())
        line.add(" of \(TopText.padded(TopText.bytes(limit), 9, right: true))  ", .quiet)
        // Memory for state is there to be filled: what rests in it makes room.
        let isFine = share < 0.75 || title == "state" || title == "anonymous"
        line.add(String(repeating: "#", count: filled), isFine ? .good : share < 0.9 ? .warning : .bad)
        line.add(String(repeating: ".", count: width - filled), .quiet)
        line.add(TopText.padded("\(Int((value / limit * 100).rounded())) %", 7, right: true))
        return line
    }

    // MARK: Traffic

    private func traffic() -> [TopLine] {
        let now = self.now
        let failed = self.rate("failed_operations")
        var requests = self.line("requests", TopText.rate(self.rate("operations")))
        requests.add("   failed \(TopText.rate(failed))", failed ?? 0 > 0 ? .warning : .plain)
        requests.add(self.latency("operations"))
        var loops = self.line("loops", "lag p99 \(TopText.quantile(self.quantile(0.99, "event_loop_lag")))")
        loops.add("   commits \(TopText.rate(self.rate("commit_outcomes", "committed")))\(self.latency("commits"))")
        let shedding = self.rate("shed_requests")
        var shed = self.line("shed")
        shed.add(TopText.rate(shedding), shedding ?? 0 > 0 ? .bad : .plain)
        shed.add(self.reasons("shed_requests"))
        shed.add("   state refused \(TopText.rate(self.rate("state_refusals")))\(self.reasons("state_refusals"))")
        var calls = self.line("calls", self.use("running_calls"))
        if let queued = now.number("queue", "calls") {
            calls.add("   queued \(TopText.count(queued)) of \(TopText.count(now.number("queue", "limit")))")
        }
        if let waiting = now.number("state", "waiting_calls") {
            calls.add("   wait for state \(TopText.count(waiting))")
        }
        var clients = self.line("clients", "connections \(self.use("connections"))")
        clients.add(
            "   streams \(TopText.count(now.number("server", "streams")))"
                + "   sessions \(TopText.count(now.number("server", "held_sessions")))")
        clients.add(
            "   files \(TopText.count(now.number("process", "open_file_descriptors")))"
                + " of \(TopText.count(now.number("process", "file_descriptors_limit")))")
        return [
            requests, self.line("wakes", TopText.rate(self.rate("loads", "found")) + self.latency("loads")),
            self.line("evictions", TopText.rate(self.rate("evictions")) + self.reasons("evictions")),
            loops, shed, calls, clients,
        ]
    }

    private func use(_ name: String) -> String {
        "\(TopText.count(self.now.number("server", name, "value"))) of \(TopText.count(self.now.number("server", name, "limit")))"
    }

    private func latency(_ name: String) -> String {
        "   p50 \(TopText.quantile(self.quantile(0.5, name)))   p99 \(TopText.quantile(self.quantile(0.99, name)))"
    }

    private func quantile(_ share: Double, _ name: String) -> Quantile? {
        let isLater = self.now.seconds(since: self.before) != nil
        return self.now.quantile(share, of: name, since: isLater ? self.before : nil)
    }

    /// Totals that are not zero, since the start.
    private func reasons(_ name: String) -> String {
        let totals = self.now.totals("totals", name).filter { $0.total > 0 }
        guard !totals.isEmpty else { return "" }
        return "   (" + totals.map { "\($0.name) \(TopText.count($0.total))" }.joined(separator: ", ") + ")"
    }

    /// Per second since the answer before, of one total or of all below it.
    private func rate(_ name: String, _ kind: String? = nil) -> Double? {
        guard let before, let seconds = self.now.seconds(since: before) else { return nil }
        let total = { (page: Overview) in
            if let kind { return page.number("totals", name, kind) ?? 0 }
            return page.number("totals", name) ?? page.totals("totals", name).reduce(0) { $0 + $1.total }
        }
        return max(0, total(self.now) - total(before)) / seconds
    }

    // MARK: Objects

    private func objects() -> TopLine {
        guard self.now.has("state") else { return self.line("objects", "this server keeps no state") }
        var line = self.line("objects")
        for (name, title) in [
            ("at_rest", "at rest"), ("in_use", "in use"), ("dirty", "changed"), ("loading", "waking"),
            ("closed", "closed"),
        ] {
            let count = self.now.number("state", "objects", name)
            line.add("\(title) \(TopText.count(count))   ", name == "closed" && count ?? 0 > 0 ? .bad : .plain)
        }
        line.add("stored \(TopText.count(self.now.number("state", "stored", "objects")))")
        return line
    }

    /// - Parameter room: At most so many objects.
    private func largestObjects(_ room: Int) -> [TopLine] {
        guard case .array(let objects)? = self.largest?["largest"], room > 0 else { return [] }
        var table = TextTable([
            ("LARGEST", false), ("KIND", false), ("BYTES", true), ("VALUES", true), ("UNUSED", true),
        ])
        for object in objects.prefix(min(room, 10)).map({ Overview(page: $0) }) {
            table.add([
                object.text("id") ?? "",
                [object.text("kind"), object.text("name")].compactMap { $0 }.filter { !$0.isEmpty }
                    .joined(separator: " "),
                TopText.bytes(object.number("bytes")), TopText.count(object.number("values")),
                TopText.period(object.number("idle_milliseconds").map { $0 / 1_000 }),
            ])
        }
        return table.text.split(separator: "\n").enumerated().map { TopLine(String($1), $0 == 0 ? .quiet : .plain) }
    }

    func line(_ title: String, _ text: String = "") -> TopLine {
        var line = TopLine(TopText.padded(title, Self.titleWidth), .quiet)
        line.add(" " + text)
        return line
    }
}
