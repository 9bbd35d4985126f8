import TorporJSON

/// The checks of a 2026-07-28 request that come before its method is looked at more closely.
///
/// The order is fixed where the specification fixes outcomes: missing metadata before headers, headers before the
/// version's support, the version before the method (2026-07-28, basic: `_meta`; transports: request headers).
package enum ModernChecks {
    /// Checks metadata, the mirrored headers and the revision.
    /// - Parameter headers: `nil` on a transport without headers: then nothing is mirrored.
    /// - Throws: the refusal to answer with.
    package static func check(
        _ envelope: Envelope, method: RequestMethod, headers: MessageHeaders?, in bytes: Span<UInt8>
    ) throws(Refusal) {
        let meta = envelope.params.meta
        guard meta.protocolVersion.kind == .string else {
            throw Refusal(
                400, .invalidParams, "The request needs _meta[\"io.modelcontextprotocol/protocolVersion\"], a string.")
        }
        guard meta.clientCapabilities.kind == .object else {
            throw Refusal(
                400, .invalidParams,
                "The request needs _meta[\"io.modelcontextprotocol/clientCapabilities\"], an object.")
        }
        if let headers { try self.checkVersionHeader(headers, meta, bytes) }
        try self.checkVersion(meta, bytes)
        if let headers { try self.checkMethodHeader(headers, envelope, bytes) }
        guard method != .other else {
            throw Refusal(404, .methodNotFound, "The method is not served under 2026-07-28.")
        }
        if let headers, method.mirrorsName { try self.checkNameHeader(headers, envelope, method, bytes) }
    }

    private static func checkVersionHeader(_ headers: MessageHeaders, _ meta: Envelope.Meta, _ bytes: Span<UInt8>)
        throws(Refusal)
    {
        guard let header = headers.protocolVersion else {
            throw Refusal(400, .headerMismatch, "The header MCP-Protocol-Version is missing.")
        }
        guard meta.protocolVersion.equals(bytes.extracting(header), in: bytes) else {
            throw Refusal(
                400, .headerMismatch,
                "The header MCP-Protocol-Version differs from _meta[\"io.modelcontextprotocol/protocolVersion\"].")
        }
    }

    private static func checkVersion(_ meta: Envelope.Meta, _ bytes: Span<UInt8>) throws(Refusal) {
        if !meta.protocolVersion.hasEscapes, let revision = ProtocolRevision(bytes, in: meta.protocolVersion.range),
            revision.era == .modern
        {
            return
        }
        let supported = ProtocolRevision.modern.map { JSONValue.string($0.rawValue) }
        throw Refusal(
            400, .unsupportedProtocolVersion, "This protocol revision is not served here statelessly.",
            data: ["supported": .array(supported), "requested": .string(meta.protocolVersion.string(in: bytes) ?? "")])
    }

    private static func checkMethodHeader(_ headers: MessageHeaders, _ envelope: Envelope, _ bytes: Span<UInt8>)
        throws(Refusal)
    {
        guard let header = headers.method else {
            throw Refusal(400, .headerMismatch, "The header Mcp-Method is missing.")
        }
        guard envelope.method.equals(bytes.extracting(header), in: bytes) else {
            throw Refusal(400, .headerMismatch, "The header Mcp-Method differs from the body's method.")
        }
    }

    private static func checkNameHeader(
        _ headers: MessageHeaders, _ envelope: Envelope, _ method: RequestMethod, _ bytes: Span<UInt8>
    ) throws(Refusal) {
        guard let header = headers.name else {
            throw Refusal(400, .headerMismatch, "The header Mcp-Name is missing.")
        }
        let mirrored = method == .resourcesRead ? envelope.params.uri : envelope.params.name
        guard HeaderValue.matches(header, mirrored, in: bytes) else {
            throw Refusal(400, .headerMismatch, "The header Mcp-Name differs from the body, or is malformed.")
        }
    }
}
