extension ResidentArena {
    /// Whether pages could be won by moving small values together.
    ///
    /// `false` means that of each segment but the one being filled, at least half is alive.
    package var isFragmented: Bool { self.segments.hasSparse }

    /// Moves small values out of the segments of which less than half is alive, emptiest first.
    ///
    /// Stops in the middle of a segment and goes on there the next time.
    /// - Parameters:
    ///   - bytesMax: How much to do: the bytes moved, and 8 for each value, freed or not, that is looked at. The last
    ///     value may exceed it.
    ///   - moved: Told of each value that moved, with its owner, its tag, where it was and where it is. The old place
    ///     means nothing any more.
    /// - Returns: How much was done, counted the same way; less than asked for when nothing is left to do, or no
    ///   address space to move to.
    package mutating func compact(
        atMost bytesMax: Int, moved: (_ owner: Owner, _ tag: UInt16, _ from: Place, _ to: Place) -> Void
    ) -> Int {
        var done = 0
        while done < bytesMax, let (segment, position) = self.segments.drainNext() {
            precondition(position < self.segments.usedBytes(of: segment), "what is alive was found and moved")
            let from = Place(offset: Int(segment) * SegmentTable.segmentSize + position)
            let header = SlotHeader(at: self.base + from.offset)
            let size = Self.footprint(of: header.count)
            done += Self.headerSize
            if header.owner != SlotHeader.nobody {
                guard let offset = self.segments.allocate(size) else { break }
                (self.base + offset).copyMemory(from: self.base + from.offset, byteCount: size)
                self.free(from)
                done += size
                moved(header.owner, header.tag, from, Place(offset: offset))
            }
            // Once its last value has gone, it is no longer being emptied.
            if self.segments.draining?.segment == segment { self.segments.drained(to: position + size) }
        }
        return done
    }
}
