import Torpor

extension Workbench {
    @ServerBuilder var resources: [any ServerComponent] {
        Resource(
            "workbench://guide", name: "guide", description: "What the workbench keeps, how to use it, and its limits.",
            title: "Guide",
            mimeType: "text/markdown", text: Self.guide)
        ResourceTemplate(
            "note:///{title}", name: "note", description: "A note, by its title.", title: "Note",
            mimeType: "text/plain",
            completions: ["title": Completer { try await self.titles(matching: $0) }],
            list: { call in
                try await self.store.space(of: call.principal).notes.values.map(\.resource)
            },
            read: { variables, call in
                guard let note = try await self.store.space(of: call.principal).notes[variables["title"]] else {
                    throw MCPError.resourceNotFound(variables.uri)
                }
                return [.text(note.text, uri: variables.uri)]
            })
        ResourceTemplate(
            "table:///{name}", name: "table", description: "A table as CSV, by its name.", title: "Table",
            mimeType: "text/csv",
            completions: ["name": Completer { try await self.tableNames(matching: $0) }],
            list: { call in
                try await self.store.space(of: call.principal).tables.values.map(\.resource)
            },
            read: { variables, call in
                guard let table = try await self.store.space(of: call.principal).tables[variables["name"]] else {
                    throw MCPError.resourceNotFound(variables.uri)
                }
                let text = CSV.text(columns: table.columns, rows: table.rows.lazy.map(\.cells))
                return [.text(text, uri: variables.uri, mimeType: "text/csv")]
            })
    }

    private func titles(matching completion: Completion) async throws -> [String] {
        let notes = try await self.store.space(of: completion.call.principal).notes()
        return notes.map(\.title).beginning(with: completion.value)
    }

    private func tableNames(matching completion: Completion) async throws -> [String] {
        try await self.store.space(of: completion.call.principal).tables.keys.sorted().beginning(with: completion.value)
    }

    private static let guide = """
        # Workbench

        A place to keep things between calls and conversations. Everything here is yours alone: other principals have \
        workbenches of their own. Callers without authentication share one.

        - **Notes** are texts with a title and tags: `save_note`, `append_note`, `read_note`, `list_notes`, \
        `search_notes`, `delete_note`. Each is also a resource, `note:///{title}`.
        - **Memory** keeps values under keys: `remember`, `recall`, `forget`, `list_memory`. Keys such as \
        `user/timezone` list together by prefix.
        - **Tables** have named columns and rows of texts, numbers, true, false or nothing: `create_table`, \
        `insert_rows`, `query_table`, `update_rows`, `delete_rows`, `describe_table`, `list_tables`, `drop_table`. \
        Each is also a resource, `table:///{name}`, in CSV.

        ## Queries

        `{"table": "birds", "where": [{"column": "grams", "op": "gt", "value": 10}], "order_by": "grams", \
        "descending": true}` shows rows. `"aggregate": {"function": "avg", "column": "grams", "group_by": "family"}` \
        reckons instead, from the same rows.

        ## Limits

        A call that would pass a limit fails, says so, and changes nothing.

        | What | At most |
        | - | - |
        | all contents, as they lie in memory | \(WorkbenchLimits.spaceMax) |
        | notes, keys and tables together | \(WorkbenchLimits.entryCountMax) |
        | a note's text, a value, a cell | \(WorkbenchLimits.textMax) |
        | a title, a key, a name of a table or column | \(WorkbenchLimits.nameLengthMax) characters |
        | tags of a note | \(WorkbenchLimits.tagCountMax), of \(WorkbenchLimits.tagLengthMax) characters |
        | tables | \(WorkbenchLimits.tableCountMax) |
        | columns of a table | \(WorkbenchLimits.columnCountMax) |
        | rows of a table | \(WorkbenchLimits.rowCountMax) |
        | rows inserted by one call | \(WorkbenchLimits.insertedRowsMax) |
        | rows that a query answers | \(WorkbenchLimits.queriedRowsMax), and \(WorkbenchLimits.answerMax) |
        | callers with something kept | \(WorkbenchLimits.spaceCountMax) |
        | the contents of all callers | \(WorkbenchLimits.contentsMax) |

        """
}

extension Note {
    var uri: String { "note:///" + self.title.percentEncoded }

    fileprivate var resource: ResourceDescription {
        ResourceDescription(uri: self.uri, name: self.title, mimeType: "text/plain", sizeBytes: self.text.utf8.count)
    }
}

extension Table {
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
