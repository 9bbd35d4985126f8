import Torpor
import TorporJSON
import TorporProtocol
import TorporUpstream

extension Catalogue {
    /// What a server says that it offers.
    /// - Throws: ``UpstreamError``, `CancellationError`.
    init(of session: UpstreamSession, server hosted: HostedServer) async throws {
        guard let server = session.server else { throw UpstreamError(.closed, "The conversation has ended.") }
        var implementation = Implementation(name: hosted.name, version: "unknown")
        if case .string(let name)? = server.info["name"] { implementation.name = name }
        if case .string(let version)? = server.info["version"] { implementation.version = version }
        if case .string(let title)? = server.info["title"] { implementation.title = title }
        self.init(implementation: implementation)
        self.instructions = server.instructions
        let timeLimit = hosted.options.limits.startTimeout
        let capabilities = server.capabilities
        if capabilities["tools"] != nil {
            let options = hosted.options
            self.tools = try await session.list(.tools, timeLimit: timeLimit).compactMap { tool in
                guard !session.mirrorsArguments || hosted.hasSoundMarks(tool) else { return nil }
                let entry = Entry(
                    tool, named: "name", modern: hosted.usesHandles ? Self.withHandle(tool) : tool,
                    legacy: options.scope == .handle ? Self.withHandle(tool) : tool)
                return entry.flatMap { options.offers(tool: $0.name) ? $0 : nil }
            }
        }
        if capabilities["prompts"] != nil {
            self.prompts = try await session.list(.prompts, timeLimit: timeLimit).compactMap {
                Entry($0, named: "name")
            }
        }
        if capabilities["resources"] != nil {
            self.resources = try await session.list(.resources, timeLimit: timeLimit).compactMap {
                Entry($0, named: "uri")
            }
            do {
                self.templates = try await session.list(.resourceTemplates, timeLimit: timeLimit).compactMap {
                    Entry($0, named: "uriTemplate")
                }
            } catch let error as UpstreamError where error.answer?.code == .methodNotFound {
                // Resources without templates.
            }
        }
        self.hasCompletions = capabilities["completions"] != nil
        self.hasSubscriptions = capabilities["resources"]?["subscribe"] == true
    }

    /// A tool whose input schema has the argument for the handle beside its own.
    private static func withHandle(_ tool: JSONValue) -> JSONValue {
        guard case .object(var members) = tool, case .object(var schema)? = members["inputSchema"] else { return tool }
        var properties = JSONObject()
        if case .object(let own)? = schema["properties"] { properties = own }
        properties[HostedServer.handleArgument] = [
            "type": "string",
            "description": .string(
                """
                Names the state that the server keeps for you. Leave it out in your first call: the result tells you one. \
                Pass that in all further calls, to any of this server's tools, to go on with the same state.
                """),
        ]
        schema["properties"] = .object(properties)
        members["inputSchema"] = .object(schema)
        return .object(members)
    }
}

extension Catalogue.Entry {
    /// - Returns: `nil` when it has no name.
    fileprivate init?(_ entry: JSONValue, named member: String, modern: JSONValue? = nil, legacy: JSONValue? = nil) {
        guard case .string(let name)? = entry[member] else { return nil }
        self.init(name: name, legacy: legacy ?? entry, modern: modern ?? entry)
    }
}
