import Synchronization
package import Torpor
package import TorporCore
import TorporJSON
import TorporProtocol

/// Several hosted servers as one: the names of their tools and prompts have prefixes, resources keep their URIs.
///
/// A server that cannot be started is left out of what is offered, until it can.
package final class MergedRelay: Relay {
    /// A server, and what stands before its names.
    package struct Part: Sendable {
        package let server: HostedServer
        package let prefix: String

        package init(_ server: HostedServer, prefix: String) {
            self.server = server
            self.prefix = prefix
        }
    }

    private struct State {
        var parts: [Part] = []
        /// By whom clients are served.
        var server: RelayedServer?
    }

    private let implementation: Implementation
    private let tasks: TaskScope
    private let state = Mutex(State())
    /// Offers go out one after the other: one that was put together earlier must not come later.
    private let offering = Mutex(())

    /// - Parameter tasks: Where it begins to listen to its servers.
    package init(version: String, tasks: TaskScope) {
        self.implementation = Implementation(name: "torpor", version: version)
        self.tasks = tasks
    }

    private var parts: [Part] { self.state.withLock { $0.parts } }

    /// What clients are served who see all servers.
    package func relayedServer() -> RelayedServer {
        let server = RelayedServer(self, name: self.implementation.name, version: self.implementation.version)
        self.state.withLock { $0.server = server }
        return server
    }

    /// Serves these from now on.
    package func replace(_ parts: [Part]) {
        let old = self.state.withLock { state in
            defer { state.parts = parts }
            return state.parts
        }
        for part in parts where !old.contains(where: { $0.server === part.server }) {
            part.server.listen(
                HostedServer.Listener(
                    offered: { [weak self] _ in self?.offer(evenIfNothing: false) },
                    updated: { [weak self] uri, listeners in
                        self?.state.withLock { $0.server }?.announceUpdate(of: uri, to: listeners)
                    }))
        }
        self.offer(evenIfNothing: false)
    }

    // MARK: What is offered

    package func prepareOffer() { for part in self.parts { part.server.prepareOffer() } }

    package func untilOffered() async throws {
        // The first that works is enough; the others are added when they have said what they offer.
        let failure = await withTaskGroup(of: (any Error)?.self) { group -> (any Error)? in
            for part in self.parts {
                group.addTask {
                    do {
                        try await part.server.untilOffered()
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            defer { group.cancelAll() }
            var last: (any Error)?
            for await failure in group {
                guard let failure else { return nil }
                last = failure
            }
            return last
        }
        if let failure { throw failure }
        self.offer(evenIfNothing: true)
    }

    private func offer(evenIfNothing: Bool) {
        guard let server = self.state.withLock({ $0.server }), evenIfNothing || server.catalogue != nil else { return }
        self.offering.withLock { _ in server.offer(self.merged()) }
    }

    /// What all servers offer that have said so.
    private func merged() -> Catalogue {
        // One alone introduces itself.
        let parts = self.parts
        let only = parts.count == 1 ? parts[0].server.catalogue?.implementation : nil
        var merged = Catalogue(implementation: only ?? self.implementation)
        var instructions: [String] = []
        for part in parts {
            guard let catalogue = part.server.catalogue else { continue }
            merged.tools.add(catalogue.tools?.map { $0.named(part.prefix + $0.name) })
            merged.prompts.add(catalogue.prompts?.map { $0.named(part.prefix + $0.name) })
            merged.resources.add(catalogue.resources)
            merged.templates.add(catalogue.templates)
            merged.hasCompletions = merged.hasCompletions || catalogue.hasCompletions
            merged.hasSubscriptions = merged.hasSubscriptions || catalogue.hasSubscriptions
            if let text = catalogue.instructions {
                instructions.append(part.prefix.isEmpty ? text : "\(part.prefix)*: \(text)")
            }
        }
        if !instructions.isEmpty { merged.instructions = instructions.joined(separator: "\n\n") }
        return merged
    }

    // MARK: Requests

    package func answer(_ request: RelayedRequest) async throws -> [UInt8] {
        switch request.method {
        case .toolsCall, .promptsGet:
            let name = request.name ?? ""
            let (server, own) = try self.part(named: name, isTool: request.method == .toolsCall)
            return try await server.answer(request.named(own))
        case .resourcesRead, .subscribe, .unsubscribe:
            return try await self.server(of: request.uri ?? "").answer(request)
        default:
            if let name = request.completedPrompt {
                let (server, own) = try self.part(named: name, isTool: false)
                return try await server.answer(request.completing(own))
            }
            return try await self.server(of: request.completedTemplate ?? "").answer(request)
        }
    }

    /// Whose tool or prompt it is, and what that calls it.
    private func part(named name: String, isTool: Bool) throws -> (HostedServer, String) {
        for part in self.parts where name.utf8.starts(with: part.prefix.utf8) {
            let own = String(decoding: name.utf8.dropFirst(part.prefix.utf8.count), as: UTF8.self)
            let entries = isTool ? part.server.catalogue?.tools : part.server.catalogue?.prompts
            if entries?.contains(where: { $0.name == own }) == true { return (part.server, own) }
        }
        throw MCPError.invalidParams("There is no \(isTool ? "tool" : "prompt") of this name.")
    }

    /// Whose resource it is: of who lists it, else of who has a template that it fits, else of the only one.
    private func server(of uri: String) throws -> HostedServer {
        let offering = self.parts.map(\.server).filter {
            $0.catalogue?.resources != nil || $0.catalogue?.templates != nil
        }
        if let listing = offering.first(where: { $0.catalogue?.resources?.contains { $0.name == uri } == true }) {
            return listing
        }
        let fitting = offering.first { server in
            server.catalogue?.templates?.contains { $0.name == uri || URITemplate($0.name)?.match(uri) != nil } == true
        }
        if let fitting { return fitting }
        guard offering.count == 1, let only = offering.first else { throw MCPError.resourceNotFound(uri) }
        return only
    }

    package func listens(
        to uris: Set<String>, _ request: RelayedRequest, as listener: UInt128
    ) -> @Sendable () -> Void {
        // In two words; see ``StateObjectID``.
        let listener = StateObjectID(bits: listener)
        let farewells = Farewells()
        self.tasks.begin {
            // Whose resources they are is known then; a server that does not start has none to tell of.
            try? await self.untilOffered()
            for (name, uris) in Dictionary(grouping: uris, by: { try? self.server(of: $0).name }) {
                guard let part = self.parts.first(where: { $0.server.name == name }) else { continue }
                farewells.add(part.server.listens(to: Set(uris), request, as: listener.bits))
            }
        }
        return { farewells.call() }
    }

    package func rootsChanged(in session: UInt128) {
        for part in self.parts { part.server.rootsChanged(in: session) }
    }

    package func sessionEnded(_ session: UInt128, account: AccountID?) {
        for part in self.parts { part.server.sessionEnded(session, account: account) }
    }
}

extension Catalogue.Entry {
    /// The same under another name.
    fileprivate func named(_ name: String) -> Catalogue.Entry {
        var (legacy, modern) = (self.legacy, self.modern)
        legacy.rename(name)
        modern.rename(name)
        return Catalogue.Entry(name: name, legacy: legacy, modern: modern)
    }
}

extension JSONValue {
    fileprivate mutating func rename(_ name: String) {
        guard case .object(var members) = self else { return }
        members["name"] = .string(name)
        self = .object(members)
    }
}

extension [Catalogue.Entry]? {
    /// Adds entries; something that is offered without entries is offered all the same.
    fileprivate mutating func add(_ entries: [Catalogue.Entry]?) {
        if let entries { self = (self ?? []) + entries }
    }
}

/// What is to be done when a client listens no more, also when that comes first.
private final class Farewells: Sendable {
    private let state = Mutex<(isOver: Bool, farewells: [@Sendable () -> Void])>((false, []))

    func add(_ farewell: @escaping @Sendable () -> Void) {
        let isOver = self.state.withLock { state in
            if !state.isOver { state.farewells.append(farewell) }
            return state.isOver
        }
        if isOver { farewell() }
    }

    func call() {
        let farewells = self.state.withLock { state in
            state.isOver = true
            defer { state.farewells = [] }
            return state.farewells
        }
        for farewell in farewells { farewell() }
    }
}
