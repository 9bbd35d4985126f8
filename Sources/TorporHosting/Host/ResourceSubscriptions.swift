import TorporCore

/// Which resources the callers of each key are subscribed to, and who is.
struct ResourceSubscriptions {
    /// Subscriptions of all keys together.
    private static let countMax = 100_000
    /// Resources that the callers of one key are subscribed to.
    private static let urisMax = 1_000
    /// Resources that nobody is subscribed to any more, of all keys together. What is beyond is told for nothing.
    private static let releasedMax = 10_000

    /// A resource, as the callers of one key see it.
    struct Resource: Hashable, Sendable {
        let key: HostKey
        let uri: String
    }

    private var subscribers: [HostKey: [String: Set<StateObjectID>]] = [:]
    /// The same by those who are subscribed.
    private var resources: [StateObjectID: Set<Resource>] = [:]
    private var count = 0
    /// Resources that nobody is subscribed to any more, which their children have not been told.
    private var released: Set<Resource> = []

    /// The resources that somebody of a key is subscribed to, in order.
    func uris(of key: HostKey) -> [String] { self.subscribers[key]?.keys.sorted() ?? [] }

    /// Who of a key is subscribed to a resource.
    func subscribers(of uri: String, _ key: HostKey) -> Set<StateObjectID> { self.subscribers[key]?[uri] ?? [] }

    /// Whether one subscription more is within the limits.
    func hasRoom(for uri: String, of key: HostKey) -> Bool {
        let uris = self.subscribers[key] ?? [:]
        return self.count < Self.countMax && (uris[uri] != nil || uris.count < Self.urisMax)
    }

    /// Whether nobody else of the key is subscribed.
    func isLast(_ subscriber: StateObjectID, of uri: String, _ key: HostKey) -> Bool {
        guard let all = self.subscribers[key]?[uri] else { return true }
        return all.count == 1 && all.contains(subscriber)
    }

    /// - Returns: Whether it was not there before.
    @discardableResult
    mutating func add(_ subscriber: StateObjectID, to uri: String, of key: HostKey) -> Bool {
        let isNew = self.subscribers[key, default: [:]][uri, default: []].insert(subscriber).inserted
        guard isNew else { return false }
        self.resources[subscriber, default: []].insert(Resource(key: key, uri: uri))
        self.count += 1
        return true
    }

    mutating func remove(_ subscriber: StateObjectID, from uri: String, of key: HostKey) {
        guard self.subscribers[key]?[uri]?.remove(subscriber) != nil else { return }
        self.count -= 1
        self.resources[subscriber]?.remove(Resource(key: key, uri: uri))
        if self.resources[subscriber]?.isEmpty == true { self.resources[subscriber] = nil }
        if self.subscribers[key]?[uri]?.isEmpty == true { self.subscribers[key]?[uri] = nil }
        if self.subscribers[key]?.isEmpty == true { self.subscribers[key] = nil }
    }

    // MARK: Those who are no more

    /// Takes out a subscription of somebody who does not listen any more. What that leaves to nobody is released.
    mutating func release(_ subscriber: StateObjectID, from uri: String, of key: HostKey) {
        guard self.subscribers(of: uri, key).contains(subscriber) else { return }
        let isLast = self.isLast(subscriber, of: uri, key)
        self.remove(subscriber, from: uri, of: key)
        if isLast, self.released.count < Self.releasedMax { self.released.insert(Resource(key: key, uri: uri)) }
    }

    /// Takes out all subscriptions of somebody who is no more. What that leaves to nobody is released.
    mutating func release(_ subscriber: StateObjectID) {
        for resource in self.resources[subscriber] ?? [] {
            self.release(subscriber, from: resource.uri, of: resource.key)
        }
    }

    var hasReleased: Bool { !self.released.isEmpty }

    /// Takes out a released resource that still nobody is subscribed to.
    mutating func takeReleased() -> Resource? {
        while let resource = self.released.popFirst() {
            if self.subscribers(of: resource.uri, resource.key).isEmpty { return resource }
        }
        return nil
    }

    /// Forgets what was released of a key whose child cannot be told.
    mutating func forgetReleased(of key: HostKey) { self.released = self.released.filter { $0.key != key } }
}
