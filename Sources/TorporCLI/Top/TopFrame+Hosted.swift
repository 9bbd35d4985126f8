/// What is shown of hosted servers: a line for all of them, and a table of them where there is room.
extension TopFrame {
    /// Of the servers of a file no more are shown.
    private static let hostedMax = 16
    /// Which children count as what, in the words of the page.
    private static let phases = ["busy", "idle", "spare", "waking", "stopping"]

    /// One line; none when nothing is hosted.
    func children() -> [TopLine] {
        let servers = self.now.list("hosted")
        guard !servers.isEmpty else { return [] }
        let sum = { (name: String) in TopText.count(servers.reduce(0) { $0 + ($1.number(name) ?? 0) }) }
        var line = self.line("children")
        // In front, so that narrow terminals have it.
        let failing = servers.filter { $0.text("failure") != nil }.compactMap { $0.text("name") }
        if !failing.isEmpty { line.add("failing: \(failing.joined(separator: ", "))   ", .bad) }
        line.add("busy \(sum("busy"))   idle \(sum("idle"))   waking \(sum("waking"))")
        line.add("   wait for one \(sum("waiting_calls"))")
        line.add("   memory \(TopText.bytes(servers.reduce(0) { $0 + Self.memory(of: $1) }))")
        return [line]
    }

    /// - Parameter room: At most so many lines below the heading.
    func hostedServers(_ room: Int) -> [TopLine] {
        let servers = self.now.list("hosted").prefix(Self.hostedMax)
        guard !servers.isEmpty, room > 0 else { return [] }
        var table = TextTable([
            ("HOSTED", false), ("CHILDREN", true), ("BUSY", true), ("IDLE", true), ("WAKING", true), ("MEMORY", true),
            ("WAITING", true), ("STARTS", true), ("FAILED", true),
        ])
        for server in servers {
            let children = Self.phases.reduce(0) { $0 + (server.number($1) ?? 0) }
            table.add([
                server.text("name") ?? "",
                "\(TopText.count(children)) of \(TopText.count(server.number("children_limit")))",
                TopText.count(server.number("busy")), TopText.count(server.number("idle")),
                TopText.count(server.number("waking")), TopText.bytes(Self.memory(of: server)),
                TopText.count(server.number("waiting_calls")), TopText.count(server.number("starts")),
                TopText.count(server.number("start_failures")),
            ])
        }
        let rows = table.text.split(separator: "\n").map(String.init)
        let lines = zip(servers, rows.dropFirst()).flatMap { server, row in
            guard let failure = server.text("failure") else { return [TopLine(row)] }
            return [TopLine(row, .bad), TopLine("  \(failure)", .bad)]
        }
        return [TopLine(rows[0], .quiet)] + lines.prefix(room)
    }

    /// Bytes; those of remote servers are not known, and count as none.
    private static func memory(of server: Overview) -> Double {
        server.list("children").reduce(0) { $0 + ($1.number("memory_bytes") ?? 0) }
    }
}
