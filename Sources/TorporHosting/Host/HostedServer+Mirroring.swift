import Logging
import Synchronization
import Torpor
import TorporJSON
import TorporProtocol
import TorporUpstream

// Arguments that a modern server wants in headers, too (2026-07-28, transports, custom headers).
extension HostedServer {
    /// The marks of each tool that has some, by its name.
    ///
    /// A tool whose marks break the rules of the protocol is not among them, and is left out of what is offered.
    static func mirroredParameters(of tools: [Catalogue.Entry]) -> [String: [MirroredParameter]] {
        var marked: [String: [MirroredParameter]] = [:]
        for tool in tools {
            // Checked when the list was read.
            guard let parameters = try? tool.modern.mirroredParameters(), !parameters.isEmpty else { continue }
            marked[tool.name] = parameters
        }
        return marked
    }

    /// Whether a tool can be called by the rules of the protocol; one that cannot is left out by clients of HTTP.
    func hasSoundMarks(_ tool: JSONValue) -> Bool {
        do throws(SchemaError) {
            _ = try tool.mirroredParameters()
            return true
        } catch {
            let name = if case .string(let name)? = tool["name"] { String(name.prefix(128)) } else { "" }
            self.logger.warning(
                "a tool is left out: its input schema marks arguments against the rules of the protocol",
                metadata: ["server": "\(self.name)", "tool": "\(name)", "reason": "\(error.description)"])
            return false
        }
    }

    /// Makes a request of a client. One for which the server misses headers, since its tool has changed, is made once
    /// more with those that the tool wants now: what was refused so has had no effect.
    func send(
        _ upstream: UpstreamRequest, for request: RelayedRequest, _ target: Target, over session: UpstreamSession,
        _ observer: CallObserver
    ) async throws -> UpstreamAnswer {
        guard request.method == .toolsCall, session.mirrorsArguments, let tool = request.name else {
            return try await session.request(upstream, observer: observer)
        }
        let arguments = target.arguments ?? request.call.arguments
        var upstream = upstream
        upstream.mirrored = MirroredArgument.all(
            of: arguments, self.state.withLock { $0.mirrored[tool] } ?? [])
        do {
            return try await session.request(upstream, observer: observer)
        } catch let error as UpstreamError where error.answer?.code == .headerMismatch {
            let tools = try await session.list(.tools, timeLimit: self.options.limits.startTimeout)
            let current = try? tools.first { $0["name"] == .string(tool) }?.mirroredParameters()  // As if it were gone.
            self.readLists()
            let mirrored = MirroredArgument.all(of: arguments, current ?? [])
            guard mirrored != upstream.mirrored else { throw error }
            upstream.mirrored = mirrored
            return try await session.request(upstream, observer: observer)
        }
    }
}

extension JSONValue {
    /// The marks in the input schema of a tool.
    fileprivate func mirroredParameters() throws(SchemaError) -> [MirroredParameter] {
        guard case .object(let schema)? = self["inputSchema"] else { return [] }
        return try JSONSchema(.object(schema)).mirroredParameters()
    }
}
