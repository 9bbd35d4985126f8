import TorporCore

/// Live things beside objects: of them the engine knows what they take, and that they end when the object leaves memory.
extension EngineState {
    /// Reserves memory for a live thing beside an object that is in use. Nothing changes when it has been reserved before.
    /// - Returns: `false` when the object is not in memory.
    mutating func hold(_ bytes: Int, for name: String, beside number: UInt32) throws(EngineError) -> Bool {
        guard self.seen(number) != nil else { return false }
        guard self.live[number]?[name] == nil else { return true }
        try self.reserve(bytes, for: self.records.head(number).pointee.account, objectBytes: 0)
        self.live[number, default: [:]][name] = bytes
        return true
    }

    /// Gives back what was reserved for a live thing that did not come to be.
    mutating func letGo(of name: String, beside number: UInt32) {
        guard let bytes = self.live[number]?.removeValue(forKey: name) else { return }
        if self.live[number]?.isEmpty == true { self.live[number] = nil }
        self.unreserve(bytes, of: self.records.head(number).pointee.account)
    }

    /// An object leaves memory; what lives beside it is to be closed.
    mutating func endLife(beside number: UInt32, _ id: StateObjectID, of account: AccountID) {
        guard let held = self.live.removeValue(forKey: number) else { return }
        self.unreserve(held.values.reduce(0, +), of: account)
        self.noteDeparture(id)
    }
}
