import Torpor

extension Workbench {
    @ServerBuilder static var memoryTools: [any ServerComponent] {
        Tool(
            "remember",
            "Keeps a value under a key, for later calls and conversations. Replaces the value that the key has.",
            title: "Remember a value", annotations: .replacing
        ) { (input: Remember, call) in
            let isNew = try await Space(call, input.space).update { try $0.remember(input.key, input.value) }
            return isNew ? "Remembered \"\(input.key)\"." : "Replaced the value of \"\(input.key)\"."
        }
        Tool(
            "recall", "Answers the value that was remembered under a key.", title: "Recall a value",
            annotations: .readOnly
        ) { (input: Key, call) in
            Recalled(key: input.key, value: try await Space(call, input.space).recall(input.key))
        }
        Tool(
            "forget", "Removes a key and its value for good.", title: "Forget a value", annotations: .replacing
        ) { (input: Key, call) in
            try await Space(call, input.space).update { try $0.forget(input.key) }
            return "Forgot \"\(input.key)\"."
        }
        Tool(
            "list_memory", "Lists the keys that are remembered, in order, with the beginning of each value.",
            title: "List what is remembered",
            annotations: .readOnly
        ) { (input: ListMemory, call) in
            var list = MemoryList()
            try await Space(call, input.space).forEachEntry(under: input.prefix ?? "") { list.append($0) }
            return list
        }
    }
}

// MARK: - Arguments

private let keyField = Field("The key, such as user/timezone.", length: 1...WorkbenchLimits.nameLengthMax)

private struct Remember: ToolInput {
    var key: String
    var value: JSONValue
    var space: StateHandle?

    static let fields = [
        "key": keyField, "value": Field("A text, or any other JSON value; at most \(WorkbenchLimits.textMax)."),
        "space": spaceField,
    ]
}

private struct Key: ToolInput {
    var key: String
    var space: StateHandle?
    static let fields = ["key": keyField, "space": spaceField]
}

private struct ListMemory: ToolInput {
    var prefix: String?
    var space: StateHandle?
    static let fields: [String: Field] = ["prefix": "Only keys that begin so.", "space": spaceField]
}

// MARK: - Results

private struct Recalled: StructuredOutput {
    var key: String
    var value: JSONValue

    /// A text as it is, anything else as JSON.
    var modelText: String? { if case .string(let text) = self.value { text } else { self.value.text } }
}

private struct MemoryList: StructuredOutput {
    struct Entry: Codable, DescribedFields {
        var key: String
        var preview: String

        static let fields: [String: Field] = ["preview": "The beginning of the value; recall answers the whole."]
    }

    private static let previewLengthMax = 80

    var entries: [Entry] = []
    var total = 0

    mutating func append(_ entry: MemoryEntry) {
        self.total += 1
        guard self.entries.count < WorkbenchLimits.listedMax else { return }
        self.entries.append(Entry(key: entry.key, preview: Self.preview(of: entry.value)))
    }

    private static func preview(of value: JSONValue) -> String {
        let text = if case .string(let text) = value { text } else { value.text }
        let line = String(
            String.UnicodeScalarView(text.unicodeScalars.prefix(self.previewLengthMax).map { $0 == "\n" ? " " : $0 }))
        return line.unicodeScalars.count < self.previewLengthMax ? line : line + "…"
    }

    static let fields: [String: Field] = ["total": "How many keys there are, also those not listed."]

    var modelText: String? {
        guard self.total > 0 else { return "Nothing is remembered under such a key." }
        let isWhole = self.entries.count == self.total
        let heading =
            isWhole
            ? "Keys (\(self.total)):"
            : "Keys (the first \(self.entries.count) of \(self.total); see others with prefix):"
        return ([heading] + self.entries.map { "- \($0.key): \($0.preview)" }).joined(separator: "\n")
    }
}
