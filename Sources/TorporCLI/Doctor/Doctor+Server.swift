import Torpor
import TorporCore
import TorporSystem

extension Doctor {
    /// Percent of a bound from which on it is worth a word, and of memory and descriptors, from which on it is a warning.
    private static let nearly = 90

    /// What a running server says of itself.
    static func server(_ facts: MachineFacts) -> [Finding] {
        switch facts.server {
        case .notAsked: return []
        case .absent(let url, let reason, let wasNamed):
            return [
                wasNamed
                    ? .warning("server", "No server was looked at: \(reason).", "Name the admin port of one that runs.")
                    : .ok("server", "No server runs at \(url), so none was looked at.")
            ]
        case .refuses(let reason):
            return [
                .warning(
                    "server", "The server does not let itself be looked at: \(reason).", "Give --admin-token-file.")
            ]
        case .answers(let memory, let unreadiness):
            let page = JSONValue.object(memory)
            return self.readiness(unreadiness) + self.use(page, facts) + self.bounds(page) + self.governor(page)
        }
    }

    private static func readiness(_ unreadiness: String?) -> [Finding] {
        guard let unreadiness else { return [.ok("server", "The running server is ready.")] }
        return [.fault("server", "The running server takes no requests: \(unreadiness).", "See its log.")]
    }

    /// Memory and descriptors of the running process against their limits.
    private static func use(_ page: JSONValue, _ facts: MachineFacts) -> [Finding] {
        var findings: [Finding] = []
        let process = page["process"]
        if let limit = facts.memoryLimit, let resident = self.integer(process?["resident_bytes"]) {
            let (used, most) = (self.text(ByteCount(max(0, resident))), self.text(limit.bytes))
            findings.append(
                self.isNearly(resident, limit.bytes.bytes)
                    ? .warning(
                        "server", "The running server has \(used) of memory, and steers by \(most).",
                        "Look at /debug/memory, and take a heap profile (torpor heap-profile) if it is not the state.")
                    : .ok("server", "The running server has \(used) of memory."))
        }
        if let open = self.integer(process?["open_file_descriptors"]),
            let limit = self.integer(process?["file_descriptors_limit"]), self.isNearly(open, limit)
        {
            findings.append(
                .warning(
                    "server", "The running server has \(open) of \(limit) descriptors open.",
                    "Raise its limit of open files, or lower --max-connections."))
        }
        return findings
    }

    /// Everything that tells its use beside its bound. That resident state is at its bound is as it should be: what rests
    /// makes room for what is used.
    private static func bounds(_ page: JSONValue) -> [Finding] {
        var findings: [Finding] = []
        for section in ["server", "state"] {
            guard case .object(let entries)? = page[section] else { continue }
            for entry in entries.members where entry.name != "resident" {
                guard let value = self.first(["value", "bytes", "count"], of: entry.value),
                    let limit = self.first(["limit", "limit_bytes"], of: entry.value), limit > 0,
                    self.isNearly(value, limit)
                else { continue }
                let name = entry.name.replacing("_", with: " ")
                findings.append(
                    value >= limit
                        ? .warning(
                            "bounds", "In the running server \(name) is at its bound (\(limit)): more is refused.",
                            "Raise the bound, or find out who takes so much (torpor sessions list, /debug/memory).")
                        : .note(
                            "bounds", "In the running server \(name) is near its bound: \(value) of \(limit).",
                            "Watch it; at the bound more is refused."))
            }
        }
        return findings.isEmpty ? [.ok("bounds", "No table of the running server is near its bound.")] : findings
    }

    /// What the governor does about pressure.
    private static func governor(_ page: JSONValue) -> [Finding] {
        guard let governor = page["governor"], case .string(let rung)? = governor["rung"], rung != "calm",
            let index = self.integer(governor["rung_index"])
        else { return [] }
        var reason = ""
        if case .string(let text)? = governor["reason"], !text.isEmpty { reason = " (\(text))" }
        // From the fourth rung on clients are refused.
        let what = "The running server acts against pressure, at the step \(rung)\(reason)."
        let advice = "See which source is worst in /debug/memory; allow it more memory, or less state."
        return [index >= 4 ? .warning("pressure", what, advice) : .note("pressure", what, advice)]
    }

    private static func isNearly(_ value: Int, _ limit: Int) -> Bool {
        // In this order, so that nothing overflows.
        value >= limit / 100 * Self.nearly + limit % 100 * Self.nearly / 100
    }

    private static func first(_ names: [String], of value: JSONValue) -> Int? {
        names.lazy.compactMap { self.integer(value[$0]) }.first
    }

    private static func integer(_ value: JSONValue?) -> Int? {
        guard case .number(let number)? = value else { return nil }
        return number.integer()
    }
}
