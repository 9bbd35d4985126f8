/// Something a client can read, under a URI of its own.
public struct Resource: ServerComponent {
    package enum Reader: Sendable {
        case fixed(ResourceContents)
        case concurrent(@Sendable (Call) async throws -> [ResourceContents])
    }

    package let description: ResourceDescription
    package let reader: Reader
    package let caching: Caching

    /// A resource whose text never changes.
    public init(
        _ uri: String, name: String, description: String, title: String? = nil, mimeType: String = "text/plain",
        icons: [Icon] = [],
        annotations: Annotations? = nil, text: String
    ) {
        self.description = ResourceDescription(
            uri: uri, name: name, title: title, description: description, mimeType: mimeType,
            sizeBytes: text.utf8.count,
            icons: icons, annotations: annotations)
        self.reader = .fixed(.text(text, uri: uri, mimeType: mimeType))
        self.caching = .shared(.seconds(3_600))
        URITemplate.requireAbsolute(uri)
    }

    /// A resource that is read anew each time.
    ///
    /// - Parameters:
    ///   - caching: How long clients may keep what they read, from 2026-07-28. Default: not at all.
    ///   - read: Answers one or more contents. Throws ``MCPError/resourceNotFound(_:)`` when the resource is gone.
    public init(
        _ uri: String, name: String, description: String, title: String? = nil, mimeType: String? = nil,
        icons: [Icon] = [],
        annotations: Annotations? = nil, caching: Caching = .none,
        read: @escaping @Sendable (Call) async throws -> [ResourceContents]
    ) {
        self.description = ResourceDescription(
            uri: uri, name: name, title: title, description: description, mimeType: mimeType, icons: icons,
            annotations: annotations)
        self.reader = .concurrent(read)
        self.caching = caching
        URITemplate.requireAbsolute(uri)
    }

    public func add(to definition: inout ServerDefinition) { definition.resources.append(self) }
}

/// How long, and by whom, what was read may be kept (2026-07-28, caching).
public struct Caching: Sendable, Hashable {
    package let timeToLive: Duration
    package let isShared: Bool

    /// Stale at once, and for the caller alone.
    public static let none = Caching(timeToLive: .zero, isShared: false)
    /// The same for everybody: shared caches may keep it. Never for what depends on who asks.
    public static func shared(_ timeToLive: Duration) -> Caching { Caching(timeToLive: timeToLive, isShared: true) }
    /// For the caller alone.
    public static func perCaller(_ timeToLive: Duration) -> Caching { Caching(timeToLive: timeToLive, isShared: false) }
}

/// A family of resources, named by a URI template (RFC 6570, `{name}` for one path segment, `{+name}` for the rest).
public struct ResourceTemplate: ServerComponent {
    package let description: TemplateDescription
    package let template: URITemplate
    package let read: @Sendable (URIVariables, Call) async throws -> [ResourceContents]
    package let list: (@Sendable (Call) async throws -> [ResourceDescription])?
    package let completions: [String: Completer]
    package let caching: Caching

    /// - Parameters:
    ///   - uriTemplate: Such as `note:///{title}`. Variables are matched against one segment and percent-decoded.
    ///   - caching: How long clients may keep what they read, from 2026-07-28. Default: not at all.
    ///   - completions: By variable: what it may be.
    ///   - list: The members of the family that `resources/list` should show to this caller, if it should; at most
    ///     10,000.
    ///   - read: Answers the contents for a URI's variables. Throws ``MCPError/resourceNotFound(_:)`` when there is no
    ///     such member.
    /// - Precondition: `uriTemplate` is an absolute URI template, and every completion names one of its variables.
    public init(
        _ uriTemplate: String, name: String, description: String, title: String? = nil, mimeType: String? = nil,
        icons: [Icon] = [],
        annotations: Annotations? = nil, caching: Caching = .none, completions: [String: Completer] = [:],
        list: (@Sendable (Call) async throws -> [ResourceDescription])? = nil,
        read: @escaping @Sendable (URIVariables, Call) async throws -> [ResourceContents]
    ) {
        guard let template = URITemplate(uriTemplate) else {
            preconditionFailure("\(uriTemplate) is no URI template of literal text, {name} and {+name}")
        }
        URITemplate.requireAbsolute(uriTemplate)
        for variable in completions.keys {
            precondition(
                template.variables.contains(variable), "\(uriTemplate) has no variable \(variable) to complete")
        }
        self.template = template
        self.description = TemplateDescription(
            uriTemplate: uriTemplate, name: name, title: title, description: description, mimeType: mimeType,
            icons: icons,
            annotations: annotations)
        self.read = read
        self.list = list
        self.completions = completions
        self.caching = caching
    }

    public func add(to definition: inout ServerDefinition) { definition.templates.append(self) }
}

/// The variables of a URI that matched a template, percent-decoded.
public struct URIVariables: Sendable {
    /// The URI as it was asked for.
    public let uri: String
    package let values: [String: String]

    /// The value of a variable.
    /// - Precondition: The template has that variable.
    public subscript(_ name: String) -> String {
        guard let value = self.values[name] else { preconditionFailure("the URI template has no variable \(name)") }
        return value
    }
}

/// Proposes values for an argument of a prompt or a variable of a template.
public struct Completer: Sendable {
    package let complete: @Sendable (Completion) async throws -> [String]

    /// - Parameter complete: Answers proposals, best first. The first 100 are sent, and how many there were in all.
    public init(_ complete: @escaping @Sendable (Completion) async throws -> [String]) { self.complete = complete }

    /// Proposes those of `values` that begin with what was typed, ignoring case.
    public static func oneOf(_ values: [String]) -> Completer {
        Completer { completion in
            values.filter { $0.lowercased().hasPrefix(completion.value.lowercased()) }
        }
    }
}

/// What is to be completed.
public struct Completion: Sendable {
    /// What has been typed so far.
    public let value: String
    /// Other arguments that are known already. From 2025-06-18.
    public let arguments: [String: String]
    public let call: Call
}
