import TorporCore

/// Which resources the callers of each key are subscribed to, and who is.
struct ResourceSubscriptions {
    /// Subscriptions of all keys together.
    private static let countMax = 100_000
    /// Resources that the callers of one key are subscribed to.
    private static let urisMax = 1_000

    private var subscribers: [HostKey: [String: Set<StateObjectID>]] = [:]
    private var count = 0

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
        (self.subscribers[key]?[uri] ?? []).subtracting([subscriber]).isEmpty
    }

    /// - Returns: Whether it was not there before.
    @discardableResult
    mutating func add(_ subscriber: StateObjectID, to uri: String, of key: HostKey) -> Bool {
        let isNew = self.subscribers[key, default: [:]][uri, default: []].insert(subscriber).inserted
        if isNew { self.count += 1 }
        return isNew
    }

    mutating func remove(_ subscriber: StateObjectID, from uri: String, of key: HostKey) {
        guard self.subscribers[key]?[uri]?.remove(subscriber) != nil else { return }
        self.count -= 1
        if self.subscribers[key]?[uri]?.isEmpty == true { self.subscribers[key]?[uri] = nil }
        if self.subscribers[key]?.isEmpty == true { self.subscribers[key] = nil }
    }

    /// Takes out all subscriptions of somebody who is no more. O(resources subscribed to).
    mutating func remove(_ subscriber: StateObjectID) {
        for (key, uris) in self.subscribers {
            for (uri, subscribers) in uris where subscribers.contains(subscriber) {
                self.remove(subscriber, from: uri, of: key)
            }
        }
    }
}
