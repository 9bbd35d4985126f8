/// An MCP server: its name, and the tools, resources and prompts that it offers.
///
///     let server = MCPServer(name: "shop", version: "1.0.0") {
///         Tool("add", "Adds two numbers.") { (input: Sum, call) in "\(input.left + input.right)" }
///         Resource("shop://hours", name: "hours", description: "When we are open.", text: "9 to 5")
///     }
///
/// It is an immutable value: one table that all requests share, made ready once. It serves every revision of the
/// protocol, with sessions and without, through whatever transport it is given to.
public struct MCPServer: Sendable {
    /// Where what the server offers is found, compiled.
    package let source: TableSource

    /// A foreign server.
    package init(_ server: RelayedServer) { self.source = .relayed(server) }

    package func isSame(as other: MCPServer) -> Bool { self.source.isSame(as: other.source) }

    /// What the server offers; of a foreign one, by now.
    package var table: ServerTable { self.source.table }

    /// - Parameters:
    ///   - name: The server's name for programs.
    ///   - version: Its version, in any form.
    ///   - title: A name for people.
    ///   - instructions: How to use the server well, for the model to read.
    ///   - lists: How lists are cut into pages and how long clients may cache them.
    ///   - announces: The changes that the server tells of, by ``announce(_:)`` or ``Call/announce(_:)``. Default: none.
    ///   - components: Tools, resources and prompts, in the order in which lists show them.
    /// - Precondition: No two tools, prompts, resources or templates have the same name or URI, and every name is one
    ///   that the protocol admits (1 to 64 characters of `A-Z a-z 0-9 _ . / -` for tools).
    public init(
        name: String, version: String, title: String? = nil, instructions: String? = nil,
        lists: ListOptions = ListOptions(), announces: ServerChanges = [],
        @ServerBuilder _ components: () -> [any ServerComponent]
    ) {
        self.init(
            Implementation(name: name, version: version, title: title), instructions: instructions, lists: lists,
            announces: announces, components)
    }

    /// A server with a description, icons or a web site of its own.
    public init(
        _ implementation: Implementation, instructions: String? = nil, lists: ListOptions = ListOptions(),
        announces: ServerChanges = [], @ServerBuilder _ components: () -> [any ServerComponent]
    ) {
        var definition = ServerDefinition(
            implementation: implementation, instructions: instructions, lists: lists, announces: announces)
        for component in components() { component.add(to: &definition) }
        self.source = .fixed(ServerTable(definition))
    }

    /// Tells every client that asked for it that something has changed: those that listen (from 2026-07-28), and the
    /// sessions that have a stream open or are subscribed (before).
    ///
    /// Returns at once. A client that has not yet read of an earlier change of the same thing hears of both as one.
    /// - Precondition: The server `announces` changes of this kind.
    public func announce(_ change: ServerChange) { self.table.announce(change) }
}

/// How lists are cut into pages, and how long clients may keep them.
public struct ListOptions: Sendable {
    /// The most entries of a page. Default 100.
    public var pageSize: Int
    /// How long a client may use a list without asking again, from 2026-07-28. Default 5 minutes.
    public var timeToLive: Duration

    /// - Precondition: `pageSize` is positive, `timeToLive` not negative.
    public init(pageSize: Int = 100, timeToLive: Duration = .seconds(300)) {
        precondition(pageSize > 0, "a page has at least one entry")
        precondition(timeToLive >= .zero, "a time to live is not negative")
        self.pageSize = pageSize
        self.timeToLive = timeToLive
    }
}

/// Something a server offers: a ``Tool``, ``Resource``, ``ResourceTemplate`` or ``Prompt``; a ``State``, ``StateMap`` or
/// ``StateList`` that it keeps; or a ``Downstream`` that it calls.
public protocol ServerComponent: Sendable {
    /// Used by ``MCPServer``; components are those of this module.
    func add(to definition: inout ServerDefinition)
}

/// What components are gathered into. Opaque to users of the library.
public struct ServerDefinition: Sendable {
    package let implementation: Implementation
    package let instructions: String?
    package let lists: ListOptions
    package let announces: ServerChanges
    package var tools: [Tool] = []
    package var resources: [Resource] = []
    package var templates: [ResourceTemplate] = []
    package var prompts: [Prompt] = []
    var states: [StateDeclaration] = []
    var stateResources: [StateResourceDeclaration] = []
    var downstreams: [DownstreamGate] = []
}

/// Gathers the components of a server; knows `if`, `for` and arrays.
@resultBuilder
public enum ServerBuilder {
    public static func buildExpression(_ component: any ServerComponent) -> [any ServerComponent] { [component] }
    public static func buildExpression(_ components: [any ServerComponent]) -> [any ServerComponent] { components }
    public static func buildBlock(_ parts: [any ServerComponent]...) -> [any ServerComponent] { parts.flatMap { $0 } }
    public static func buildOptional(_ part: [any ServerComponent]?) -> [any ServerComponent] { part ?? [] }
    public static func buildEither(first: [any ServerComponent]) -> [any ServerComponent] { first }
    public static func buildEither(second: [any ServerComponent]) -> [any ServerComponent] { second }
    public static func buildArray(_ parts: [[any ServerComponent]]) -> [any ServerComponent] { parts.flatMap { $0 } }
}
