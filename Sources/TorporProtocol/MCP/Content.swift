package import TorporJSON

/// One block of a tool's result or of a prompt's message.
public struct Content: Sendable, Hashable {
    package enum Body: Sendable, Hashable {
        case text(String)
        case image(base64: String, mimeType: String)
        case audio(base64: String, mimeType: String)
        case resource(ResourceContents)
        case link(ResourceLink)
    }

    package let body: Body
    /// Hints for the client, or `nil`.
    public var annotations: Annotations?

    package init(_ body: Body) { self.body = body }

    /// A text for the model.
    public static func text(_ text: String) -> Content { Content(.text(text)) }

    /// An image; the bytes are sent as base64.
    public static func image(_ bytes: some Collection<UInt8>, mimeType: String) -> Content {
        Content(.image(base64: Base64.encode(Array(bytes)), mimeType: mimeType))
    }

    /// A sound; the bytes are sent as base64. Clients of 2024-11-05 see a text that says what was left out.
    public static func audio(_ bytes: some Collection<UInt8>, mimeType: String) -> Content {
        Content(.audio(base64: Base64.encode(Array(bytes)), mimeType: mimeType))
    }

    /// The contents of a resource, embedded.
    public static func resource(_ contents: ResourceContents) -> Content { Content(.resource(contents)) }

    /// A reference to a resource that the client may read. Clients before 2025-06-18 see its URI as text.
    public static func link(_ link: ResourceLink) -> Content { Content(.link(link)) }

    /// The same block with hints for the client.
    public func annotated(_ annotations: Annotations) -> Content {
        var copy = self
        copy.annotations = annotations
        return copy
    }
}

/// A reference to a resource, as a tool returns it.
public struct ResourceLink: Sendable, Hashable {
    public var uri: String
    public var name: String
    public var title: String?
    public var description: String?
    public var mimeType: String?
    /// The resource's size, if known.
    public var sizeBytes: Int?

    public init(
        uri: String, name: String, title: String? = nil, description: String? = nil, mimeType: String? = nil,
        sizeBytes: Int? = nil
    ) {
        self.uri = uri
        self.name = name
        self.title = title
        self.description = description
        self.mimeType = mimeType
        self.sizeBytes = sizeBytes
    }
}

/// What reading a resource yields: text, or bytes.
public struct ResourceContents: Sendable, Hashable {
    package enum Body: Sendable, Hashable {
        case text(String)
        case blob(base64: String)
    }

    public var uri: String
    public var mimeType: String?
    package let body: Body

    /// A text resource.
    public static func text(_ text: String, uri: String, mimeType: String? = "text/plain") -> ResourceContents {
        ResourceContents(uri: uri, mimeType: mimeType, body: .text(text))
    }

    /// A binary resource; the bytes are sent as base64.
    public static func blob(_ bytes: some Collection<UInt8>, uri: String, mimeType: String?) -> ResourceContents {
        ResourceContents(uri: uri, mimeType: mimeType, body: .blob(base64: Base64.encode(Array(bytes))))
    }

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("uri", self.uri)
        writer.member("mimeType", self.mimeType)
        switch self.body {
        case .text(let text): writer.member("text", text)
        case .blob(let base64): writer.member("blob", base64)
        }
        writer.endObject()
    }
}

/// Who a piece of content is for, and how much it matters.
public struct Annotations: Sendable, Hashable {
    public enum Audience: String, Sendable, Hashable { case user, assistant }

    public var audience: [Audience]
    /// 0 (optional) to 1 (required).
    public var priority: Double?
    /// ISO 8601. From 2025-06-18.
    public var lastModified: String?

    /// - Precondition: `priority` lies between 0 and 1.
    public init(audience: [Audience] = [], priority: Double? = nil, lastModified: String? = nil) {
        precondition(priority.map { (0...1).contains($0) } ?? true, "a priority lies between 0 and 1")
        self.audience = audience
        self.priority = priority
        self.lastModified = lastModified
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        if !self.audience.isEmpty {
            writer.key("audience")
            writer.beginArray()
            for reader in self.audience { writer.string(reader.rawValue) }
            writer.endArray()
        }
        writer.member("priority", self.priority.flatMap(JSONNumber.init).map(JSONValue.number))
        if revision >= .v2025_06_18 { writer.member("lastModified", self.lastModified) }
        writer.endObject()
    }
}

extension Content {
    /// Writes the block as `revision` knows it; a kind that it does not know becomes a text that says what it stands
    /// for.
    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        switch self.body {
        case .text(let text):
            writer.writeTyped("text", text)
        case .image(let base64, let mimeType):
            writer.writeTyped("image", base64: base64, mimeType: mimeType)
        case .audio(let base64, let mimeType):
            if revision >= .v2025_03_26 {
                writer.writeTyped("audio", base64: base64, mimeType: mimeType)
            } else {
                writer.writeTyped("text", "[audio, \(mimeType): this protocol revision cannot carry it]")
            }
        case .resource(let contents):
            writer.key("type")
            writer.string("resource")
            writer.key("resource")
            contents.write(to: &writer)
        case .link(let link):
            if revision >= .v2025_06_18 {
                link.write(to: &writer)
            } else {
                writer.writeTyped("text", "\(link.name): \(link.uri)")
            }
        }
        if let annotations = self.annotations {
            writer.key("annotations")
            annotations.write(to: &writer, for: revision)
        }
        writer.endObject()
    }
}

extension ResourceLink {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.key("type")
        writer.string("resource_link")
        writer.member("uri", self.uri)
        writer.member("name", self.name)
        writer.member("title", self.title)
        writer.member("description", self.description)
        writer.member("mimeType", self.mimeType)
        writer.member("size", self.sizeBytes.map(JSONValue.integer))
    }
}

extension JSONWriter {
    fileprivate mutating func writeTyped(_ type: String, _ text: String) {
        self.key("type")
        self.string(type)
        self.key("text")
        self.string(text)
    }

    fileprivate mutating func writeTyped(_ type: String, base64: String, mimeType: String) {
        self.key("type")
        self.string(type)
        self.key("data")
        self.string(base64)
        self.key("mimeType")
        self.string(mimeType)
    }
}
