package import TorporJSON

/// The name and version by which a server introduces itself.
public struct Implementation: Sendable, Hashable {
    public var name: String
    public var version: String
    /// A name for people. From 2025-06-18.
    public var title: String?
    /// What the server is for. From 2025-11-25.
    public var description: String?
    /// From 2025-11-25.
    public var websiteURL: String?
    /// From 2025-11-25.
    public var icons: [Icon]

    public init(
        name: String, version: String, title: String? = nil, description: String? = nil, websiteURL: String? = nil,
        icons: [Icon] = []
    ) {
        self.name = name
        self.version = version
        self.title = title
        self.description = description
        self.websiteURL = websiteURL
        self.icons = icons
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        writer.key("name")
        writer.string(self.name)
        writer.key("version")
        writer.string(self.version)
        if revision >= .v2025_06_18 { writer.member("title", self.title) }
        if revision >= .v2025_11_25 {
            writer.member("description", self.description)
            writer.member("websiteUrl", self.websiteURL)
            Icon.write(self.icons, to: &writer)
        }
        writer.endObject()
    }
}

/// A picture for a server, tool, prompt or resource. From 2025-11-25.
public struct Icon: Sendable, Hashable {
    public enum Theme: String, Sendable, Hashable { case light, dark }

    /// An `https:` or `data:` URI; clients refuse other schemes.
    public var source: String
    public var mimeType: String?
    /// Sizes such as `48x48`, or `any`.
    public var sizes: [String]
    public var theme: Theme?

    /// - Precondition: `source` is an `https:` or `data:` URI.
    public init(_ source: String, mimeType: String? = nil, sizes: [String] = [], theme: Theme? = nil) {
        precondition(
            source.hasPrefix("https:") || source.hasPrefix("data:"), "an icon's source is an https: or data: URI")
        self.source = source
        self.mimeType = mimeType
        self.sizes = sizes
        self.theme = theme
    }

    /// Writes the member `icons`, unless there are none.
    package static func write(_ icons: [Icon], to writer: inout JSONWriter) {
        guard !icons.isEmpty else { return }
        writer.key("icons")
        writer.beginArray()
        for icon in icons {
            writer.beginObject()
            writer.member("src", icon.source)
            writer.member("mimeType", icon.mimeType)
            if !icon.sizes.isEmpty {
                writer.key("sizes")
                writer.beginArray()
                for size in icon.sizes { writer.string(size) }
                writer.endArray()
            }
            writer.member("theme", icon.theme?.rawValue)
            writer.endObject()
        }
        writer.endArray()
    }
}

extension JSONWriter {
    /// Writes a string member, unless it is `nil`.
    package mutating func member(_ name: StaticString, _ text: String?) {
        guard let text else { return }
        self.key(name)
        self.string(text)
    }

    /// Writes a member of any kind, unless it is `nil`.
    package mutating func member(_ name: StaticString, _ value: JSONValue?) {
        guard let value else { return }
        self.key(name)
        self.value(value)
    }

    /// Writes a Boolean member, unless it is `nil`.
    package mutating func member(_ name: StaticString, _ flag: Bool?) {
        guard let flag else { return }
        self.key(name)
        self.bool(flag)
    }
}

extension JSONValue {
    /// A number without a fraction.
    package static func integer(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
}
