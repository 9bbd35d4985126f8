import Torpor

extension Workbench {
    @ServerBuilder static var prompts: [any ServerComponent] {
        Prompt(
            "summarize_notes", "Sums up the notes on a topic, with the notes themselves.", title: "Summarize notes",
            arguments: [
                PromptArgument(
                    "topic", "A tag, a title, or words that the notes have.", required: true,
                    completer: Completer { try await self.topics(matching: $0) }),
                self.spaceArgument,
            ]
        ) { arguments, call in
            try await self.inSpace(arguments, call) { try await self.summarizeNotes(arguments["topic"] ?? "", $0) }
        }
        Prompt(
            "plan_work", "Plans the way to a goal, from what the workbench knows of it.", title: "Plan work",
            arguments: [PromptArgument("goal", "What is to be reached.", required: true), self.spaceArgument]
        ) { arguments, call in
            try await self.inSpace(arguments, call) { try await self.planWork(arguments["goal"] ?? "", $0) }
        }
    }

    private static let spaceArgument = PromptArgument(
        "space", "The handle of a space, as create_space answered it. Default: your own, if you have one.")

    /// Runs `body` with the space that is meant.
    /// - Throws: ``MCPError`` when there is none.
    private static func inSpace(
        _ arguments: PromptArguments, _ call: Call, _ body: (Space) async throws -> PromptResult
    ) async throws -> PromptResult {
        guard let space = Space(named: arguments["space"], call) else {
            throw MCPError.invalidParams(
                "No space was named. Make one with create_space, and give its handle as space.")
        }
        do {
            return try await body(space)
        } catch let error as StateError where error.code == .missing {
            throw MCPError.invalidParams(error.message)
        }
    }

    private static func summarizeNotes(_ topic: String, _ space: Space) async throws -> PromptResult {
        let notes = try await EmbeddedNotes(space.notes(on: topic, needsEveryWord: true), of: space)
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

    private static func planWork(_ goal: String, _ space: Space) async throws -> PromptResult {
        let notes = try await EmbeddedNotes(space.notes(on: goal.contentWords, needsEveryWord: false), of: space)
        var request = """
            Make a plan for this goal: \(goal)

            Use what the workbench holds. Give three to seven steps in order; for each, what is done, how one sees \
            that it is done, and what it needs first. Name what is still unknown and how to find it out. When I agree \
            with the plan, save it with save_note under the title "Plan: …", tagged plan, and note progress there with \
            append_note.
            """
        let tables = try await space.tableHeads()
        if !tables.isEmpty { request += "\n\nTables: " + tables.map(\.name).joined(separator: ", ") + "." }
        let keys = try await space.memory.entries(limit: self.namedKeysMax).map(\.value.key)
        if !keys.isEmpty { request += "\n\nRemembered keys: " + keys.joined(separator: ", ") + "." }
        request +=
            notes.isEmpty
            ? "\n\nNo note has the words of the goal." : "\n\nNotes that may help follow (\(notes.summary))."
        return PromptResult([.user(request)] + notes.messages)
    }

    private static let namedKeysMax = 100

    /// Tags first, then titles.
    private static func topics(matching completion: Completion) async throws -> [String] {
        let notes = try await self.found { try await Space(of: completion)?.noteHeads() } ?? []
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
    private(set) var messages: [PromptMessage] = []
    private var omitted: [String] = []

    /// - Parameter found: The best first.
    init(_ found: [NoteHead], of space: Space) async throws {
        var byteCount = 0
        for head in found {
            let fits =
                self.messages.count < WorkbenchLimits.embeddedNotesMax
                && byteCount + head.byteCount <= WorkbenchLimits.embeddedTextMax.bytes
            // Its text may have been changed or deleted since it was found.
            if fits, let note = try await Workbench.found({ try await space.note(head.title) }),
                byteCount + note.head.byteCount <= WorkbenchLimits.embeddedTextMax.bytes
            {
                byteCount += note.head.byteCount
                self.messages.append(.user(.resource(.text(note.text, uri: space.uri(of: note.head)))))
            } else {
                self.omitted.append(head.title)
            }
        }
    }

    var isEmpty: Bool { self.messages.isEmpty && self.omitted.isEmpty }

    /// How many there are, for a sentence.
    var summary: String {
        guard !self.omitted.isEmpty else { return "all \(self.messages.count) of them" }
        let named = self.omitted.prefix(Self.namedMax).map { "\"\($0)\"" }.joined(separator: ", ")
        let total = self.messages.count + self.omitted.count
        return "\(self.messages.count) of \(total); read the others with read_note, such as \(named)"
    }

    private static let namedMax = 10
}
