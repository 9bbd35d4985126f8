import Synchronization
package import TorporCore

/// Carries requests to a foreign server, and its answers back.
package protocol Relay: Sendable {
    /// Returns once the server's catalogue has been offered (see ``RelayedServer/offer(_:)``).
    /// - Throws: ``Refusal`` with why there is none, for the client.
    func untilOffered() async throws

    /// Carries one request: of a tool, a prompt, a resource, a completion, or for a subscription.
    /// - Returns: The `result` object as JSON text, as the server wrote it.
    /// - Throws: ``MCPError`` for what the server refused, ``Refusal`` for what went wrong on the way,
    ///   `CancellationError`, and what ``RelayedRequest/ask(_:)`` throws.
    func answer(_ request: RelayedRequest) async throws -> [UInt8]

    /// Begins to find out what the server offers. Returns at once.
    func prepareOffer()

    /// A client of the modern era listens to resources. Returns at once.
    /// - Parameter listener: By which it is named in ``RelayedServer/announceUpdate(of:to:)``.
    /// - Returns: To be called when it does not any more.
    func listens(to uris: Set<String>, _ request: RelayedRequest, as listener: UInt128) -> @Sendable () -> Void

    /// A client of the legacy era says that its roots have changed. Returns at once.
    func rootsChanged(in session: UInt128)

    /// A session has ended, by its client or to make room: nothing of it is needed any more, and nothing that is kept
    /// for it. Returns at once.
    /// - Parameter account: Whose session it was, if that is known.
    func sessionEnded(_ session: UInt128, account: AccountID?)
}

/// A server that answers by a ``Relay``: what it offers is known once it has said so, and may change.
package final class RelayedServer: Sendable {
    let relay: any Relay
    private let lists: ListOptions
    private let changes = ChangeFeed()
    private let offered: Mutex<(table: ServerTable, catalogue: Catalogue?)>

    package init(_ relay: any Relay, name: String, version: String, lists: ListOptions = ListOptions()) {
        self.relay = relay
        self.lists = lists
        let nothing = Catalogue(implementation: Implementation(name: name, version: version))
        self.offered = Mutex((ServerTable(nothing, lists: lists, changes: self.changes), nil))
    }

    /// By what has been offered last; a table of nothing before.
    var table: ServerTable { self.offered.withLock { $0.table } }

    package var catalogue: Catalogue? { self.offered.withLock { $0.catalogue } }

    /// The server offers this from now on. Clients that asked for it are told what has changed.
    package func offer(_ catalogue: Catalogue) {
        // Not under the lock that requests take.
        let table = ServerTable(catalogue, lists: self.lists, changes: self.changes)
        let old = self.offered.withLock { offered in
            defer { offered = (table, catalogue) }
            return offered.catalogue
        }
        guard let old else { return }
        if old.tools != catalogue.tools { self.changes.publish(.tools) }
        if old.prompts != catalogue.prompts { self.changes.publish(.prompts) }
        if old.resources != catalogue.resources || old.templates != catalogue.templates {
            self.changes.publish(.resources)
        }
    }

    /// What is read at a URI has changed, for some of those who asked for it.
    /// - Parameter listeners: Ids of sessions, and those of ``Relay/listens(to:_:as:)``. Others may read something else
    ///   at the same URI, and must not learn of this.
    package func announceUpdate(of uri: String, to listeners: Set<StateObjectID>) {
        self.changes.publish(.resource(uri), to: listeners)
    }
}

/// Where a server's table comes from.
package enum TableSource: Sendable {
    /// A server that is written with this library: one table for good.
    case fixed(ServerTable)
    case relayed(RelayedServer)

    var table: ServerTable {
        switch self {
        case .fixed(let table): table
        case .relayed(let server): server.table
        }
    }

    /// Whether it is the same source, not only an equal one.
    func isSame(as other: TableSource) -> Bool {
        switch (self, other) {
        case (.fixed(let table), .fixed(let otherTable)): table === otherTable
        case (.relayed(let server), .relayed(let otherServer)): server === otherServer
        case (.fixed, .relayed), (.relayed, .fixed): false
        }
    }

    /// The changes that the server may tell of at any time.
    var announces: ServerChanges {
        switch self {
        case .fixed(let table): table.announces
        case .relayed: [.tools, .prompts, .resources, .resourceUpdates]
        }
    }
}

