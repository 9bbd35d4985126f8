import Torpor

extension Workbench {
    @ServerBuilder static var resources: [any ServerComponent] {
        Resource(
            "workbench://guide", name: "guide",
            description: "What the workbench keeps, for whom and for how long, how to use it, and its limits.",
            title: "Guide", mimeType: "text/markdown", caching: .shared(.seconds(3_600))
        ) { call in
            [.text(self.guide(call.stateLimits), uri: "workbench://guide", mimeType: "text/markdown")]
        }
        ResourceTemplate(
            "note:///{title}", name: "note", description: "A note, by its title.", title: "Note",
            mimeType: "text/plain", completions: ["title": self.titles],
            list: { call in try await Space.own(of: call)?.noteHeads().map(\.resource) ?? [] },
            read: { variables, call in try await self.readNote(variables, Space.own(of: call)) })
        ResourceTemplate(
            "note://{space}/{title}", name: "note_in_space", description: "A note in a space that create_space made.",
            title: "Note in a space", mimeType: "text/plain", completions: ["title": self.titles],
            read: { variables, call in
                try await self.readNote(variables, Space(call, StateHandle(variables["space"])))
            })
        ResourceTemplate(
            "table:///{name}", name: "table", description: "A table as CSV, by its name.", title: "Table",
            mimeType: "text/csv", completions: ["name": self.tableNames],
            list: { call in try await Space.own(of: call)?.tableHeads().map(\.resource) ?? [] },
            read: { variables, call in try await self.readTable(variables, Space.own(of: call)) })
        ResourceTemplate(
            "table://{space}/{name}", name: "table_in_space",
            description: "A table as CSV, in a space that create_space made.", title: "Table in a space",
            mimeType: "text/csv", completions: ["name": self.tableNames],
            read: { variables, call in
                try await self.readTable(variables, Space(call, StateHandle(variables["space"])))
            })
    }

    private static func readNote(_ variables: URIVariables, _ space: Space?) async throws -> [ResourceContents] {
        guard let note = try await self.found({ try await space?.note(variables["title"]) }) else {
            throw MCPError.resourceNotFound(variables.uri)
        }
        return [.text(note.text, uri: variables.uri)]
    }

    private static func readTable(_ variables: URIVariables, _ space: Space?) async throws -> [ResourceContents] {
        guard let table = try await self.found({ try await space?.table(variables["name"]) }) else {
            throw MCPError.resourceNotFound(variables.uri)
        }
        let text = CSV.text(columns: table.columns, rows: table.rows.lazy.map(\.cells))
        return [.text(text, uri: variables.uri, mimeType: "text/csv")]
    }

    /// What `body` finds; `nil` when there is no such thing, or no such space.
    static func found<Value>(_ body: () async throws -> Value?) async throws -> Value? {
        do {
            return try await body()
        } catch is ToolError {
            return nil
        } catch let error as StateError where error.code == .missing {
            return nil
        }
    }

    private static let titles = Completer { completion in
        try await Workbench.found { try await Space(of: completion)?.noteHeads() }?
            .map(\.title).beginning(with: completion.value) ?? []
    }

    private static let tableNames = Completer { completion in
        try await Workbench.found { try await Space(of: completion)?.tableHeads() }?
            .map(\.name).beginning(with: completion.value) ?? []
    }

