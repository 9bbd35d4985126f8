package import TorporJSON

/// Hints about a tool's behaviour for clients. From 2025-03-26. Absent hints mean the protocol's defaults.
public struct ToolAnnotations: Sendable, Hashable {
    public var title: String?
    /// The tool changes nothing. Protocol default: false.
    public var readOnlyHint: Bool?
    /// The tool may destroy, not only add. Protocol default: true.
    public var destructiveHint: Bool?
    /// Calling again with the same arguments changes nothing more. Protocol default: false.
    public var idempotentHint: Bool?
    /// The tool reaches things outside the server. Protocol default: true.
    public var openWorldHint: Bool?

    public init(
        title: String? = nil, readOnly: Bool? = nil, destructive: Bool? = nil, idempotent: Bool? = nil,
        openWorld: Bool? = nil
    ) {
        self.title = title
        self.readOnlyHint = readOnly
        self.destructiveHint = destructive
        self.idempotentHint = idempotent
        self.openWorldHint = openWorld
    }

    /// Reads without changing anything, and reaches nothing outside the server.
    public static let readOnly = ToolAnnotations(readOnly: true, openWorld: false)

    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("title", self.title)
        writer.member("readOnlyHint", self.readOnlyHint)
        writer.member("destructiveHint", self.destructiveHint)
        writer.member("idempotentHint", self.idempotentHint)
        writer.member("openWorldHint", self.openWorldHint)
        writer.endObject()
    }
}

/// What `tools/list` says of a tool.
package struct ToolDescription: Sendable {
    package var name: String
    package var title: String?
    package var description: String
    package var icons: [Icon]
    package var inputSchema: JSONSchema
    package var outputSchema: JSONSchema?
    package var annotations: ToolAnnotations?

    package init(
        name: String, title: String?, description: String, icons: [Icon], inputSchema: JSONSchema,
        outputSchema: JSONSchema?,
        annotations: ToolAnnotations?
    ) {
        self.name = name
        self.title = title
        self.description = description
        self.icons = icons
        self.inputSchema = inputSchema
        self.outputSchema = outputSchema
        self.annotations = annotations
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        writer.member("name", self.name)
        if revision >= .v2025_06_18 { writer.member("title", self.title) }
        writer.member("description", self.description)
        writer.member("inputSchema", self.inputSchema.value)
        if let outputSchema, revision.showsStructure(isObject: outputSchema.describesObject) {
            writer.member("outputSchema", outputSchema.value)
        }
        if revision >= .v2025_03_26, let annotations {
            writer.key("annotations")
            annotations.write(to: &writer)
        }
        if revision >= .v2025_11_25 { Icon.write(self.icons, to: &writer) }
        writer.endObject()
    }
}

extension ProtocolRevision {
    /// Whether a result may carry structured content: objects from 2025-06-18, any JSON value from 2026-07-28.
    package func showsStructure(isObject: Bool) -> Bool { self >= (isObject ? .v2025_06_18 : .v2026_07_28) }
}

/// What `resources/list` says of a resource.
public struct ResourceDescription: Sendable, Hashable {
    public var uri: String
    public var name: String
    public var title: String?
    public var description: String?
    public var mimeType: String?
    /// The resource's size in bytes, if known. From 2025-03-26.
    public var sizeBytes: Int?
    public var icons: [Icon]
    public var annotations: Annotations?

    public init(
        uri: String, name: String, title: String? = nil, description: String? = nil, mimeType: String? = nil,
        sizeBytes: Int? = nil,
        icons: [Icon] = [], annotations: Annotations? = nil
    ) {
        self.uri = uri
        self.name = name
        self.title = title
        self.description = description
        self.mimeType = mimeType
        self.sizeBytes = sizeBytes
        self.icons = icons
        self.annotations = annotations
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        writer.member("uri", self.uri)
        writer.member("name", self.name)
        if revision >= .v2025_06_18 { writer.member("title", self.title) }
        writer.member("description", self.description)
        writer.member("mimeType", self.mimeType)
        if revision >= .v2025_03_26 { writer.member("size", self.sizeBytes.map(JSONValue.integer)) }
        writer.finishListed(icons: self.icons, annotations: self.annotations, for: revision)
    }
}

/// What `resources/templates/list` says of a family of resources.
package struct TemplateDescription: Sendable {
    package var uriTemplate: String
    package var name: String
    package var title: String?
    package var description: String?
    package var mimeType: String?
    package var icons: [Icon]
    package var annotations: Annotations?

    package init(
        uriTemplate: String, name: String, title: String?, description: String?, mimeType: String?, icons: [Icon],
        annotations: Annotations?
    ) {
        self.uriTemplate = uriTemplate
        self.name = name
        self.title = title
        self.description = description
        self.mimeType = mimeType
        self.icons = icons
        self.annotations = annotations
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        writer.member("uriTemplate", self.uriTemplate)
        writer.member("name", self.name)
        if revision >= .v2025_06_18 { writer.member("title", self.title) }
        writer.member("description", self.description)
        writer.member("mimeType", self.mimeType)
        writer.finishListed(icons: self.icons, annotations: self.annotations, for: revision)
    }
}

extension JSONWriter {
    fileprivate mutating func finishListed(icons: [Icon], annotations: Annotations?, for revision: ProtocolRevision) {
        if let annotations {
            self.key("annotations")
            annotations.write(to: &self, for: revision)
        }
        if revision >= .v2025_11_25 { Icon.write(icons, to: &self) }
        self.endObject()
    }
}

/// What `prompts/list` says of a prompt.
package struct PromptDescription: Sendable {
    package struct Argument: Sendable {
        package var name: String
        package var title: String?
        package var description: String
        package var isRequired: Bool

        package init(name: String, title: String?, description: String, isRequired: Bool) {
            self.name = name
            self.title = title
            self.description = description
            self.isRequired = isRequired
        }
    }

    package var name: String
    package var title: String?
    package var description: String
    package var icons: [Icon]
    package var arguments: [Argument]

    package init(name: String, title: String?, description: String, icons: [Icon], arguments: [Argument]) {
        self.name = name
        self.title = title
        self.description = description
        self.icons = icons
        self.arguments = arguments
    }

    package func write(to writer: inout JSONWriter, for revision: ProtocolRevision) {
        writer.beginObject()
        writer.member("name", self.name)
        if revision >= .v2025_06_18 { writer.member("title", self.title) }
        writer.member("description", self.description)
        if !self.arguments.isEmpty {
            writer.key("arguments")
            writer.beginArray()
            for argument in self.arguments {
                writer.beginObject()
                writer.member("name", argument.name)
                if revision >= .v2025_06_18 { writer.member("title", argument.title) }
                writer.member("description", argument.description)
                writer.member("required", argument.isRequired)
                writer.endObject()
            }
            writer.endArray()
        }
        if revision >= .v2025_11_25 { Icon.write(self.icons, to: &writer) }
        writer.endObject()
    }
}
