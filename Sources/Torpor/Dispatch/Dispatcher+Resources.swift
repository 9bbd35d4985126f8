extension Dispatcher {
    /// The most resources that the templates of a server may list to one caller.
    private static let listedMax = 10_000
    /// The longest URI that is read. In bytes.
    static let uriBytesMax = 8_192

    /// Answers `resources/list`: from the encoded list when nothing depends on the caller.
    func listResources(_ operation: Operation) throws(Refusal) -> Dispatch {
        let listers = self.table.templates.compactMap(\.list)
        guard !listers.isEmpty else {
            return try self.list(self.table.resourceLists, operation)
        }
        let after = try self.cursorURI(operation)
        let call = Call(operation, self, name: "resources/list")
        return try self.runLater(operation) {
            do {
                var all = self.table.resources.values.map(\.description)
                for list in listers { all += try await list(call).prefix(Self.listedMax) }
                return self.finishList(operation, all, after: after)
            } catch {
                return self.fail(operation, self.refusal(for: error, of: operation, name: "resources/list"))
            }
        }
    }

    /// A cursor of a list that changes is the last URI shown: entries that come and go move nothing else.
    private func cursorURI(_ operation: Operation) throws(Refusal) -> String? {
        let bytes = operation.bytes
        let cursor = operation.params.cursor
        guard cursor.isPresent else { return nil }
        guard let text = cursor.string(in: bytes.span), text.hasPrefix("u"),
            let bytes = Base64.decodeURLSafe(Array(text.dropFirst().utf8)),
            let uri = String(validating: bytes, as: UTF8.self)
        else { throw Refusal(200, Cursor.invalid.code, Cursor.invalid.message) }
        return uri
    }

    private func finishList(_ operation: Operation, _ resources: [ResourceDescription], after: String?) -> Reply {
        let sorted = resources.sorted { $0.uri < $1.uri }
        let remaining = after.map { after in sorted.drop { $0.uri <= after } } ?? sorted[...]
        let page = remaining.prefix(self.table.lists.pageSize)
        return self.finish(operation, capacity: 1_024) { writer in
            writer.beginObject()
            writer.key("resources")
            writer.beginArray()
            for resource in page { resource.write(to: &writer, for: operation.revision) }
            writer.endArray()
            if page.count < remaining.count, let last = page.last {
                writer.member("nextCursor", "u" + Base64.encodeURLSafe(Array(last.uri.utf8)))
            }
            EncodedList.end(&writer, operation.revision, timeToLive: .zero, isShared: false, self.table.modernEnd)
        }
    }

    /// Answers `resources/read`: a fixed text at once, anything else by its handler.
    func readResource(_ operation: Operation) throws(Refusal) -> Dispatch {
        let bytes = operation.bytes
        let slice = operation.params.uri
        guard let uri = slice.string(in: bytes.span), uri.utf8.count <= Self.uriBytesMax else {
            throw Refusal(
                200, .invalidParams, "resources/read needs uri, a string of at most \(Self.uriBytesMax) bytes.")
        }
        if let resource = self.table.resources[slice, in: bytes.span] {
            switch resource.reader {
            case .fixed(let contents): return .reply(self.finish(operation, [contents], resource.caching))
            case .concurrent(let read): return try self.readLater(operation, uri, resource.caching, read)
            }
        }
        for template in self.table.templates {
            if let variables = template.template.match(uri) {
                return try self.readLater(operation, uri, template.caching) { call in
                    try await template.read(variables, call)
                }
            }
        }
        return .reply(self.fail(operation, self.refusal(for: MCPError.resourceNotFound(uri), of: operation, name: uri)))
    }

    private func readLater(
        _ operation: Operation, _ uri: String, _ caching: Caching,
        _ read: @escaping @Sendable (Call) async throws -> [ResourceContents]
    ) throws(Refusal) -> Dispatch {
        try self.prepareToAsk(operation)
        let call = Call(operation, self, name: uri)
        return try self.runLater(operation) {
            do {
                try await call.redeemState()
                let contents = try await read(call)
                // A resource that is there has contents; no contents means that it is not (2026-07-28, resources,
                // errors).
                guard !contents.isEmpty else { throw MCPError.resourceNotFound(uri) }
                return self.inputRequired(operation) ?? self.finish(operation, contents, caching)
            } catch {
                return self.inputRequired(operation)
                    ?? self.fail(operation, self.refusal(for: error, of: operation, name: uri))
            }
        }
    }

    private func finish(_ operation: Operation, _ contents: [ResourceContents], _ caching: Caching) -> Reply {
        self.finish(operation, capacity: 512) { writer in
            writer.beginObject()
            writer.key("contents")
            writer.beginArray()
            for content in contents { content.write(to: &writer) }
            writer.endArray()
            EncodedList.end(
                &writer, operation.revision, timeToLive: caching.timeToLive, isShared: caching.isShared,
                self.table.modernEnd)
        }
    }
}
