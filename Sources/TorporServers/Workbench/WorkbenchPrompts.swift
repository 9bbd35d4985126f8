import Torpor

extension Workbench {
    @ServerBuilder var prompts: [any ServerComponent] {
        Prompt(
            "summarize_notes", "Sums up the notes on a topic, with the notes themselves.", title: "Summarize notes",
            arguments: [
                PromptArgument(
                    "topic", "A tag, a title, or words that the notes have.", required: true,
                    completer: Completer { try await self.topics(matching: $0) })
            ]
        ) { arguments, call in
            try await self.summarizeNotes(arguments["topic"] ?? "", call)
        }
        Prompt(
            "plan_work", "Plans the way to a goal, from what the workbench knows of it.", title: "Plan work",
            arguments: [PromptArgument("goal", "What is to be reached.", required: true)]
        ) { arguments, call in
            try await self.planWork(arguments["goal"] ?? "", call)
        }
    }

    private func summarizeNotes(_ topic: String, _ call: Call) async throws -> PromptResult {
        let space = try await self.store.space(of: call.principal)
        let notes = EmbeddedNotes(space.notes(on: topic, needsEveryWord: true))
        guard !notes.isEmpty else {
            return PromptResult([
                .user(
                    """
                    I asked for a summary of my notes on "\(topic)", but no note on the workbench has all these words. \
                    Look for related notes with search_notes and list_notes, tell me which you found, and ask me which \
                    I meant.
                    """)
            ])
        }
        let request = """
            Summarize my notes on "\(topic)", which follow (\(notes.summary)). Begin with the most important point in \
            one sentence. Then list decisions, facts and open questions, each with the title of the note that it comes \
            from. Where notes contradict each other, say so. Add nothing that is not in the notes.
            """
        return PromptResult([.user(request)] + notes.messages)
    }

    private func planWork(_ goal: String, _ call: Call) async throws -> PromptResult {
        let space = try await self.store.space(of: call.principal)
        let notes = EmbeddedNotes(space.notes(on: goal.contentWords, needsEveryWord: false))
        var request = """
            Make a plan for this goal: \(goal)

            Use what the workbench holds. Give three to seven steps in order; for each, what is done, how one sees \
            that it is done, and what it needs first. Name what is still unknown and how to find it out. When I agree \
            with the plan, save it with save_note under the title "Plan: …", tagged plan, and note progress there with \
            append_note.
            """
        if !space.tables.isEmpty {
            request += "\n\nTables: " + space.tables.keys.sorted().joined(separator: ", ") + "."
        }
        let keys = space.memory(under: "").prefix(Self.namedKeysMax).map(\.key)
        if !keys.isEmpty { request += "\n\nRemembered keys: " + keys.joined(separator: ", ") + "." }
        request +=
            notes.isEmpty
            ? "\n\nNo note has the words of the goal." : "\n\nNotes that may help follow (\(notes.summary))."
        return PromptResult([.user(request)] + notes.messages)
    }

    private static let namedKeysMax = 100

    /// Tags first, then titles.
    private func topics(matching completion: Completion) async throws -> [String] {
        let notes = try await self.store.space(of: completion.call.principal).notes()
        let tags = Set(notes.flatMap(\.tags))
        let titles = notes.map(\.title).filter { !tags.contains($0) }
        return (tags.sorted() + titles).beginning(with: completion.value)
    }
}

extension String {
    /// The words that say what a sentence is about, as far as their length tells.
    fileprivate var contentWords: String {
        self.split { !$0.isLetter && !$0.isNumber }.filter { $0.count > 3 }.prefix(20).joined(separator: " ")
    }
}

/// The notes that a prompt embeds, as far as there is room.
private struct EmbeddedNotes {
    private var notes: [Note] = []
    private var omitted: [String] = []

    /// - Parameter found: The best first.
    init(_ found: [Note]) {
        var byteCount = 0
        for note in found {
            let size = note.text.utf8.count
            let fits =
                self.notes.count < WorkbenchLimits.embeddedNotesMax
                && byteCount + size <= WorkbenchLimits.embeddedTextMax.bytes
            if fits {
                byteCount += size
                self.notes.append(note)
            } else {
                self.omitted.append(note.title)
            }
        }
    }

    var isEmpty: Bool { self.notes.isEmpty && self.omitted.isEmpty }

    /// How many there are, for a sentence.
    var summary: String {
        guard !self.omitted.isEmpty else { return "all \(self.notes.count) of them" }
        let named = self.omitted.prefix(Self.namedMax).map { "\"\($0)\"" }.joined(separator: ", ")
        let total = self.notes.count + self.omitted.count
        return "\(self.notes.count) of \(total); read the others with read_note, such as \(named)"
    }

    var messages: [PromptMessage] { self.notes.map { .user(.resource(.text($0.text, uri: $0.uri))) } }

    private static let namedMax = 10
}
