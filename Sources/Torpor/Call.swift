public import Logging

/// One call as its handler sees it: who asks, what for, under which revision.
///
/// Valid beyond the handler's return, but holds the request's bytes for as long as it is kept.
public struct Call: Sendable {
    let operation: Operation
    let dispatcher: Dispatcher

    /// The tool, prompt or resource that was asked for.
    public let name: String

    init(_ operation: Operation, _ dispatcher: Dispatcher, name: String) {
        self.operation = operation
        self.dispatcher = dispatcher
        self.name = name
    }

    /// Who is calling, from a verified token; `nil` without authentication.
    public var principal: Principal? { self.operation.message.principal }

    /// The revision under which the call was made.
    public var revision: ProtocolRevision { self.operation.revision }

    /// What the client says it can do: on this request (modern), or in the session's `initialize` (legacy).
    public var clientCapabilities: ClientCapabilities { self.dispatcher.capabilities(of: self.operation) }

    /// What the client calls itself, if it says so on the request (modern). For display and logs only: it proves
    /// nothing.
    public var clientInfo: JSONObject? {
        self.object(at: self.operation.params.meta.clientInfo)
    }

    /// The arguments as JSON; empty when there were none.
    public var arguments: JSONObject { self.object(at: self.operation.params.arguments) ?? [:] }

    private func object(at slice: JSONSlice) -> JSONObject? {
        let bytes = self.operation.bytes
        guard slice.kind == .object, case .object(let object) = JSONValue(in: bytes.span, slice.range) else {
            return nil
        }
        return object
    }

    /// Whether the client no longer waits for the answer. A handler that works for long looks at this now and then.
    public var isCancelled: Bool { Task.isCancelled }

    /// Ends the handler when the client no longer waits.
    /// - Throws: `CancellationError`.
    public func checkCancellation() throws { try Task.checkCancellation() }

    /// A logger of the server that names the tool, prompt or resource, and the trace that the call belongs to. Clients
    /// do not see what it logs.
    public var logger: Logger {
        var logger = self.dispatcher.environment.logger
        if let trace = self.operation.traceID { logger[metadataKey: "trace_id"] = .string(trace) }
        logger[metadataKey: "name"] = .string(self.name)
        return logger
    }

    /// The arguments, decoded. The schema has been checked before; what a type's own `init(from:)` refuses is told to
    /// the model.
    package func arguments<Input: Decodable>(as type: Input.Type) throws -> Input {
        let slice = self.operation.params.arguments
        do {
            guard slice.isPresent else { return try JSONBytesDecoder.decode(type, from: Self.noArguments, in: 0..<2) }
            return try JSONBytesDecoder.decode(type, from: self.operation.bytes, in: slice.range)
        } catch let error as DecodingError {
            throw ToolError("The arguments do not fit: \(error.advice)")
        }
    }

    /// What absent arguments stand for.
    static let noArguments = Array("{}".utf8)
}

extension DecodingError {
    /// Where and what, for a model to read.
    fileprivate var advice: String {
        let context: Context
        switch self {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
            .dataCorrupted(let found):
            context = found
        @unknown default: return "they cannot be decoded."
        }
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    }
}
