package import TorporCore
import TorporEngine

/// A name that a client gives back to go on with what a foreign server keeps for it.
///
/// Nothing is stored when one is made: it says itself when it was made and for whom, and cannot be made without the
/// sealing key.
package struct RelayedHandle: Hashable, Sendable {
    // In two words; see ``StateObjectID``.
    private let name: StateObjectID
    /// 128 random bits.
    package var id: UInt128 { self.name.bits }
    /// 38 characters of URL-safe base64.
    package let text: String

    private static let purpose: StaticString = "torpor hosted handle"
    private static let clearCount = 20

    /// Makes one for whoever sent the request.
    /// - Parameter server: Where alone it is known.
    init(_ id: UInt128, for request: RelayedRequest, at server: String, now: WallTime) {
        let clear = id.bigEndianBytes + UInt32(clamping: now.milliseconds / 1_000).bigEndianBytes
        let tag = request.call.dispatcher.sessions.keys.tag(Self.purpose, Self.message(clear, request, server))
        self.name = StateObjectID(bits: id)
        self.text = Base64.encodeURLSafe(clear + tag.bigEndianBytes)
    }

    /// Reads what a client gave; `nil` when it was not made here, or for another caller, or longer ago than `lifetime`.
    init?(_ text: String, of request: RelayedRequest, at server: String, lifetime: Duration, now: WallTime) {
        guard text.utf8.count == 38, let bytes = Base64.decodeURLSafe(Array(text.utf8)), bytes.count == 28 else {
            return nil
        }
        let clear = Array(bytes.prefix(Self.clearCount))
        let tag = UInt64(bigEndianBytes: bytes.dropFirst(Self.clearCount))
        guard request.call.dispatcher.sessions.keys.isTag(tag, Self.purpose, Self.message(clear, request, server))
        else { return nil }
        let made = WallTime(milliseconds: Int64(UInt32(bigEndianBytes: clear[16..<20])) * 1_000)
        guard now < made + lifetime else { return nil }
        self.name = StateObjectID(bits: UInt128(bigEndianBytes: clear[0..<16]))
        self.text = text
    }

    private static func message(_ clear: [UInt8], _ request: RelayedRequest, _ server: String) -> [UInt8] {
        clear + OwnerDigest(request.call.principal).bits.bigEndianBytes + Array(server.utf8)
    }
}

extension RelayedRequest {
    /// A new handle for the caller.
    package func makeHandle(at server: String) -> RelayedHandle {
        let environment = self.call.dispatcher.environment
        return RelayedHandle(environment.randomBits(), for: self, at: server, now: environment.wallTime())
    }

    /// The handle that a text is; `nil` when it is none of this caller's, or too old.
    package func handle(_ text: String, at server: String, lifetime: Duration) -> RelayedHandle? {
        RelayedHandle(
            text, of: self, at: server, lifetime: lifetime, now: self.call.dispatcher.environment.wallTime())
    }

    /// Whose quotas the caller's calls and files count against.
    package var account: AccountID {
        self.call.dispatcher.state?.account(of: self.operation.message) ?? .anonymous(0)
    }

    /// Names the caller as far as it is known: the principal, else the session, else the address.
    package var callerBits: UInt128 {
        self.call.principal.map { OwnerDigest($0).bits } ?? self.session ?? self.account.bits
    }

    /// The member of the client's `_meta` of that name.
    package func meta(_ name: String) -> JSONValue? {
        let source = self.operation.params.meta.source
        let bytes = self.operation.bytes
        let value = JSONSlice.member(name, of: source, in: bytes.span)
        return value.isPresent ? JSONValue(in: bytes.span, value.sourceRange) : nil
    }

    /// The least level of log messages that the client has asked for; `nil` when it has not said.
    package var askedLogLevel: LogLevel? {
        self.isModern ? self.call.logLevel : self.session.flatMap { self.call.dispatcher.held.level(of: $0) }
    }
}
