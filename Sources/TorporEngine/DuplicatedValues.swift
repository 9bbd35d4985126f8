package import TorporCore

/// Values that a sample of those in memory has several times.
package struct DuplicatedValues: Sendable, Equatable {
    /// The shortest value that is looked at, in bytes: to keep a shorter one once would cost more than it saves.
    package static let bytesMin = 64
    /// How many values are looked at.
    package static let valuesMax = 50_000

    /// One value, and how often it is there.
    package struct Value: Sendable, Equatable {
        /// Of the value without its key.
        package var bytes: Int
        package var count: Int
        /// Different objects that have it.
        package var objects: Int
        /// One of those, and the declared state there: what stands in front of the first `/` of its key, if that may be
        /// the name of a state.
        package var example: StateObjectID
        package var state: String?

        /// What is there more than once.
        package var wastedBytes: Int { (self.count - 1) * self.bytes }
    }

    package var values: [Value] = []
    /// How many values were looked at, and whether those are all that are long enough.
    package var sampledValues = 0
    package var isComplete = true
}

/// Values by their hashes, as they are looked at.
struct ValueSample {
    /// What is hashed of a value at most.
    private static let hashedMax = 64 << 10
    /// What is hashed before calls may go on.
    private static let pauseBytes = 256 << 10

    private struct Entry {
        var value: DuplicatedValues.Value
        var lastNumber: UInt32
    }

    private var entries: [UInt64: Entry] = [:]
    private var count = 0
    private var isComplete = true
    private var hashedBytes = 0

    /// Looks at the values of an object.
    mutating func add(_ number: UInt32, of records: borrowing ResidentRecords) -> InspectionStep {
        let head = records.head(number).pointee
        for index in 0..<Int(head.valueCount) {
            let entry = records.entry(number, at: index)
            let bytes = records.valueBytes(entry)
            guard bytes.count >= DuplicatedValues.bytesMin else { continue }
            guard self.count < DuplicatedValues.valuesMax else {
                self.isComplete = false
                return .stop
            }
            self.count += 1
            let hashed = UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.hashedMax))
            self.hashedBytes += hashed.count
            let hash = XXH64.hash(hashed.bytes, seed: UInt64(bytes.count))
            if self.entries[hash] != nil {
                self.entries[hash]!.value.count += 1  // It is there.
                if self.entries[hash]!.lastNumber != number { self.entries[hash]!.value.objects += 1 }
                self.entries[hash]!.lastNumber = number
            } else {
                let state = Self.state(of: records.keyBytes(entry))
                let value = DuplicatedValues.Value(
                    bytes: bytes.count, count: 1, objects: 1, example: head.id, state: state)
                self.entries[hash] = Entry(value: value, lastNumber: number)
            }
        }
        guard self.hashedBytes >= Self.pauseBytes else { return .next }
        self.hashedBytes = 0
        return .pause
    }

    func duplicates(_ limit: Int) -> DuplicatedValues {
        let found = self.entries.values.lazy.map(\.value).filter { $0.count > 1 }
        let sorted = found.sorted { ($0.wastedBytes, $1.example) > ($1.wastedBytes, $0.example) }
        return DuplicatedValues(
            values: Array(sorted.prefix(limit)), sampledValues: self.count, isComplete: self.isComplete)
    }

    /// What stands in front of the first `/`, if a state may be called that.
    private static func state(of key: UnsafeRawBufferPointer) -> String? {
        let name = key.prefix { $0 != UInt8(ascii: "/") }
        guard (1...32).contains(name.count),
            name.allSatisfy({ byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_")
            })
        else { return nil }
        return String(decoding: name, as: UTF8.self)
    }
}
