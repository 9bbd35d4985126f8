/// A line in which callers take turns. Holds no clock and no limit.
///
/// Callers that have something waiting stand in a ring, and each turn takes one item of one caller, the oldest. So
/// whoever has one item waiting waits for no more than one of each other caller, however many those have brought.
///
/// Nothing is kept of a caller that has nothing waiting; an empty line allocates nothing. Every method is O(1),
/// amortised, but for what it says.
struct FairLine<Caller: Hashable, Item> {
    /// Names a waiting item. Never used again in the same line.
    struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    fileprivate struct Place {
        let caller: Caller
        let item: Item
    }

    fileprivate struct Turn {
        let number: UInt64
        let caller: Caller
    }

    fileprivate struct CallerState: Sendable {
        /// Names its turn in the ring, of which it has one.
        let turn: UInt64
        /// Items that wait.
        var waiting = 0
        /// The tickets of those, oldest first, among others that wait no more.
        var tickets = WaitingLine<UInt64>()
    }

    private var nextNumber: UInt64 = 0
    private var places: [UInt64: Place] = [:]
    private var callers: [Caller: CallerState] = [:]
    /// The callers in the order of their turns, among turns of those that have nothing waiting any more.
    private var ring = WaitingLine<Turn>()

    /// Items that wait.
    var count: Int { self.places.count }
    var isEmpty: Bool { self.places.isEmpty }
    /// What waits for longest.
    /// - Complexity: O(``count``).
    var oldest: Item? { self.places.min { $0.key < $1.key }?.value.item }
    /// Places taken in tables, for checks that they shrink.
    var tableCount: Int { self.places.count + self.callers.count + self.ring.count }

    /// Something of a caller waits from now on.
    mutating func append(_ item: Item, of caller: Caller) -> Ticket {
        let ticket = self.newNumber()
        self.places[ticket] = Place(caller: caller, item: item)
        if self.callers[caller] == nil {
            let turn = self.newNumber()
            self.callers[caller] = CallerState(turn: turn)
            self.ring.append(Turn(number: turn, caller: caller))
        }
        self.callers[caller]?.waiting += 1
        self.callers[caller]?.tickets.append(ticket)
        return Ticket(number: ticket)
    }

    /// Something waits no more.
    /// - Returns: `nil` when it had left the line before.
    mutating func remove(_ ticket: Ticket) -> Item? {
        guard let place = self.places.removeValue(forKey: ticket.number) else { return nil }
        self.settle(place.caller)
        self.tidy()
        return place.item
    }

    /// Takes out what is next; its caller's next turn comes after those of all others.
    /// - Parameter isEligible: Whether it may be a caller's turn. Who is passed over stands behind the others then.
    /// - Complexity: O(callers passed over).
    mutating func popNext(where isEligible: (Caller) -> Bool = { _ in true }) -> Item? {
        for _ in 0..<self.ring.count {
            guard let turn = self.ring.popFirst() else { return nil }
            guard self.callers[turn.caller]?.turn == turn.number else { continue }
            self.ring.append(turn)
            guard isEligible(turn.caller) else { continue }
            while let ticket = self.callers[turn.caller]?.tickets.popFirst() {
                guard let place = self.places.removeValue(forKey: ticket) else { continue }
                self.settle(turn.caller)
                self.tidy()
                return place.item
            }
            preconditionFailure("who stands in the ring has something waiting")
        }
        return nil
    }

    /// Takes out all that waits, in no order.
    mutating func removeAll() -> [Item] {
        defer { self = FairLine() }
        return self.places.values.map(\.item)
    }

    /// Tells of each caller how many of its items wait, in the order of their turns.
    /// - Complexity: O(callers).
    func forEachCaller(_ body: (Caller, Int) -> Void) {
        self.ring.forEach { turn in
            guard let state = self.callers[turn.caller], state.turn == turn.number else { return }
            body(turn.caller, state.waiting)
        }
    }

    private mutating func newNumber() -> UInt64 {
        self.nextNumber += 1
        return self.nextNumber
    }

    /// One item fewer of a caller waits.
    private mutating func settle(_ caller: Caller) {
        guard let index = self.callers.index(forKey: caller) else { preconditionFailure("who waits is known") }
        self.callers.values[index].waiting -= 1
        if self.callers.values[index].waiting == 0 {
            self.callers.remove(at: index)
        } else {
            let places = self.places
            let waiting = self.callers.values[index].waiting
            self.callers.values[index].tickets.tidy(meaningful: waiting) { places[$0] != nil }
        }
    }

    private mutating func tidy() {
        let callers = self.callers
        self.ring.tidy(meaningful: callers.count) { callers[$0.caller]?.turn == $0.number }
    }
}

extension FairLine: Sendable where Caller: Sendable, Item: Sendable {}
extension FairLine.Place: Sendable where Caller: Sendable, Item: Sendable {}
extension FairLine.Turn: Sendable where Caller: Sendable {}
