/// The names of one encoding, numbered in the order of their first use.
struct StateNames {
    private struct Entry {
        let text: String
        let isASCII: Bool
        /// The names that came behind this one lately, the last one first: values of one type give their names in one
        /// order, but for those they omit.
        var followers = (0, 0)
    }

    /// A name that is compared byte by byte.
    private struct ByteName: Hashable {
        let text: String

        static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

        func hash(into hasher: inout Hasher) {
            var text = self.text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// The most names that are searched one by one.
    private static var linearMax: Int { 32 }

    private var entries: [Entry] = []
    /// All names once there are more than `linearMax`, and empty before.
    private var indices: [ByteName: Int] = [:]
    private var last = 0
    /// What the table takes, without its count.
    private(set) var byteCount = 0

    var count: Int { self.entries.count }

    subscript(index: Int) -> String { self.entries[index].text }

    /// The number of a name; it gets one if it is new.
    mutating func index(of name: String) -> Int {
        guard self.last < self.entries.count else { return self.add(name) }
        let guesses = self.entries[self.last].followers
        let index: Int
        if self.matches(guesses.0, name) {
            index = guesses.0
        } else {
            index = self.matches(guesses.1, name) ? guesses.1 : self.find(name) ?? self.add(name)
            self.entries[self.last].followers = (index, guesses.0)
        }
        self.last = index
        return index
    }

    @inline(__always)
    private func matches(_ index: Int, _ name: String) -> Bool {
        let entry = self.entries[index]
        // Strings of Swift are equal when Unicode holds them for equivalent; names only when their bytes are the same.
        return entry.text == name && (entry.isASCII || entry.text.utf8.elementsEqual(name.utf8))
    }

    private func find(_ name: String) -> Int? {
        guard self.indices.isEmpty else { return self.indices[ByteName(text: name)] }
        return self.entries.indices.first { self.matches($0, name) }
    }

    private mutating func add(_ name: String) -> Int {
        let index = self.entries.count
        let length = name.utf8.count
        self.entries.append(Entry(text: name, isASCII: name.utf8.allSatisfy { $0 < 0x80 }))
        self.byteCount += ByteSink.size(ofVarint: length) + length
        if !self.indices.isEmpty {
            self.indices[ByteName(text: name)] = index
        } else if self.entries.count > Self.linearMax {
            for (index, entry) in self.entries.enumerated() { self.indices[ByteName(text: entry.text)] = index }
        }
        return index
    }

    /// Appends the table: the number of names, then each with its length before it.
    func write(to sink: ByteSink) {
        sink.varint(UInt64(self.entries.count))
        for entry in self.entries {
            var text = entry.text
            text.withUTF8 { name in
                sink.varint(UInt64(name.count))
                sink.append(name)
            }
        }
    }
}
