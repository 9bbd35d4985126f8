import TorporCore
import TorporStore
import TorporTestSupport

extension StoreConformance {
    static let values = [
        StoreConformanceCase("keys are any bytes, and values are read in the order of their keys' bytes") { trial in
            let keys: [[UInt8]] = [
                [0], [0, 0], [0, 0xFF], [0x41], [0x41, 0], [0x41, 0x42], [0x61], [0x7F], [0x80], [0xC3, 0x28], [0xFF],
                [0xFF, 0], [0xFF, 0xFF], [UInt8](repeating: 0xFF, count: StoreLimits.keyMax),
            ]
            var random = SeededGenerator(seed: 1)
            let draft = try await trial.draft(1, values: keys.shuffled(using: &random).map { ($0, $0) })
            try await trial.commit(draft)
            try await trial.expectValues(keys.map { ($0, $0) }, of: 1)
            // One that differs in its last byte is another key.
            try await trial.commit(draft.next([([0, 0], nil), ([0x41, 0x42], [1])]))
            let rest = keys.filter { $0 != [0, 0] }.map { (key: $0, stored: $0 == [0x41, 0x42] ? [1] : $0) }
            try await trial.expectValues(rest, of: 1)
        },
        StoreConformanceCase("a stored form may be empty, which is not the same as removed") { trial in
            let draft = try await trial.draft(1, values: [([1], []), ([2], [2])])
            try await trial.commit(draft)
            try await trial.expectValues([([1], []), ([2], [2])], of: 1)
            try await trial.commit(draft.next([([2], []), ([1], [1])]))
            try await trial.expectValues([([1], [1]), ([2], [])], of: 1)
        },
        StoreConformanceCase("a value of 8 MiB is stored, replaced and removed") { trial in
            var random = SeededGenerator(seed: 2)
            let first = random.bytes(8 << 20)
            let second = random.bytes((8 << 20) - 1)
            let draft = try await trial.draft(1, values: [([1], first), ([2], [2])])
            try await trial.commit(draft)
            try await trial.expectValues([([1], first), ([2], [2])], of: 1)
            let replaced = draft.next([([1], second)])
            try await trial.commit(replaced)
            try await trial.expectValues([([1], second), ([2], [2])], of: 1)
            try await trial.commit(replaced.next([([1], nil)]))
            try await trial.expectValues([([2], [2])], of: 1)
            try await expectEqual(trial.store.usage().storedBytes, 1, "what the stored forms take")
        },
        StoreConformanceCase("an object may have 10,000 values") { trial in
            let values = (0..<10_000).map { number in
                (key: [UInt8(number >> 8), UInt8(number & 0xFF)], stored: [UInt8](repeating: 1, count: number % 50))
            }
            let draft = try await trial.draft(1, values: values.reversed().map { ($0.key, $0.stored) })
            try await trial.commit(draft)
            try await trial.expectValues(values, of: 1)
            var expected = values
            expected[5_000].stored = [9]
            try await trial.commit(draft.next([(values[5_000].key, [9])]))
            try await trial.expectValues(expected, of: 1)
            try await trial.commit(draft.next([]).next(nil))
            try await trial.expectMissing(1)
        },
        StoreConformanceCase("objects do not share values") { trial in
            let first = try await trial.draft(1, values: [([1], [1])])
            let second = try await trial.draft(2, values: [([1], [2])])
            try await trial.commit(first, second)
            try await trial.commit(first.next([([1], nil)]))
            try await trial.expectValues([], of: 1)
            try await trial.expectValues([([1], [2])], of: 2)
            try await trial.commit(second.next(nil))
            try await trial.expectValues([], of: 1)
        },
    ]
}
