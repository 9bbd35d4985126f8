import DequeModule

/// A line whose elements may lose their meaning while they stand in it. Those are skipped at the front, and swept out
/// when there are more of them than others. Takes a smaller table when little is left of what it has held.
///
/// All methods are O(1), amortised.
struct WaitingLine<Element> {
    private var elements: Deque<Element> = []
    /// The most that it held since it last took a new table.
    private var most = 0

    var count: Int { self.elements.count }
    var first: Element? { self.elements.first }

    mutating func append(_ element: Element) {
        self.elements.append(element)
        self.most = max(self.most, self.elements.count)
    }

    mutating func popFirst() -> Element? { self.elements.popFirst() }

    /// Tells of each element, from the front.
    func forEach(_ body: (Element) -> Void) { for element in self.elements { body(element) } }

    /// Sweeps and shrinks if it is time to. To be called after removals.
    /// - Parameter meaningful: How many of the elements have a meaning.
    mutating func tidy(meaningful: Int, isMeaningful: (Element) -> Bool) {
        let isSparse = self.most > 1_024 && self.elements.count < self.most / 8
        guard isSparse || self.elements.count > 2 * meaningful + 16 else { return }
        var kept = Deque<Element>(minimumCapacity: 2 * meaningful)
        for element in self.elements where isMeaningful(element) { kept.append(element) }
        self.elements = kept
        self.most = kept.count
    }
}

extension WaitingLine: Sendable where Element: Sendable {}
