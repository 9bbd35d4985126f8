import Glibc

extension SoakReport {
    /// The report as a web page that needs nothing else: styles and pictures are in it.
    package var html: String {
        let title = "\(Self.escape(self.server)) · torpor soak"
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <header>
            <p class="badge \(self.exitStatus == 0 ? "good" : self.exitStatus == 1 ? "bad" : "dull")">\(self.outcome)</p>
            <div><h1>\(Self.escape(self.server))</h1>
            <p class="sub">\(Self.escape(self.url)) · \(Format.date(self.date))</p></div>
            </header>
            <p class="lead">\(Self.escape(self.sentence))</p>
            \(self.tiles)
            <section>
            <h2>Memory over time</h2>
            <p class="note">\(self.measureText) Bands are phases of work; between them the server settles. Dots are the \
            readings that count.</p>
            \(self.timePlot)
            </section>
            \(self.scenarios.map { self.section($0) }.joined(separator: "\n"))
            <section>
            <h2>How to read this</h2>
            <p class="note">Each phase does the same work. After it the server has time to collect garbage; then memory is \
            read. A straight line through the readings says how many bytes stay of each session or request, and the shaded \
            fan shows where the true line lies with 95 % confidence. The server fails when the whole interval, the median of \
            the slopes between all pairs of readings, and that of each half all lie above the limit.</p>
            <p class="note">Speaks \(Self.escape(self.eras)). Agents call \(Self.escape(self.call)). \(self.agents) agents, \
            seed \(self.seed), \(Format.seconds(self.seconds)).</p>
            </section>
            </body>
            </html>

            """
    }

    /// What came out, in a sentence.
    private var sentence: String {
        if let interruption { return "The run was ended: \(interruption)." }
        switch self.exitStatus {
        case 0: return "Memory does not grow beyond the limits, and every answer was right."
        case 1:
            let failed = self.scenarios.filter { $0.status == .failed }.map { $0.scenario.name.rawValue }
            return "The server failed in: \(failed.joined(separator: ", "))."
        default: return "Nothing certain can be said: too much could not be done."
        }
    }

    private var measureText: String {
        switch self.measure {
        case "proportional": "Proportional memory (PSS) and swap of the server's processes."
        case "private": "Private memory and swap of the server's processes."
        default: "Resident memory (RSS) and swap of the server's processes."
        }
    }

    private var tiles: String {
        var tiles: [(String, String, String)] = []
        for report in self.scenarios.prefix(4) {
            guard let judgement = report.judgement, report.scenario.judgesGrowth else { continue }
            let interval = judgement.fit.interval
            tiles.append(
                (
                    "\(report.scenario.name.rawValue): bytes per \(report.scenario.unit.rawValue)",
                    Format.signedBytes(judgement.fit.slope),
                    "95 %: \(Format.signedBytes(interval.lowerBound)) to \(Format.signedBytes(interval.upperBound))"
                ))
        }
        let first = self.series.samples.first.map { Format.bytes($0.bytes) } ?? "–"
        tiles.append(("highest memory", Format.bytes(self.series.peak), "\(first) at the beginning"))
        let requests = self.scenarios.reduce(0) { $0 + $1.requests }
        let sessions = self.scenarios.reduce(0) { $0 + $1.sessions }
        tiles.append(("HTTP requests", Format.grouped(requests), "\(Format.grouped(sessions)) sessions opened"))
        return "<div class=\"tiles\">"
            + tiles.map { "<div class=\"tile\"><p>\(Self.escape($0.0))</p><b>\($0.1)</b><p>\($0.2)</p></div>" }.joined()
            + "</div>"
    }

    private func section(_ report: ScenarioReport) -> String {
        let name = report.scenario.name.rawValue
        let mark = ["pass": "good", "FAIL": "bad"][report.mark] ?? "dull"
        var parts = [
            "<section><h2><span class=\"mark \(mark)\">\(report.mark)</span> \(name)</h2>",
            "<p class=\"note\">\(Self.escape(report.scenario.summary))"
                + (report.scenario.pitfall.isEmpty ? "" : " Seen elsewhere: \(Self.escape(report.scenario.pitfall))")
                + "</p>",
            "<p class=\"verdict\">\(Self.escape(report.verdict))</p>",
        ]
        if let judgement = report.judgement { parts.append(self.fitPlot(report, judgement)) }
        if report.units > 0 { parts.append("<p class=\"note\">\(Self.escape(report.workText)).</p>") }
        let troubles =
            report.violations.map { ("wrong", $0.key, $0.value) } + report.failures.map { ("failed", $0.key, $0.value) }
        if !troubles.isEmpty {
            let rows = troubles.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map {
                "<tr><td>\($0.0)</td><td>\(Self.escape($0.1))</td><td class=\"number\">\(Format.grouped($0.2))</td></tr>"
            }
            parts.append("<table><thead><tr><th></th><th>what</th><th>how often</th></tr></thead><tbody>")
            parts.append(rows.joined() + "</tbody></table>")
        }
        if !report.readings.isEmpty { parts.append(Self.table(report)) }
        return parts.joined(separator: "\n") + "</section>"
    }

    private static func table(_ report: ScenarioReport) -> String {
        let rows = report.readings.enumerated().map { index, reading in
            let change = index == 0 ? "" : Format.signedBytes(Double(reading.bytes - report.readings[index - 1].bytes))
            return "<tr><td>\(index == 0 ? "warm-up" : "\(index)")</td><td>\(Format.grouped(reading.units))</td>"
                + "<td>\(Format.bytes(reading.bytes))</td><td>\(change)</td></tr>"
        }
        return "<details><summary>Readings</summary><table class=\"numbers\"><thead><tr><th>phase</th>"
            + "<th>\(report.scenario.unit.rawValue)s so far</th><th>memory</th><th>change</th></tr></thead><tbody>"
            + rows.joined() + "</tbody></table></details>"
    }

    // MARK: Plots

    /// Memory of the whole run.
    private var timePlot: String {
        let samples = self.series.samples
        guard samples.count > 1 else { return "" }
        var plot = Plot(
            height: 300, x: 0...max(self.seconds, 1),
            y: Plot.range(of: samples.map { Double($0.bytes) }, leastSpan: Double(8 << 20)))
        plot.band(self.scenarios.flatMap { $0.phases.dropFirst() }, style: "phase")
        plot.band(self.scenarios.compactMap(\.phases.first), style: "warm")
        for report in self.scenarios where report.span.upperBound > report.span.lowerBound {
            plot.divider(at: report.span.lowerBound, label: report.scenario.name.rawValue)
        }
        plot.axes(x: { Format.number($0, digits: 0) + " s" }, y: { Format.bytes($0) })
        plot.line(samples.map { ($0.seconds, Double($0.bytes)) }, style: "memory")
        for report in self.scenarios {
            plot.dots(report.readings.map { ($0.seconds, Double($0.bytes)) })
        }
        return plot.svg(label: "Memory over time")
    }

    /// The readings of a scenario, with the line through them.
    private func fitPlot(_ report: ScenarioReport, _ judgement: GrowthJudgement) -> String {
        let most = Double(report.units)
        let middle = report.readings.map { Double($0.units) }.reduce(0, +) / Double(report.readings.count)
        func edge(_ slope: Double, _ x: Double) -> Double { judgement.fit.value(at: middle) + slope * (x - middle) }
        let interval = judgement.fit.interval
        let bytes = report.readings.map { Double($0.bytes) }
        var plot = Plot(height: 260, x: 0...max(most, 1), y: Plot.range(of: bytes, leastSpan: Double(2 << 20)))
        plot.axes(x: { Format.grouped(Int($0)) }, y: { Format.bytes($0) })
        plot.area([
            (0, edge(interval.lowerBound, 0)), (middle, judgement.fit.value(at: middle)),
            (0, edge(interval.upperBound, 0)),
        ])
        plot.area([
            (most, edge(interval.lowerBound, most)), (middle, judgement.fit.value(at: middle)),
            (most, edge(interval.upperBound, most)),
        ])
        let start = edge(judgement.fit.slope, 0)
        plot.line([(0, start), (most, start + judgement.limit * most)], style: "limit")
        plot.line([(0, start), (most, edge(judgement.fit.slope, most))], style: "fit")
        plot.dots(report.readings.map { (Double($0.units), Double($0.bytes)) })
        return plot.svg(label: "Memory after each phase, by \(report.scenario.unit.rawValue)s")
            + "<p class=\"legend\"><i class=\"dot\"></i> reading <i class=\"fit\"></i> fitted line <i class=\"fan\"></i> "
            + "95 % confidence <i class=\"limit\"></i> growth at the limit, \(Format.bytes(judgement.limit)) per "
            + "\(report.scenario.unit.rawValue). Across: \(report.scenario.unit.rawValue)s since the warm-up.</p>"
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\u{20}"...: escaped.unicodeScalars.append(character)
            default: escaped += " "
            }
        }
        return escaped
    }

    private static let style = """
        :root { --page: #f6f7f9; --card: #ffffff; --ink: #16202c; --soft: #5b6876; --line: #dfe4ea; --memory: #2563b8; \
        --fit: #b4480f; --good: #1a7f4b; --bad: #c2261d; --dull: #66717d; --phase: #2563b814; --warm: #8080801f; }
        @media (prefers-color-scheme: dark) { :root { --page: #10151b; --card: #182029; --ink: #e6ebf1; --soft: #98a5b3; \
        --line: #2b3642; --memory: #6aa6f2; --fit: #f0954f; --good: #3fb97c; --bad: #f0685e; --dull: #8a96a3; \
        --phase: #6aa6f21c; --warm: #a0a0a01c; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 28px 20px 60px; max-width: 980px; background: var(--page); color: var(--ink); \
        font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
        header { display: flex; gap: 16px; align-items: center; }
        h1 { margin: 0; font-size: 24px; line-height: 1.2; }
        h2 { margin: 0 0 4px; font-size: 17px; }
        .sub, .note, .legend { margin: 4px 0; color: var(--soft); font-size: 13.5px; }
        .lead { font-size: 17px; margin: 14px 0 16px; }
        .badge, .mark { border-radius: 6px; color: #fff; font-weight: 700; letter-spacing: .04em; }
        .badge { margin: 0; padding: 8px 14px; font-size: 18px; }
        .mark { padding: 1px 7px; font-size: 13px; margin-right: 4px; }
        .good { background: var(--good); } .bad { background: var(--bad); } .dull { background: var(--dull); }
        @media (prefers-color-scheme: dark) { .badge, .mark { color: #0c1116; } }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; }
        .tile, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
        .tile p { margin: 0; color: var(--soft); font-size: 12.5px; } .tile b { font-size: 22px; }
        section { margin-top: 14px; }
        .verdict { margin: 8px 0; font-weight: 600; }
        svg { display: block; width: 100%; height: auto; margin: 10px 0 4px; }
        svg text { fill: var(--soft); font-size: 12px; font-family: inherit; }
        .grid { stroke: var(--line); } .divider { stroke: var(--soft); stroke-dasharray: 3 4; }
        .phase { fill: var(--phase); } .warm { fill: var(--warm); }
        .memory { fill: none; stroke: var(--memory); stroke-width: 1.6; stroke-linejoin: round; }
        .fit { fill: none; stroke: var(--fit); stroke-width: 2; }
        .limit { fill: none; stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 6 5; }
        .fan { fill: var(--fit); opacity: .16; } .dot { fill: var(--memory); stroke: var(--card); stroke-width: 1.5; }
        .legend i { display: inline-block; width: 20px; height: 0; margin: 0 4px 3px 14px; border-top: 2px solid; }
        .legend i.dot { width: 9px; height: 9px; border: 0; border-radius: 50%; background: var(--memory); margin: 0 4px 1px 0; }
        .legend i.fit { border-color: var(--fit); } .legend i.limit { border-top-style: dashed; border-color: var(--soft); }
        .legend i.fan { height: 11px; border: 0; background: var(--fit); margin-bottom: -1px; }
        table { border-collapse: collapse; margin-top: 8px; font-size: 13.5px; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: 3px 18px 3px 0; border-bottom: 1px solid var(--line); }
        th { color: var(--soft); font-weight: 500; }
        .number, .numbers th, .numbers td { text-align: right; }
        summary { cursor: pointer; color: var(--soft); font-size: 13.5px; }
        """
}
