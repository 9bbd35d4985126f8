import Glibc

/// Pages that hold nothing any more, taken out of a ``ResidentArena`` to be given back to the system.
package struct ReleasablePages: Sendable {
    struct Extent: Sendable {
        var address: UInt
        var count: Int
    }

    /// One for each segment or run, by its first byte.
    var extents: [Extent] = []

    package var isEmpty: Bool { self.extents.isEmpty }

    /// Gives the pages back to the system. Meant for outside of the lock: about 3 µs for each stretch of neighbours.
    ///
    /// - Precondition: The arena lives.
    package func giveBack() {
        for extent in Self.joined(self.extents) {
            let result = madvise(UnsafeMutableRawPointer(bitPattern: extent.address), extent.count, MADV_DONTNEED)
            precondition(result == 0, "anonymous pages that are not locked can be given back")
        }
    }

    /// The extents in order, neighbours made one.
    static func joined(_ extents: [Extent]) -> [Extent] {
        var joined: [Extent] = []
        for extent in extents.sorted(by: { $0.address < $1.address }) {
            if let last = joined.last, last.address + UInt(last.count) == extent.address {
                joined[joined.count - 1].count += extent.count
            } else {
                joined.append(extent)
            }
        }
        return joined
    }
}

extension ResidentArena {
    /// Takes pages that hold nothing out of use, so that they can be given back outside of the lock.
    ///
    /// The owner calls ``ReleasablePages/giveBack()`` without the lock, then ``finishRelease(_:)`` under it. Until it
    /// does, the pages count as committed and nobody uses them. Pages that were not taken serve the next values, which
    /// costs less than getting them anew: taking them all after each free is a waste.
    /// - Parameter bytesMax: Stops once that many bytes of pages were taken.
    /// - Complexity: O(segments and runs taken).
    package mutating func takeReleasable(atMost bytesMax: Int = .max) -> ReleasablePages {
        var pages = ReleasablePages()
        let target = max(0, self.releasableBytes - max(0, bytesMax))
        while self.releasableBytes > target {
            if let segment = self.segments.release() {
                let start = self.base + Int(segment) * SegmentTable.segmentSize
                pages.extents.append(.init(address: UInt(bitPattern: start), count: SegmentTable.segmentSize))
            } else if let run = self.runs.release() {
                let start = self.base + self.runsOffset + Int(run) * self.runs.unitSize
                pages.extents.append(.init(address: UInt(bitPattern: start), count: self.runs.span(of: run)))
            }
        }
        return pages
    }

    /// Says that pages taken by ``takeReleasable(atMost:)`` were given back. Their address space is used again.
    package mutating func finishRelease(_ pages: ReleasablePages) {
        for extent in pages.extents {
            let offset = Int(extent.address - UInt(bitPattern: self.base))
            if offset < self.runsOffset {
                self.segments.released(UInt32(offset / SegmentTable.segmentSize))
            } else {
                self.runs.released(UInt32((offset - self.runsOffset) / self.runs.unitSize))
            }
        }
    }
}
