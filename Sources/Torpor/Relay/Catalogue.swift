/// What a foreign server offers, as it said itself.
package struct Catalogue: Sendable, Equatable {
    /// An entry of one of its lists.
    package struct Entry: Sendable, Equatable {
        /// The name of a tool or a prompt, the URI of a resource, the URI template of a template.
        package var name: String
        /// The entry as JSON, for clients of the legacy era.
        package var legacy: JSONValue
        /// The same for those of the modern era.
        package var modern: JSONValue

        package init(name: String, legacy: JSONValue, modern: JSONValue) {
            self.name = name
            self.legacy = legacy
            self.modern = modern
        }

        func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
            writer.value(revision.era == .modern ? self.modern : self.legacy)
        }
    }

    package var implementation: Implementation
    package var instructions: String?
    /// `nil`: it has no tools, as opposed to none at the moment. The same for the others.
    package var tools: [Entry]?
    package var prompts: [Entry]?
    package var resources: [Entry]?
    package var templates: [Entry]?
    package var hasCompletions = false
    /// Whether clients may subscribe to its resources.
    package var hasSubscriptions = false

    package init(implementation: Implementation) { self.implementation = implementation }
}

extension [Catalogue.Entry] {
    /// The entries, each name once, compared byte by byte.
    fileprivate var uniqued: [Catalogue.Entry] {
        var names: Set<[UInt8]> = []
        return self.filter { names.insert([UInt8]($0.name.utf8)).inserted }
    }
}

/// A tool of a foreign server.
final class RelayedTool: Sendable {
    let meter: ToolMeter
    /// The arguments that clients repeat in headers.
    let mirrored: [MirroredParameter]

    init(_ entry: Catalogue.Entry) {
        self.meter = ToolMeter(name: entry.name)
        // A tool whose marks are wrong is left out by clients, so nobody sends such headers.
        self.mirrored =
            switch entry.modern["inputSchema"] {
            case .object(let schema)?: (try? JSONSchema(.object(schema)).mirroredParameters()) ?? []
            default: []
            }
    }
}

extension ServerTable {
    /// The table of a foreign server.
    /// - Parameter changes: Whoever listens to it keeps listening when the table is replaced.
    convenience init(_ catalogue: Catalogue, lists: ListOptions, changes: ChangeFeed) {
        var catalogue = catalogue
        catalogue.tools = catalogue.tools?.uniqued
        catalogue.prompts = catalogue.prompts?.uniqued
        catalogue.resources = catalogue.resources?.uniqued
        catalogue.templates = catalogue.templates?.uniqued
        var announces: ServerChanges = []
        if catalogue.tools != nil { announces.insert(.tools) }
        if catalogue.prompts != nil { announces.insert(.prompts) }
        if catalogue.resources != nil || catalogue.templates != nil { announces.insert(.resources) }
        if catalogue.hasSubscriptions { announces.insert(.resourceUpdates) }
        self.init(
            ServerDefinition(
                implementation: catalogue.implementation, instructions: catalogue.instructions, lists: lists,
                announces: announces),
            catalogue: catalogue, changes: changes)
    }
}
