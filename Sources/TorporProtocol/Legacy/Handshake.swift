import TorporJSON

/// What a legacy client offers in `initialize`, and what the server agrees to (2025-11-25, lifecycle).
package struct Handshake: Sendable, Equatable {
    /// The revision that both will speak.
    package let revision: ProtocolRevision
    package let capabilities: ClientCapabilities

    /// Reads the parameters of `initialize`.
    ///
    /// A known legacy revision is agreed to; for any other, the modern one included, the newest legacy revision is
    /// offered.
    /// - Throws: a refusal when a required member is missing.
    package init(_ params: Envelope.Params, in bytes: Span<UInt8>) throws(Refusal) {
        guard params.protocolVersion.kind == .string else {
            throw Refusal(200, .invalidParams, "initialize needs protocolVersion, a string.")
        }
        guard params.capabilities.kind == .object else {
            throw Refusal(200, .invalidParams, "initialize needs capabilities, an object.")
        }
        guard params.clientInfo.kind == .object else {
            throw Refusal(200, .invalidParams, "initialize needs clientInfo, an object.")
        }
        let asked = params.protocolVersion.hasEscapes ? nil : ProtocolRevision(bytes, in: params.protocolVersion.range)
        self.revision = asked.flatMap { $0.era == .legacy ? $0 : nil } ?? .newestLegacy
        self.capabilities = ClientCapabilities(params.capabilities, in: bytes)
    }
}
