extension Dictionary {
    /// Takes a smaller table when little is left of what it has held; a dictionary never does so by itself.
    ///
    /// To be called after removals. Costs nothing while at least an eighth of the table is in use. Taking a smaller one
    /// is O(`count`), and cheaper than the growth was that made the table so large.
    @inlinable
    package mutating func shrinkIfSparse() {
        // Small tables are not worth it.
        guard self.capacity > 4_096, self.count < self.capacity / 8 else { return }
        var smaller = Dictionary(minimumCapacity: self.count * 2)
        for (key, value) in self { smaller[key] = value }
        self = smaller
    }
}