/// One request of a client that a ``Relay`` carries.
package struct RelayedRequest: Sendable {
    /// Who asks, what the client can do, and the way to it.
    package let call: Call
    /// What the tool or prompt is called by the server that it is for, where that is another name.
    private var ownName: String?
    /// The same of the prompt whose argument is completed.
    private var ownReference: String?

    init(_ call: Call) { self.call = call }

    /// The same request for a server that calls the tool or prompt so.
    package func named(_ name: String) -> RelayedRequest {
        var copy = self
        copy.ownName = name
        return copy
    }

    /// The same completion for a server that calls the prompt so.
    package func completing(_ prompt: String) -> RelayedRequest {
        var copy = self
        copy.ownReference = prompt
        return copy
    }

    var operation: Operation { self.call.operation }

    package var method: RequestMethod { self.operation.method }
    /// The legacy session that it belongs to, if any.
    package var session: UInt128? { self.operation.session?.id }
    /// When that session ends at the latest.
    package var sessionEnd: WallTime? { self.operation.session?.expiry }
    /// The client's address; `nil` when there is none.
    package var address: String? { self.operation.message.address }
    package var isModern: Bool { self.operation.isModern }
    /// Whether the client wants to know how far it has come.
    package var wantsProgress: Bool { self.operation.params.meta.progressToken.isPresent }

    /// The tool or prompt that it names.
    package var name: String? { self.ownName ?? self.text(self.operation.params.name) }
    /// The resource that it names.
    package var uri: String? { self.text(self.operation.params.uri) }

    /// The prompt whose argument is completed, if one's is.
    package var completedPrompt: String? { self.reference("name") }
    /// The resource template whose variable is completed, if one's is.
    package var completedTemplate: String? { self.reference("uri") }

    private func reference(_ member: StaticString) -> String? {
        let bytes = self.operation.bytes
        return JSONSlice.member(member, of: self.operation.params.ref, in: bytes.span).string(in: bytes.span)
    }

    private func text(_ slice: JSONSlice) -> String? {
        let bytes = self.operation.bytes
        return slice.string(in: bytes.span)
    }

    /// The members of its parameters that are the foreign server's to read, as JSON text: not those by which client and
    /// server deal with each other.
    /// - Parameter arguments: In place of the arguments that the client sent.
    package func forwardedParams(arguments: JSONObject? = nil) -> [UInt8] {
        let params = self.operation.params
        let bytes = self.operation.bytes
        var writer = JSONWriter(capacity: bytes.count)
        writer.beginObject()
        func member(_ name: StaticString, _ slice: JSONSlice) {
            guard slice.isPresent else { return }
            writer.key(name)
            writer.rawValue(Array(bytes[slice.sourceRange]))
        }
        if let ownName { writer.member("name", ownName) } else { member("name", params.name) }
        member("uri", params.uri)
        if let arguments {
            writer.member("arguments", .object(arguments))
        } else {
            member("arguments", params.arguments)
        }
        if let ownReference {
            writer.member("ref", ["type": "ref/prompt", "name": .string(ownReference)])
        } else {
            member("ref", params.ref)
        }
        member("argument", params.argument)
        member("context", params.context)
        if let meta = self.forwardedMeta() { writer.member("_meta", .object(meta)) }
        writer.endObject()
        return writer.bytes
    }

    /// What the client said beside the request and is not between client and server alone, such as its trace.
    private func forwardedMeta() -> JSONObject? {
        let source = self.operation.params.meta.source
        let bytes = self.operation.bytes
        guard source.kind == .object, case .object(let meta) = JSONValue(in: bytes.span, source.range) else {
            return nil
        }
        var forwarded = JSONObject()
        for member in meta.members
        where member.name != "progressToken" && !member.name.hasPrefix("io.modelcontextprotocol/")
            && !member.name.hasPrefix("torpor/")
        {
            forwarded[member.name] = member.value
        }
        return forwarded.isEmpty ? nil : forwarded
    }

    // MARK: The way to the client

    /// A question that a foreign server asks its client.
    package struct Question: Sendable {
        /// Names it among the questions of all runs that belong together. 1 to 128 bytes.
        package var key: String
        package var method: ClientMethod
        package var params: JSONObject

        package init(key: String, method: ClientMethod, params: JSONObject) {
            self.key = key
            self.method = method
            self.params = params
        }
    }

    /// Asks the client, and returns its answers by key.
    ///
    /// In the legacy era this waits; in the modern one it throws unless the client has brought the answers, and the
    /// request comes again with them (see ``Call/ask(_:_:)``).
    package func ask(_ questions: [Question]) async throws -> [String: JSONValue] {
        var answers: [String: JSONValue] = [:]
        var isMissing = false
        for question in questions {
            let (key, asked) = (question.key, Torpor.Question<JSONValue>(question))
            if self.isModern {
                answers[key] = try self.call.dispatcher.knownAnswer(self.operation, key, asked)
                isMissing = isMissing || answers[key] == nil
            } else {
                answers[key] = try await self.call.ask(key, asked)
            }
        }
        if isMissing { throw InputRequired() }
        return answers
    }

    /// The answer to a question, if the client has brought it; otherwise notes that it is asked, which ``inputRequired``
    /// is to be thrown for. For the modern era.
    /// - Throws: ``MCPError`` when the client cannot be asked that.
    package func known(_ question: Question) throws -> JSONValue? {
        try self.call.dispatcher.knownAnswer(self.operation, question.key, Torpor.Question<JSONValue>(question))
    }

    /// Ends a run whose client has to answer first.
    package static var inputRequired: any Error { InputRequired() }

    /// What an earlier run that belongs to this request has kept, by ``keep(_:as:)``; it came with the client, sealed.
    package func kept(_ key: String) -> JSONValue? { self.answer(to: Interview.keptPrefix + key) }

    /// What the client has answered to a question.
    package func answer(to key: String) -> JSONValue? {
        self.operation.output.withLock { $0.interview }?.answer(to: key)
    }

    /// The questions that it has answered.
    package var answeredKeys: [String] {
        self.operation.output.withLock { $0.interview }?.standing.answers.members.map(\.name) ?? []
    }

    /// Keeps something, sealed and with the client, for the run after the questions that this one ends with.
    package func keep(_ value: JSONValue, as key: String) {
        self.call.dispatcher.currentInterview(self.operation).keep(value, to: Interview.keptPrefix + key)
    }
}

extension Question where Answer == JSONValue {
    /// A question of a foreign server, carried as it is.
    fileprivate init(_ question: RelayedRequest.Question) {
        let needs: ClientCapabilities
        var since = ProtocolRevision.v2024_11_05
        switch question.method {
        case .sample: needs = question.params["tools"] == nil ? .sampling : [.sampling, .samplingTools]
        case .listRoots: needs = .roots
        case .elicit where question.params["mode"] == "url":
            needs = .elicitationURL
            since = .v2025_11_25
        case .elicit:
            needs = .elicitationForm
            since = .v2025_06_18
        }
        let params = question.params
        self.init(method: question.method, needs: needs, since: since, params: { _ in params }, read: { $0 })
    }
}
