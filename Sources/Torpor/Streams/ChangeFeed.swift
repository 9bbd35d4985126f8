import Synchronization
import TorporCore

/// Something about a server that clients may want to hear of when it changes.
public enum ServerChange: Hashable, Sendable {
    /// The list of tools.
    case tools
    /// The list of prompts.
    case prompts
    /// The list of resources or of their templates.
    case resources
    /// What is read at a URI.
    case resource(String)
}

/// The changes that a server tells of: what it declares as `listChanged` and `subscribe`.
public struct ServerChanges: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The list of tools changes.
    public static let tools = ServerChanges(rawValue: 1 << 0)
    /// The list of prompts changes.
    public static let prompts = ServerChanges(rawValue: 1 << 1)
    /// The list of resources, or of their templates, changes.
    public static let resources = ServerChanges(rawValue: 1 << 2)
    /// What is read at some URIs changes, and clients may subscribe to that.
    public static let resourceUpdates = ServerChanges(rawValue: 1 << 3)

    static let lists: ServerChanges = [.tools, .prompts, .resources]
}

extension ServerChange {
    /// The kind of change that a server declares and a client asks for.
    var kind: ServerChanges {
        switch self {
        case .tools: .tools
        case .prompts: .prompts
        case .resources: .resources
        case .resource: .resourceUpdates
        }
    }

    /// The notification that tells of it.
    var notification: StaticString {
        switch self {
        case .tools: "notifications/tools/list_changed"
        case .prompts: "notifications/prompts/list_changed"
        case .resources: "notifications/resources/list_changed"
        case .resource: "notifications/resources/updated"
        }
    }

    /// Tells the changes of a subscriber apart.
    var name: String {
        if case .resource(let uri) = self { uri } else { self.notification.description }
    }

    /// The whole notification.
    /// - Parameter subscription: The JSON-RPC id of the `subscriptions/listen` that it belongs to, as it was sent; `nil`
    ///   in the legacy era.
    func message(subscription: [UInt8]? = nil) -> [UInt8] {
        var writer = JSONWriter(capacity: 160)
        writer.raw("{\"jsonrpc\":\"2.0\",\"method\":\"")
        writer.raw(self.notification)
        writer.raw("\"")
        if subscription != nil || self.kind == .resourceUpdates {
            writer.raw(",\"params\":")
            writer.beginObject()
            if let subscription {
                writer.key("_meta")
                writer.beginObject()
                writer.key("io.modelcontextprotocol/subscriptionId")
                writer.rawValue(subscription)
                writer.endObject()
            }
            if case .resource(let uri) = self { writer.member("uri", uri) }
            writer.endObject()
        }
        writer.raw("}")
        return writer.bytes
    }
}

/// Carries a server's changes to those who asked for them. Holds nothing but the subscriptions.
package final class ChangeFeed: Sendable {
    /// What a subscriber wants to hear of.
    struct Filter: Sendable, Equatable {
        var kinds: ServerChanges = []
        var uris: Set<String> = []

        var isEmpty: Bool { self.kinds.isEmpty && self.uris.isEmpty }
    }

    private struct Subscriber {
        var filter: Filter
        // In two words; see ``StateObjectID``.
        let listener: StateObjectID
        let deliver: @Sendable (ServerChange) -> Void
    }

    private struct State {
        var subscribers: [UInt64: Subscriber] = [:]
        var byURI: [String: Set<UInt64>] = [:]
        var last: UInt64 = 0
    }

    private let state = Mutex(State())

    /// The subscribers there are now.
    var count: Int { self.state.withLock { $0.subscribers.count } }

    /// A number for a subscriber that is not there yet; never given again.
    func reserveNumber() -> UInt64 {
        self.state.withLock { state in
            state.last += 1
            return state.last
        }
    }

    /// Calls `deliver`, on any thread, for each change that the filter names, until ``unsubscribe(_:)``.
    /// - Parameters:
    ///   - number: From ``reserveNumber()``.
    ///   - listener: By which a foreign server tells those apart whom an update is for; see
    ///     ``Relay/listens(to:_:as:)``. A session's own id.
    func subscribe(
        _ number: UInt64, _ filter: Filter, as listener: UInt128, deliver: @escaping @Sendable (ServerChange) -> Void
    ) {
        self.state.withLock { state in
            state.subscribers[number] = Subscriber(
                filter: filter, listener: StateObjectID(bits: listener), deliver: deliver)
            for uri in filter.uris { state.byURI[uri, default: []].insert(number) }
        }
    }

    /// Changes what a subscriber wants to hear of.
    func update(_ number: UInt64, _ filter: Filter) {
        self.state.withLock { state in
            guard let old = state.subscribers[number]?.filter.uris else { return }
            for uri in old.subtracting(filter.uris) { state.byURI.remove(number, from: uri) }
            for uri in filter.uris.subtracting(old) { state.byURI[uri, default: []].insert(number) }
            state.subscribers[number]?.filter = filter
        }
    }

    func unsubscribe(_ number: UInt64) {
        self.state.withLock { state in
            guard let subscriber = state.subscribers.removeValue(forKey: number) else { return }
            for uri in subscriber.filter.uris { state.byURI.remove(number, from: uri) }
        }
    }

    /// Tells everybody who asked for it of a change.
    /// - Parameter listeners: Of those, these alone; `nil` for all.
    /// - Complexity: O(subscribers of the kind), or of the URI.
    func publish(_ change: ServerChange, to listeners: Set<StateObjectID>? = nil) {
        let deliveries = self.state.withLock { state -> [@Sendable (ServerChange) -> Void] in
            if case .resource(let uri) = change {
                return (state.byURI[uri] ?? []).compactMap { number in
                    state.subscribers[number].flatMap { listeners?.contains($0.listener) ?? true ? $0.deliver : nil }
                }
            }
            return state.subscribers.values.filter { $0.filter.kinds.contains(change.kind) }.map(\.deliver)
        }
        for deliver in deliveries { deliver(change) }
    }
}

extension [String: Set<UInt64>] {
    fileprivate mutating func remove(_ number: UInt64, from uri: String) {
        self[uri]?.remove(number)
        if self[uri]?.isEmpty == true { self[uri] = nil }
    }
}
