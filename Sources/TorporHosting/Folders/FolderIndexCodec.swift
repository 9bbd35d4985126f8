import TorporCore
import TorporEncoding

/// Writes an index as values of a state object, and reads it; `docs/formats/state-folder.md` has the form.
///
/// Entries lie in buckets by a hash of their paths, some sixty in each, so that the change of a file costs a bucket.
enum FolderIndexCodec {
    /// Of what is written. A reader leaves alone what is newer.
    private static let version: UInt16 = 1
    /// Entries that a bucket has on average, at most.
    private static let bucketEntries = 64
    static let headKey = Array("head".utf8)
    static let bucketPrefix = Array("entries/".utf8)

    /// The first value.
    private struct Head: Codable {
        var generation: UInt64
        var run: UInt64
        var nextPage: UInt64
        var pages: [FolderIndex.Page]
        var dropped: [UInt64]
        /// How many buckets there are: a power of two.
        var buckets: Int
        /// How many entries there are in all.
        var entries: Int
    }

    typealias Values = [[UInt8]: [UInt8]]

    // MARK: Writing

    /// The values that change when `index` takes the place of `former`; `nil` for those that go.
    static func changes(from former: FolderIndex?, to index: FolderIndex) -> [[UInt8]: [UInt8]?] {
        let (before, after) = (self.bucketCount(former?.entries.count ?? 0), self.bucketCount(index.entries.count))
        var changes: [[UInt8]: [UInt8]?] = [:]
        changes[self.headKey] = self.encode(
            Head(
                generation: index.generation, run: index.run, nextPage: index.nextPage, pages: index.pages,
                dropped: index.dropped, buckets: after, entries: index.entries.count))
        let old = before == after ? self.buckets(former?.entries ?? [], count: after) : [:]
        let new = self.buckets(index.entries, count: after)
        for bucket in 0..<max(before, after) where before != after || old[bucket] != new[bucket] {
            // An empty one has no value.
            changes.updateValue(new[bucket].map { self.encode($0) }, forKey: self.key(of: bucket))
        }
        return changes
    }

    /// How many buckets so many entries have.
    private static func bucketCount(_ entryCount: Int) -> Int {
        var count = 1
        while count * self.bucketEntries < entryCount { count *= 2 }
        return count
    }

    private static func buckets(_ entries: [FolderIndex.Entry], count: Int) -> [Int: [FolderIndex.Entry]] {
        Dictionary(grouping: entries) { self.bucket(of: $0.path, count: count) }
    }

    private static func bucket(of path: FolderPath, count: Int) -> Int {
        Int(truncatingIfNeeded: XXH64.hash(path.bytes.span.bytes)) & (count - 1)
    }

    private static func key(of bucket: Int) -> [UInt8] {
        self.bucketPrefix + [UInt8(truncatingIfNeeded: bucket >> 8), UInt8(truncatingIfNeeded: bucket)]
    }

    private static func encode(_ value: some Encodable) -> [UInt8] {
        do {
            return [UInt8(self.version >> 8), UInt8(self.version & 0xFF)] + (try StateEncoder.encode(value))
        } catch {
            preconditionFailure("numbers and bytes can be encoded: \(error)")
        }
    }

    // MARK: Reading

    /// - Returns: `nil` when there is no value at all.
    /// - Throws: ``FolderError/Code/damaged``, ``FolderError/Code/newerFormat``.
    static func index(of values: Values) throws(FolderError) -> FolderIndex? {
        guard !values.isEmpty else { return nil }
        guard let bytes = values[self.headKey] else { throw self.damaged("its head is missing") }
        let head = try self.decode(Head.self, bytes)
        guard head.buckets == self.bucketCount(head.entries) else { throw self.damaged("its head contradicts itself") }
        var index = FolderIndex(
            generation: head.generation, run: head.run, nextPage: head.nextPage, pages: head.pages,
            dropped: head.dropped)
        index.entries.reserveCapacity(head.entries)
        for bucket in 0..<head.buckets {
            guard let bytes = values[self.key(of: bucket)] else { continue }
            index.entries += try self.decode([FolderIndex.Entry].self, bytes)
        }
        guard index.entries.count == head.entries else { throw self.damaged("entries are missing") }
        index.entries.sort { $0.path < $1.path }
        try self.check(index)
        return index
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws(FolderError) -> Value {
        guard bytes.count > 2 else { throw self.damaged("a value is too short") }
        guard UInt16(bytes[0]) << 8 | UInt16(bytes[1]) <= self.version else { throw self.newer }
        do {
            return try StateDecoder.decode(type, from: bytes, in: 2..<bytes.count)
        } catch let error as StateEncodingError where error.code == .newerFormat {
            throw self.newer
        } catch {
            throw self.damaged("a value cannot be decoded")
        }
    }

    /// What was imported by hand may be anything: nothing of it must lead out of the folder, or two ways to one file.
    private static func check(_ index: FolderIndex) throws(FolderError) {
        let pages = Set(index.pages.map(\.number))
        guard pages.count == index.pages.count, pages.isDisjoint(with: index.dropped),
            pages.union(index.dropped).allSatisfy({ $0 < index.nextPage }), index.pages.allSatisfy({ $0.bytes >= 0 })
        else { throw self.damaged("its pages contradict each other") }
        var folders: Set<FolderPath> = [.root]
        var last = FolderPath.root
        for entry in index.entries {
            guard entry.path.isSound, entry.path > last, folders.contains(entry.path.parent), entry.mode <= 0o777,
                entry.modified.nanoseconds < 1_000_000_000
            else { throw self.damaged("the entry \(entry.path) is not sound") }
            last = entry.path
            if entry.isFolder { folders.insert(entry.path) }
            var size = 0
            for part in entry.parts ?? [] {
                let (sum, overflows) = size.addingReportingOverflow(part.length)
                guard pages.contains(part.page), part.length > 0, !overflows else {
                    throw self.damaged("the parts of \(entry.path) are not sound")
                }
                size = sum
            }
        }
    }

    private static func damaged(_ what: String) -> FolderError {
        FolderError(.damaged, "The index of the stored folder is damaged: \(what). It is left as it is.")
    }

    private static let newer = FolderError(
        .newerFormat, "The folder was stored by a newer version of this program. It is left as it is.")
}
