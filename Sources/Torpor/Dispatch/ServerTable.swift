/// A server, compiled: everything about it that does not depend on the request, made once and shared by all requests.
package final class ServerTable: Sendable {
    package let implementation: Implementation
    let tools: NameTable<CompiledTool>
    /// The tools of a foreign server.
    let relayedTools: NameTable<RelayedTool>
    let resources: NameTable<Resource>
    let templates: [ResourceTemplate]
    let prompts: NameTable<Prompt>
    let toolLists: EncodedList
    let resourceLists: EncodedList
    let templateLists: EncodedList
    let promptLists: EncodedList
    let lists: ListOptions
    /// The end of every modern result: `,"resultType":"complete","_meta":{…serverInfo…}}`.
    let modernEnd: [UInt8]
    /// The end of a result that asks the client: `,"resultType":"input_required","_meta":{…serverInfo…}}`.
    let inputRequiredEnd: [UInt8]
    /// The changes that the server declares, and the way to those who want to hear of them.
    let announces: ServerChanges
    /// The states that the server declares.
    let states: [StateDeclaration]
    let stateResources: [StateResourceDeclaration]
    /// The places outside that its handlers call, by name.
    let downstreams: [String: DownstreamGate]
    package let changes: ChangeFeed
    /// The result of `server/discover`.
    let discovery: [UInt8]
    /// By revision index: `"capabilities":…,"serverInfo":…` and instructions, for `initialize`.
    private let introductions: [[UInt8]]
    let hasTools, hasResources, hasPrompts, hasCompletions: Bool

    /// - Parameters:
    ///   - catalogue: What a foreign server offers, in place of what is written with this library.
    ///   - changes: Who listens to the server.
    init(_ definition: ServerDefinition, catalogue: Catalogue? = nil, changes: ChangeFeed = ChangeFeed()) {
        self.changes = changes
        self.implementation = definition.implementation
        self.lists = definition.lists
        self.announces = definition.announces
        self.states = definition.states
        StateDeclaration.check(definition.states)
        self.stateResources = definition.stateResources
        StateResourceDeclaration.check(definition.stateResources, definition.states)
        self.downstreams = Dictionary(definition.downstreams.map { ($0.name, $0) }) { first, _ in
            preconditionFailure("two downstreams have the name \(first.name)")
        }
        self.tools = NameTable(definition.tools.map { ($0.description.name, CompiledTool($0)) }, of: "tools")
        self.resources = NameTable(definition.resources.map { ($0.description.uri, $0) }, of: "resources")
        self.templates = definition.templates
        self.prompts = NameTable(definition.prompts.map { ($0.description.name, $0) }, of: "prompts")
        self.relayedTools = NameTable((catalogue?.tools ?? []).map { ($0.name, RelayedTool($0)) }, of: "tools")
        self.hasTools = !definition.tools.isEmpty || catalogue?.tools != nil
        self.hasResources =
            !definition.resources.isEmpty || !definition.templates.isEmpty || catalogue?.resources != nil
            || catalogue?.templates != nil
        self.hasPrompts = !definition.prompts.isEmpty || catalogue?.prompts != nil
        self.hasCompletions =
            catalogue?.hasCompletions ?? false
            || definition.templates.contains { !$0.completions.isEmpty }
            || definition.prompts.contains { !$0.completions.isEmpty }
        precondition(
            Set(definition.templates.map(\.description.uriTemplate)).count == definition.templates.count,
            "no two resource templates are the same")

        let end = Self.end(",\"resultType\":\"complete\"", definition.implementation)
        self.modernEnd = end
        self.inputRequiredEnd = Self.end(",\"resultType\":\"input_required\"", definition.implementation)

        typealias Write = @Sendable (inout JSONWriter, ProtocolRevision) -> Void
        let list = { (name: StaticString, entries: [Write], foreign: [Catalogue.Entry]?) in
            EncodedList(
                name, entries: entries + (foreign ?? []).map { entry in { entry.write(to: &$0, for: $1) } },
                options: definition.lists, modernEnd: end)
        }
        self.toolLists = list(
            "tools", definition.tools.map { tool in { tool.description.write(to: &$0, for: $1) } }, catalogue?.tools)
        self.resourceLists = list(
            "resources", definition.resources.map { resource in { resource.description.write(to: &$0, for: $1) } },
            catalogue?.resources)
        self.templateLists = list(
            "resourceTemplates",
            definition.templates.map { template in { template.description.write(to: &$0, for: $1) } },
            catalogue?.templates)
        self.promptLists = list(
            "prompts", definition.prompts.map { prompt in { prompt.description.write(to: &$0, for: $1) } },
            catalogue?.prompts)

        precondition(
            (!definition.announces.contains(.tools) || self.hasTools)
                && (!definition.announces.contains(.prompts) || self.hasPrompts)
                && (definition.announces.isDisjoint(with: [.resources, .resourceUpdates]) || self.hasResources),
            "a server announces changes of what it offers")
        let capabilities = Self.capabilities(
            tools: self.hasTools, resources: self.hasResources, prompts: self.hasPrompts,
            completions: self.hasCompletions, announces: definition.announces)
        self.discovery = Self.discovery(definition, capabilities, modernEnd: self.modernEnd)
        self.introductions = ProtocolRevision.allCases.map { Self.introduction(definition, capabilities, for: $0) }
    }

    /// The members of an `initialize` result beside `protocolVersion`, without the brace that opens it.
    func introduction(for revision: ProtocolRevision) -> [UInt8] { self.introductions[revision.index] }

    /// Tells of a change.
    /// - Precondition: The server declares changes of this kind.
    func announce(_ change: ServerChange) {
        precondition(
            self.announces.contains(change.kind),
            "\(self.implementation.name) announces what it does not declare: \(change)")
        self.changes.publish(change)
    }

    private static func end(_ start: StaticString, _ implementation: Implementation) -> [UInt8] {
        var end = JSONWriter(capacity: 200)
        end.raw(start)
        end.raw(",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":")
        implementation.write(to: &end, for: .v2026_07_28)
        end.raw("}}")
        return end.bytes
    }

    private static func capabilities(
        tools: Bool, resources: Bool, prompts: Bool, completions: Bool, announces: ServerChanges
    ) -> @Sendable (inout JSONWriter, ProtocolRevision) -> Void {
        { writer, revision in
            writer.beginObject()
            for (name, isOffered, listChanges) in [
                ("completions", completions && revision >= .v2025_03_26, ServerChanges()), ("logging", true, []),
                ("prompts", prompts, .prompts), ("resources", resources, .resources), ("tools", tools, .tools),
            ] where isOffered {
                writer.key(name)
                writer.beginObject()
                if !announces.isDisjoint(with: listChanges) { writer.member("listChanged", true) }
                if listChanges == .resources, announces.contains(.resourceUpdates) { writer.member("subscribe", true) }
                writer.endObject()
            }
            writer.endObject()
        }
    }

    private static func discovery(
        _ definition: ServerDefinition, _ capabilities: (inout JSONWriter, ProtocolRevision) -> Void, modernEnd: [UInt8]
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("supportedVersions")
        writer.beginArray()
        for revision in ProtocolRevision.modern { writer.string(revision.rawValue) }
        writer.endArray()
        writer.key("capabilities")
        capabilities(&writer, .v2026_07_28)
        writer.member("instructions", definition.instructions)
        writer.key("ttlMs")
        writer.integer(definition.lists.timeToLive.wholeMilliseconds)
        writer.member("cacheScope", "public")
        writer.raw(modernEnd)
        return writer.bytes
    }

    private static func introduction(
        _ definition: ServerDefinition, _ capabilities: (inout JSONWriter, ProtocolRevision) -> Void,
        for revision: ProtocolRevision
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.raw(",\"capabilities\":")
        capabilities(&writer, revision)
        writer.raw(",\"serverInfo\":")
        var info = JSONWriter()
        definition.implementation.write(to: &info, for: revision)
        writer.raw(info.bytes)
        if let instructions = definition.instructions {
            writer.raw(",\"instructions\":")
            var text = JSONWriter()
            text.string(instructions)
            writer.raw(text.bytes)
        }
        writer.raw("}")
        return writer.bytes
    }
}

/// A tool with its validator and its metrics.
final class CompiledTool: Sendable {
    let tool: Tool
    let validator: SchemaValidator
    let meter: ToolMeter

    init(_ tool: Tool) {
        self.tool = tool
        self.validator = tool.validator
        self.meter = ToolMeter(name: tool.description.name)
    }
}

/// Finds values by name, comparing bytes, so that no text is made from a request to look one up.
struct NameTable<Value: Sendable>: Sendable {
    private let entries: [(name: [UInt8], value: Value)]

    init(_ entries: [(String, Value)], of kind: String) {
        let sorted = entries.map { (name: Array($0.0.utf8), value: $0.1) }
            .sorted { $0.name.lexicographicallyPrecedes($1.name) }
        for (left, right) in zip(sorted, sorted.dropFirst()) where left.name == right.name {
            preconditionFailure("two \(kind) have the name \(String(decoding: left.name, as: UTF8.self))")
        }
        self.entries = sorted
    }

    var isEmpty: Bool { self.entries.isEmpty }
    var values: [Value] { self.entries.map(\.value) }

    /// - Complexity: O(log n) comparisons.
    subscript(_ slice: JSONSlice, in bytes: Span<UInt8>) -> Value? {
        if slice.hasEscapes {
            guard let text = slice.string(in: bytes) else { return nil }
            let name = Array(text.utf8)
            return self.find(name.span, 0..<name.count)
        }
        guard slice.kind == .string else { return nil }
        return self.find(bytes, slice.range)
    }

    private func find(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Value? {
        var low = 0
        var high = self.entries.count
        while low < high {
            let middle = (low + high) / 2
            switch Self.compare(bytes, range, self.entries[middle].name) {
            case 0: return self.entries[middle].value
            case ..<0: high = middle
            default: low = middle + 1
            }
        }
        return nil
    }

    /// Below, at or above zero as the name in the request sorts before, with or after the other.
    private static func compare(_ bytes: Span<UInt8>, _ range: Range<Int>, _ name: [UInt8]) -> Int {
        for offset in 0..<min(range.count, name.count) {
            let difference = Int(bytes[range.lowerBound + offset]) - Int(name[offset])
            if difference != 0 { return difference }
        }
        return range.count - name.count
    }
}
