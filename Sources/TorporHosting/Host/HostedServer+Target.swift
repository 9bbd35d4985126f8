import Torpor
import TorporCore
import TorporJSON
import TorporProtocol

extension HostedServer {
    /// The argument by which clients without sessions name what is kept for them.
    package static let handleArgument = "torpor_handle"
    /// The same for requests without arguments, in `_meta`.
    static let handleMeta = "torpor/handle"

    /// Whom a request is for, and what of it reaches the child.
    struct Target: Sendable {
        let caller: HostCaller
        /// `nil`: as the client said.
        var arguments: JSONObject?
        var handle: RelayedHandle?
        /// The handle was made for this request, or an earlier run of it, and its client has to be told.
        var isNew = false

        /// Under which a run keeps it for the next.
        static let handleKey = "handle"
    }

    /// Whether callers without session or principal are told apart by handles.
    var usesHandles: Bool {
        switch self.options.scope {
        case .handle: true
        case .session, .principal: !self.options.hasPrincipals
        case .call, .shared: false
        }
    }

    /// - Throws: ``ToolError`` for a handle that is none of the caller's.
    func target(of request: RelayedRequest) throws -> Target {
        switch self.options.scope {
        case .shared: return Target(caller: HostCaller(.shared, account: request.account))
        case .call: return Target(caller: self.callCaller(request))
        case .handle: return try self.handleTarget(of: request)
        case .principal:
            if let caller = self.principalCaller(request) ?? self.sessionCaller(request) {
                return Target(caller: caller)
            }
            return try self.handleTarget(of: request)
        case .session:
            if let caller = self.sessionCaller(request) ?? self.principalCaller(request) {
                return Target(caller: caller)
            }
            return try self.handleTarget(of: request)
        }
    }

    private func sessionCaller(_ request: RelayedRequest) -> HostCaller? {
        request.session.map {
            HostCaller(
                HostKey(.session, bits: $0), account: request.account,
                capabilities: request.call.clientCapabilities)
        }
    }

    private func principalCaller(_ request: RelayedRequest) -> HostCaller? {
        guard request.call.principal != nil else { return nil }
        return HostCaller(HostKey(.principal, bits: request.callerBits), account: request.account)
    }

    private func callCaller(_ request: RelayedRequest) -> HostCaller {
        HostCaller(
            HostKey(.call, bits: self.random()), account: request.account,
            capabilities: request.call.clientCapabilities)
    }

    /// A client without a session names what is kept for it in each call. A call without a handle gets a new one; another
    /// request without one, which could not be told, gets a child of its own.
    private func handleTarget(of request: RelayedRequest) throws -> Target {
        var arguments: JSONObject?
        var given = request.meta(Self.handleMeta)
        if request.method == .toolsCall {
            var all = request.call.arguments
            if let value = all[Self.handleArgument] {
                all[Self.handleArgument] = nil
                given = given ?? value
                arguments = all
            }
        }
        // A run that goes on with an earlier one has the handle that was made then.
        if given == .null || given == "" { given = nil }
        let kept = given == nil ? request.kept(Target.handleKey) : nil
        guard let given = given ?? kept else {
            guard request.method == .toolsCall else { return Target(caller: self.callCaller(request)) }
            let handle = request.makeHandle(at: self.name)
            return Target(caller: self.caller(of: handle, request), arguments: arguments, handle: handle, isNew: true)
        }
        guard case .string(let text) = given,
            let handle = request.handle(text, at: self.name, lifetime: self.options.handleLifetime)
        else {
            throw ToolError(
                """
                \(Self.handleArgument) \(given.text.prefix(60)) is unknown, or too old. Leave \(Self.handleArgument) out \
                to begin anew; the result names a new one.
                """)
        }
        return Target(
            caller: self.caller(of: handle, request), arguments: arguments, handle: handle, isNew: kept != nil)
    }

    private func caller(of handle: RelayedHandle, _ request: RelayedRequest) -> HostCaller {
        HostCaller(HostKey(.handle, bits: handle.id), account: request.account)
    }

    /// A result that tells the client its handle, in a block of text that the model reads.
    static func tell(_ handle: RelayedHandle?, in result: [UInt8]) -> [UInt8] {
        handle.map { self.tell($0.text, in: result) } ?? result
    }

    static func tell(_ handle: String, in result: [UInt8]) -> [UInt8] {
        guard case .object(var object)? = try? JSONValue(parsing: result), case .array(var content)? = object["content"]
        else { return result }
        content.append([
            "type": "text",
            "text": .string(
                "\(self.handleArgument): \(handle)\nPass this as \(self.handleArgument) in further calls to go on with the same state."
            ),
        ])
        object["content"] = .array(content)
        var meta = JSONObject()
        if case .object(let members)? = object["_meta"] { meta = members }
        meta[self.handleMeta] = .string(handle)
        object["_meta"] = .object(meta)
        return Array(JSONValue.object(object).text.utf8)
    }
}
