import TorporCore
import TorporSystem

extension Doctor {
    /// Whether hosted servers can be started, and what holds them to their limits.
    static func hosted(_ facts: MachineFacts) -> [Finding] {
        guard let hosted = facts.hosted else { return [] }
        if let fault = hosted.fault {
            return [.fault("hosted", fault, "Put it right; torpor does not start so.")]
        }
        guard !hosted.commands.isEmpty else { return [] }
        return self.programs(hosted) + self.childMemory(hosted.commands, facts) + self.caps(hosted)
    }

    private static func programs(_ hosted: MachineFacts.Hosted) -> [Finding] {
        var findings: [Finding] = []
        for command in hosted.commands {
            if let fault = command.fault {
                findings.append(
                    .fault(
                        "hosted", "\(command.name) cannot be started: \(fault).",
                        "Install the program for the user that torpor runs as, or name it by its whole path."))
            }
            if let caveat = command.caveat {
                findings.append(.note("hosted", "\(command.name): \(caveat).", "Put these into its arguments."))
            }
        }
        let sandboxed = hosted.commands.filter(\.isSandboxed).map(\.name)
        if !sandboxed.isEmpty, !hosted.hasBubblewrap {
            findings.append(
                .fault(
                    "hosted",
                    "bubblewrap is not installed, and without it nothing starts that is to run in a sandbox: "
                        + "\(sandboxed.joined(separator: ", ")).", "Install it (bubblewrap), or turn the sandbox off."))
        }
        guard findings.isEmpty else { return findings }
        let count = hosted.commands.count
        return [.ok("hosted", count == 1 ? "The hosted program is there." : "The \(count) hosted programs are there.")]
    }

    /// What all children may take at their caps, beside torpor itself.
    static func worstChildMemory(_ commands: [MachineFacts.Hosted.Command]) -> ByteCount {
        // At most 256 servers with 10,000 children of 1 TiB: that fits.
        ByteCount(commands.reduce(0) { $0 + $1.memory.bytes * $1.childrenMax })
    }

    private static func childMemory(_ commands: [MachineFacts.Hosted.Command], _ facts: MachineFacts) -> [Finding] {
        guard let limit = facts.memoryLimit else { return [] }
        let room = limit.whole.bytes - self.worstMemory(facts.configuration).bytes
        let whole = self.text(limit.whole)
        let large = commands.filter { $0.memory.bytes > room }
        guard large.isEmpty else {
            return large.map { command in
                .warning(
                    "children",
                    "A single child of \(command.name) may take \(self.text(command.memory)), more than torpor's "
                        + "own memory leaves of \(whole).", "Lower its memory, or allow more for all.")
            }
        }
        let worst = self.worstChildMemory(commands)
        let sum = "at their caps all children may take \(self.text(worst)) at the same time"
        guard worst.bytes > room else {
            return [.ok("children", "By the settings \(sum), within \(whole).")]
        }
        let advice =
            commands.count == 1
            ? "Lower its children to \(room / commands[0].memory.bytes), or its memory"
            : "Lower their children or their memory"
        return [
            .warning(
                "children", "By the settings \(sum), more than torpor's own memory leaves of \(whole).",
                "\(advice), or allow more for all.")
        ]
    }

    /// What holds the caps.
    private static func caps(_ hosted: MachineFacts.Hosted) -> [Finding] {
        guard let refusal = hosted.controlGroupRefusal else {
            return [.ok("children", "Control groups hold the caps of children.")]
        }
        return [
            .note(
                "children",
                "A look at their memory several times a second holds the caps of children, not the kernel: \(refusal).",
                "Let torpor write its control group (Delegate=yes of systemd), if children may be hostile.")
        ]
    }
}
