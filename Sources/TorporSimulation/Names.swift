import TorporCore
import TorporEngine

/// What objects are called: the sessions, principals' objects and handles of all accounts.
// Unchecked: used only on the thread that runs the simulation.
final class Names: @unchecked Sendable {
    private var sessions: [AccountID: [Int: StateObjectID]] = [:]
    private(set) var handles: [ObjectName] = []
    private var owners: [StateObjectID: AccountID] = [:]
    private var count: UInt64 = 0

    private func newID(for account: AccountID) -> StateObjectID {
        self.count += 1
        let id = StateObjectID(bits: UInt128(account.bits) << 64 | UInt128(self.count))
        self.owners[id] = account
        return id
    }

    /// What a step means now; `nil` when there is no such thing yet.
    func resolve(_ target: Target, for account: AccountID) -> ObjectName? {
        switch target {
        case .session(let number):
            let id = self.sessions[account]?[number] ?? self.newID(for: account)
            self.sessions[account, default: [:]][number] = id
            return ObjectName(id, .session, account: account)
        case .principal:
            guard case .principal(let bits) = account else { return self.resolve(.session(0), for: account) }
            let id = StateObjectID(bits: bits << 64)
            self.owners[id] = account
            return ObjectName(id, .principal, account: account)
        case .handle(let number): return self.handle(number, for: account) { $0.mayBeReached(by: account) }
        case .foreign(let number): return self.handle(number, for: account) { !$0.mayBeReached(by: account) }
        }
    }

    private func handle(_ number: Int, for account: AccountID, where isWanted: (ObjectName) -> Bool) -> ObjectName? {
        let wanted = self.handles.suffix(24).filter(isWanted)
        guard !wanted.isEmpty else { return nil }
        var name = wanted[number % wanted.count]
        name.account = account
        return name
    }

    func makeHandle(for account: AccountID) -> ObjectName {
        let id = self.newID(for: account)
        return ObjectName(id, .handle, name: self.count % 2 == 0 ? "basket" : "cart", account: account)
    }

    /// A handle is known from now on, though its object may not be durable yet.
    func publish(_ handle: ObjectName) { self.handles.append(handle) }

    /// A session was ended: its client begins another, sooner or later.
    func renewSession(_ id: StateObjectID) {
        guard id.bits % 3 != 0, let account = self.owners[id] else { return }
        self.sessions[account] = self.sessions[account]?.filter { $0.value != id }
    }

    /// The object as its owner calls it.
    func owner(of name: ObjectName) -> ObjectName {
        var owned = name
        owned.account = self.owners[name.id] ?? name.account
        return owned
    }

    func isForeign(_ name: ObjectName) -> Bool { !self.owner(of: name).mayBeReached(by: name.account) }
}

extension ObjectName {
    fileprivate func mayBeReached(by account: AccountID) -> Bool {
        self.account == account || self.account.isAnonymous && account.isAnonymous
    }
}
