/// What a tool answers.
public struct ToolResult: Sendable {
    /// What the model reads, in order.
    public var content: [Content]
    /// The same for programs, or `nil`. Clients before 2025-06-18 do not get it, clients before 2026-07-28 only if it
    /// is an object.
    public var structuredContent: JSONValue?
    /// The tool failed in a way that the model should know of.
    public var isError: Bool

    public init(_ content: [Content], structuredContent: JSONValue? = nil, isError: Bool = false) {
        self.content = content
        self.structuredContent = structuredContent
        self.isError = isError
    }
}

/// What a tool's handler may return: a `String`, ``Content``, an array of it, a ``ToolResult``, or a
/// ``StructuredOutput``.
public protocol ToolOutput: Sendable {
    /// The result that goes to the client.
    /// - Throws: When the value cannot be written as JSON; the call then fails.
    var toolResult: ToolResult { get throws }
    /// The schema of the structured part, for `tools/list`; `nil` when there is none.
    static var outputSchema: JSONSchema? { get }
}

extension ToolOutput {
    public static var outputSchema: JSONSchema? { nil }
}

extension ToolResult: ToolOutput {
    public var toolResult: ToolResult { self }
}

extension String: ToolOutput {
    public var toolResult: ToolResult { ToolResult([.text(self)]) }
}

extension Content: ToolOutput {
    public var toolResult: ToolResult { ToolResult([self]) }
}

extension [Content]: ToolOutput {
    public var toolResult: ToolResult { ToolResult(self) }
}

/// A `Codable` result for programs: it is sent as structured content with an output schema, and as text for the model.
public protocol StructuredOutput: Codable, ToolOutput, DescribedFields {
    /// What the model reads; `nil`, the default, for the same JSON that programs get.
    ///
    /// Clients before 2025-06-18 get nothing else, so it leaves nothing out that matters.
    var modelText: String? { get }
}

extension StructuredOutput {
    public var modelText: String? { nil }

    public var toolResult: ToolResult {
        get throws {
            let bytes = try JSONBytesEncoder.encode(self)
            let text = self.modelText ?? String(decoding: bytes, as: UTF8.self)
            return ToolResult([.text(text)], structuredContent: try JSONValue(parsing: bytes))
        }
    }

    public static var outputSchema: JSONSchema? {
        do {
            return try .derived(from: Self.self)
        } catch {
            preconditionFailure("output \(Self.self): \(error)")
        }
    }
}

/// A failure of a tool that the model should see, and perhaps mend: a bad argument, a thing that is not there, a limit.
///
/// It becomes a result with `isError`, not a JSON-RPC error.
public struct ToolError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong and what to do, for the model. It leaves the server as it is.
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { self.message }
}