    private static func guide(_ limits: StateLimits) -> String {
        """
        # Workbench

        A place to keep things between calls and conversations.

        - **Notes** are texts with a title and tags: `save_note`, `append_note`, `read_note`, `list_notes`, \
        `search_notes`, `delete_note`. Each is also a resource, `note:///{title}`.
        - **Memory** keeps values under keys: `remember`, `recall`, `forget`, `list_memory`. Keys such as \
        `user/timezone` list together by prefix.
        - **Tables** have named columns and rows of texts, numbers, true, false or nothing: `create_table`, \
        `insert_rows`, `query_table`, `update_rows`, `delete_rows`, `describe_table`, `list_tables`, `drop_table`. \
        Each is also a resource, `table:///{name}`, in CSV.

        ## Whose it is, and for how long

        - Who authenticates, or started the server as a program of their own, has one space, the same in every \
        conversation. Nobody else reaches it.
        - Who does not has one space for each session, and it ends with the session. Without a session (from 2026-07-28 \
        on) there is none.
        - Anybody makes more spaces with `create_space` and names them by the argument `space` of every tool, from any \
        session and without one. Who knows the handle and does not authenticate either has access; an authenticated \
        caller's spaces are for that caller alone. `list_spaces` lists them, `destroy_space` deletes one. Their notes \
        and tables are the resources `note://{space}/{title}` and `table://{space}/{name}`.

        A space is kept until nobody has used it for \(limits.retention.text). What a tool has answered is stored: the \
        server's restarts lose nothing, unless its operator chose a store in memory.

        ## Queries

        `{"table": "birds", "where": [{"column": "grams", "op": "gt", "value": 10}], "order_by": "grams", \
        "descending": true}` shows rows. `"aggregate": {"function": "avg", "column": "grams", "group_by": "family"}` \
        reckons instead, from the same rows.

        ## Limits

        A call that would pass a limit fails, says so, and changes nothing.

        | What | At most |
        | - | - |
        | all contents of a space, and what it takes to find them | \(limits.memory.objectMax) |
        | values of a space: a note is two, a key or a table one, and so are up to \(RowChunks.rowCountMax) rows | \
        \(limits.storage.objectValuesMax) |
        | spaces of one caller | \(limits.storage.accountObjectsMax) |
        | a note's text, a value, a cell | \(WorkbenchLimits.textMax) |
        | a title, a key, a name of a table or column | \(WorkbenchLimits.nameLengthMax) characters |
        | tags of a note | \(WorkbenchLimits.tagCountMax), of \(WorkbenchLimits.tagLengthMax) characters |
        | tables | \(WorkbenchLimits.tableCountMax) |
        | columns of a table | \(WorkbenchLimits.columnCountMax) |
        | rows of a table | \(WorkbenchLimits.rowCountMax) |
        | rows inserted by one call | \(WorkbenchLimits.insertedRowsMax) |
        | rows that a query answers | \(WorkbenchLimits.queriedRowsMax), and \(WorkbenchLimits.answerMax) |

        """
    }
}

extension Space {
    /// The space that a completion is about: the one named beside it, or the caller's own.
    init?(of completion: Completion) {
        self.init(named: completion.arguments["space"], completion.call)
    }

    /// The space of a handle, or the caller's own; `nil` when there is neither.
    init?(named handle: String?, _ call: Call) {
        // What was left empty in a form is often sent as an empty text.
        let handle = handle.flatMap { $0.isEmpty ? nil : StateHandle($0) }
        if handle == nil, call.needsHandle(of: "space") { return nil }
        self.init(call, handle)
    }

    /// The URI of a note in it.
    func uri(of note: NoteHead) -> String {
        "note://\(self.handle?.text.percentEncoded ?? "")/" + note.title.percentEncoded
    }
}

extension NoteHead {
    fileprivate var resource: ResourceDescription {
        ResourceDescription(
            uri: "note:///" + self.title.percentEncoded, name: self.title, mimeType: "text/plain",
            sizeBytes: self.byteCount)
    }
}

extension TableHead {
    fileprivate var resource: ResourceDescription {
        ResourceDescription(uri: "table:///" + self.name.percentEncoded, name: self.name, mimeType: "text/csv")
    }
}

extension String {
    /// The text as one segment of a URI: everything but unreserved characters (RFC 3986, 2.3) is escaped.
    fileprivate var percentEncoded: String {
        var bytes: [UInt8] = []
        for byte in self.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes.append(UInt8(ascii: "%"))
                bytes.append(contentsOf: [byte >> 4, byte & 15].map { $0 < 10 ? 0x30 + $0 : 0x37 + $0 })
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Sequence<String> {
    /// Those that begin with `typed`, whatever the case.
    func beginning(with typed: String) -> [String] {
        let typed = typed.lowercased()
        return self.filter { $0.lowercased().hasPrefix(typed) }
    }
}
