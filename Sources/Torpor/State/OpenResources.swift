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
    /// - Parameter use: That of the call, in which the object stays in memory.
    func value(
        of resource: StateResourceDeclaration, beside name: ObjectName, for use: StateUse,
        opening: @escaping @Sendable () async throws -> any Sendable
    ) async throws -> any Sendable {
        while true {
            try Task.checkCancellation()
            try await use.hold(resource.cost.bytes, for: resource.name, beside: name)
            // The object is in use now. What has left before is closed before another is opened.
            self.closeDeparted()
            let entry = self.entry(of: resource, name.id, opening)
            switch entry.life {
            case .closing(let closing): await closing.value
            case .open(let opening):
                do {
                    return try await opening.value
                } catch {
                    if self.remove(entry.number, resource.name, name.id) { use.letGo(of: resource.name, beside: name) }
                    throw error
                }
            }
        }
    }

    private func entry(
        of resource: StateResourceDeclaration, _ id: StateObjectID,
        _ opening: @escaping @Sendable () async throws -> any Sendable
    ) -> Entry {
        self.state.withLock { state in
            if let entry = state.entries[id]?[resource.name] { return entry }
            state.lastNumber += 1
            // Not part of the call, whose cancellation is not that of the others; the call waits for it.
            let entry = Entry(
                number: state.lastNumber, close: resource.close, life: .open(Task { try await opening() }))
            state.entries[id, default: [:]][resource.name] = entry
            return entry
        }
    }

    /// - Returns: Whether it was still there, and not being closed.
    private func remove(_ number: UInt64, _ name: String, _ id: StateObjectID) -> Bool {
        self.state.withLock { state in
            guard let entry = state.entries[id]?[name], entry.number == number, case .open = entry.life else {
                return false
            }
            state.remove(name, id)
            return true
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
        while let closing = self.state.withLock({ $0.anyClosing }) { await closing.value }
    }

    /// No object is in memory any more.
    func stop() {
        self.state.withLock { $0.isStopping = true }
        self.departures.wake()
    }

    private func closeDeparted() {
        for id in self.departures.take() {
            self.state.withLock { state in
                for (name, var entry) in state.entries[id] ?? [:] {
                    guard case .open(let opening) = entry.life else { continue }
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
