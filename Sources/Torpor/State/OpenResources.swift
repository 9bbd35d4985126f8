import Synchronization
import TorporCore
import TorporEngine

/// The resources that live beside state objects in memory: one of each name beside an object, closed when it leaves.
final class OpenResources: Sendable {
    fileprivate enum Life {
        case open(Task<any Sendable, any Error>)
        case closing(Task<Void, Never>)
    }
    fileprivate struct Entry {
        let number: UInt64
        let close: @Sendable (any Sendable) async -> Void
        var life: Life
    }
    fileprivate struct State {
        var entries: [StateObjectID: [String: Entry]] = [:]
        var lastNumber: UInt64 = 0
        var isStopping = false
    }

    private let departures: Departures
    private let state = Mutex(State())

    init(_ departures: Departures) { self.departures = departures }

    /// Those that are open, or about to be opened or closed.
    var count: Int { self.state.withLock { $0.entries.values.reduce(0) { $0 + $1.count } } }

    /// The one that lives beside an object, opened by `opening` if there is none.
    /// - Parameter use: That of the call, in which the object stays in memory. It does not end before this returns.
    func value(
        of resource: StateResourceDeclaration, beside name: ObjectName, for use: StateUse,
        opening: @escaping @Sendable () async throws -> any Sendable
    ) async throws -> any Sendable {
        while true {
            try Task.checkCancellation()
            try await use.open(name)
            // The object is in use now. What has left before is closed before another is opened.
            self.closeDeparted()
            switch try self.life(of: resource, beside: name, for: use, opening) {
            case .closing(let closing): await closing.value
            case .open(let opening): return try await opening.value
            }
        }
    }

    private func life(
        of resource: StateResourceDeclaration, beside name: ObjectName, for use: StateUse,
        _ opening: @escaping @Sendable () async throws -> any Sendable
    ) throws -> Life {
        try self.state.withLock { state in
            guard !state.isStopping else { throw EngineError.stopping }
            if let entry = state.entries[name.id]?[resource.name] { return entry.life }
            state.lastNumber += 1
            let number = state.lastNumber
            // Not part of the call, whose cancellation is not that of the others; the call waits for it.
            let life = Life.open(
                Task {
                    do {
                        try await use.hold(resource.cost.bytes, for: resource.name, beside: name)
                        return try await opening()
                    } catch {
                        // In this order: whoever opens the next reserves memory for it anew.
                        use.letGo(of: resource.name, beside: name)
                        self.remove(number, resource.name, name.id)
                        throw error
                    }
                })
            state.entries[name.id, default: [:]][resource.name] = Entry(
                number: number, close: resource.close, life: life)
            return life
        }
    }

    /// Forgets one that did not come to be, unless it is being closed: that ends by itself.
    private func remove(_ number: UInt64, _ name: String, _ id: StateObjectID) {
        self.state.withLock { state in
            guard let entry = state.entries[id]?[name], entry.number == number, case .open = entry.life else { return }
            state.remove(name, id)
        }
    }

    // MARK: Closing

    /// Closes what lived beside objects that leave memory, until ``stop()``; returns when all is closed.
    func run() async {
        while true {
            self.closeDeparted()
            if self.state.withLock({ $0.isStopping }) { break }
            await self.departures.wait()
        }
        // Also beside objects that could not leave, since their changes could not be stored.
        self.close(besideAll: self.state.withLock { Array($0.entries.keys) })
        while let closing = self.state.withLock({ $0.anyClosing }) { await closing.value }
    }

    /// No object is used any more.
    func stop() {
        self.state.withLock { $0.isStopping = true }
        self.departures.wake()
    }

    private func closeDeparted() { self.close(besideAll: self.departures.take()) }

    private func close(besideAll ids: [StateObjectID]) {
        guard !ids.isEmpty else { return }
        self.state.withLock { state in
            for id in ids {
                for (name, var entry) in state.entries[id] ?? [:] {
                    guard case .open(let opening) = entry.life else { continue }
                    // Awaited by ``run()``, and by who wants to open the next.
                    entry.life = .closing(Task { [entry] in await self.close(entry, opening, name, id) })
                    state.entries[id]![name] = entry  // It is one of them.
                }
            }
        }
    }

    private func close(
        _ entry: Entry, _ opening: Task<any Sendable, any Error>, _ name: String, _ id: StateObjectID
    ) async {
        if case .success(let value) = await opening.result { await entry.close(value) }
        self.state.withLock { $0.remove(name, id) }
    }
}

extension OpenResources.State {
    fileprivate var anyClosing: Task<Void, Never>? {
        for entries in self.entries.values {
            for case .closing(let closing) in entries.values.map(\.life) { return closing }
        }
        return nil
    }

    fileprivate mutating func remove(_ name: String, _ id: StateObjectID) {
        self.entries[id]?[name] = nil
        if self.entries[id]?.isEmpty == true { self.entries[id] = nil }
    }
}
