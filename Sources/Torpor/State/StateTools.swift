import TorporCore
import TorporEngine
import TorporStore

extension StateDeclaration {
    /// The tools that come with the state.
    var generatedTools: [Tool] {
        var tools: [Tool] = []
        if self.tools.contains(.create) { tools.append(self.createTool) }
        if self.tools.contains(.destroy) { tools.append(self.destroyTool) }
        if self.tools.contains(.list) { tools.append(self.listTool) }
        return tools
    }

    private var lifetime: String {
        self.retention.map { "It is kept until nobody has used it for \($0.text)." }
            ?? "It is kept until nobody has used it for some days."
    }

    private var size: String { self.memory.map { " It holds at most \($0)." } ?? "" }

    private var createTool: Tool {
        let name = self.name
        return Tool(
            "create_\(name)",
            "Makes a new, empty \(name) and answers its handle, which other tools take. \(self.lifetime)\(self.size)",
            annotations: ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
        ) { call in
            let handle = try await call.createState(name)
            return CreatedState(handle: handle.text)
        }
    }

    private var destroyTool: Tool {
        let name = self.name
        return Tool(
            "destroy_\(name)", "Deletes a \(name) and everything in it.",
            annotations: ToolAnnotations(readOnly: false, destructive: true, idempotent: true, openWorld: false)
        ) { (input: NamedState, call) in
            try await call.destroyState(name, input.handle)
            return "destroyed"
        }
    }

    private var listTool: Tool {
        let name = self.name
        return Tool("list_\(name)s", "Lists the handles of your \(name)s.", annotations: .readOnly) { call in
            StateHandles(handles: try await call.stateHandles(name).map(\.text))
        }
    }
}

private struct CreatedState: StructuredOutput {
    var handle: String
    static let fields: [String: Field] = ["handle": "Names it in other calls."]
    var modelText: String? { self.handle }
}

private struct NamedState: ToolInput {
    var handle: StateHandle
    static let fields: [String: Field] = ["handle": "What the create tool answered."]
}

private struct StateHandles: StructuredOutput {
    var handles: [String]
    var modelText: String? { self.handles.isEmpty ? "There are none." : self.handles.joined(separator: "\n") }
}

extension Call {
    /// The most handles that one call lists.
    private static let handlesMax = 1_000

    /// The caller's handles of a state: of an authenticated caller all, in a session of an anonymous one those that were
    /// made in it.
    /// - Throws: ``ToolError`` for anonymous callers without a session; ``StateError``.
    /// - Precondition: The server declares such a state, with handles.
    public func stateHandles(_ name: String) async throws -> [StateHandle] {
        let declaration = self.withHandles(name)
        let account = self.account
        guard account.isAnonymous else {
            do {
                let headers = try await self.service.engine.headers(
                    after: nil, matching: RecordFilter(kind: .handle, name: name, account: account),
                    limit: Self.handlesMax)
                return headers.map { StateHandle(name, $0.id) }
            } catch let error as EngineError {
                throw StateError(error)
            }
        }
        guard let session = self.sessionObject else {
            throw ToolError(
                "Without authentication nobody can tell whose handles are whose: keep the ones you were given.")
        }
        let object = self.object(declaration, session)
        let prefix = declaration.madeHere
        let keys = try await object.translating {
            try await object.use.keys(prefix: prefix, limit: Self.handlesMax, of: session)
        }
        return keys.map { StateHandle(String(decoding: $0.dropFirst(prefix.count), as: UTF8.self)) }
    }

    /// Keeps a handle that an anonymous session has made, so that it can list its own.
    func noteHandle(_ handle: StateHandle, of declaration: StateDeclaration) async throws {
        guard self.account.isAnonymous, declaration.tools.contains(.list), let session = self.sessionObject else {
            return
        }
        let object = self.object(declaration, session)
        try await object.translating {
            try await object.use.update(session) { $0.set(declaration.madeHere + Array(handle.text.utf8), []) }
        }
    }

    func forgetHandle(_ handle: StateHandle, of declaration: StateDeclaration) async throws {
        guard self.account.isAnonymous, declaration.tools.contains(.list), let session = self.sessionObject else {
            return
        }
        let object = self.object(declaration, session)
        try await object.translating {
            try await object.use.update(session) {
                $0.remove(declaration.madeHere + Array(handle.text.lowercased().utf8))
            }
        }
    }
}

extension StateDeclaration {
    /// What the keys begin with under which a session keeps the handles that it has made. No state's name does.
    fileprivate var madeHere: [UInt8] { [0] + Array("handles/\(self.name)/".utf8) }
}
