import Testing
import TorporCore

/// What a stream holds, for whom, and for how long.
@Suite struct StreamBufferTests {
    private static let overhead = 64

    private func message(_ count: Int, _ byte: UInt8 = 0x78) -> [UInt8] { [UInt8](repeating: byte, count: count) }

    /// The numbers of the messages that a reader is given now.
    private func taken(_ buffer: inout StreamBuffer, _ reader: UInt32) -> [UInt32] {
        var numbers: [UInt32] = []
        while case .message(let entry) = buffer.next(reader) { numbers.append(entry.sequence) }
        return numbers
    }

    // MARK: Without replay

    @Test func messagesAreTakenInTheirOrderAndGivenBack() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 1_000))
        expectEqual(buffer.append(self.message(10)), .stored)
        expectEqual(buffer.append(self.message(20)), .stored)
        #expect(buffer.bytes == 30 + 2 * Self.overhead)
        let reader = buffer.attach(after: nil) ?? 0
        expectEqual(self.taken(&buffer, reader), [1, 2])
        expectEqual(buffer.next(reader), .nothing)
        #expect(buffer.bytes == 0)
        expectEqual(buffer.end(with: self.message(5)), true)
        expectEqual(buffer.end(with: self.message(6)), false)
        expectEqual(self.taken(&buffer, reader), [3])
        expectEqual(buffer.next(reader), .ended)
        #expect(buffer.isDrained)
        expectEqual(buffer.append(self.message(1)), .closed)
    }

    @Test func aSlowReaderStopsTheWriter() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 300))
        expectEqual(buffer.append(self.message(100)), .stored)
        expectEqual(buffer.append(self.message(100)), .full)
        expectEqual(buffer.append(self.message(72)), .stored)
        #expect(buffer.bytes == 300)
        let reader = buffer.attach(after: nil) ?? 0
        _ = buffer.next(reader)
        expectEqual(buffer.append(self.message(100)), .stored)
    }

    @Test func oneMessageLargerThanTheQueueWaitsAlone() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 100))
        expectEqual(buffer.append(self.message(5_000)), .stored)
        expectEqual(buffer.append(self.message(1)), .full)
        // The last word is taken whatever waits.
        expectEqual(buffer.end(with: self.message(10)), true)
    }

    @Test func aChangeThatWaitsIsNotToldTwice() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 100))
        let tools = ChangeKey(subscriber: 1, name: "tools")
        expectEqual(buffer.append(self.message(50), key: tools), .stored)
        expectEqual(buffer.append(self.message(50), key: tools), .merged)
        // Another subscriber's is another; changes are told even where the queue is full.
        expectEqual(buffer.append(self.message(50), key: ChangeKey(subscriber: 2, name: "tools")), .stored)
        let reader = buffer.attach(after: nil) ?? 0
        _ = buffer.next(reader)
        expectEqual(buffer.append(self.message(50), key: tools), .stored)
    }

    @Test func whatNobodyReadsAnyMoreIsDropped() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 1_000))
        let reader = buffer.attach(after: nil) ?? 0
        expectEqual(buffer.append(self.message(100)), .stored)
        buffer.detach(reader)
        #expect(buffer.bytes == 0 && buffer.isClosed)
        expectEqual(buffer.append(self.message(1)), .closed)
        expectEqual(buffer.release(retryMilliseconds: 1), false)
    }

    // MARK: With replay

    @Test func aReaderThatComesBackGoesOnWhereItWas() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 1_000, replayBytesMax: 10_000))
        let first = buffer.attach(after: nil) ?? 0
        for _ in 0..<3 { expectEqual(buffer.append(self.message(10)), .stored) }
        expectEqual(self.taken(&buffer, first), [1, 2, 3])
        buffer.detach(first)
        expectEqual(buffer.append(self.message(10)), .stored)
        let second = buffer.attach(after: 2) ?? 0
        expectEqual(self.taken(&buffer, second), [3, 4])
        let third = buffer.attach(after: 0) ?? 0
        expectEqual(self.taken(&buffer, third), [1, 2, 3, 4])
        expectEqual(buffer.next(second), .superseded)
        // A superseded reader that leaves changes nothing.
        buffer.detach(second)
        #expect(buffer.isAttached)
        expectEqual(buffer.attach(after: 5), nil)
    }

    @Test(arguments: [0, 1, 7, 63, 64, 500])
    func theBoundOfWhatIsKeptHoldsWhileAdding(size: Int) {
        let most = 2_000
        for isRead in [true, false] {
            var buffer = StreamBuffer(limits: .init(queueBytesMax: 600, replayBytesMax: most))
            let reader = buffer.attach(after: nil) ?? 0
            if !isRead { buffer.detach(reader) }
            for _ in 0..<200 {
                expectEqual(buffer.append(self.message(size)), .stored)
                #expect(buffer.bytes <= most)
                if isRead { _ = buffer.next(reader) }
            }
            // What is gone is refused, what is kept is given.
            expectEqual(buffer.attach(after: 0), nil)
            let kept = most / (size + Self.overhead)
            let again = buffer.attach(after: UInt32(200 - kept))
            #expect(again != nil)
            expectEqual(self.taken(&buffer, again ?? 0).count, kept)
        }
    }

    @Test func theAnswerIsKeptWhateverItsSizeUntilItHasBeenSent() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 100, replayBytesMax: 1_000))
        let reader = buffer.attach(after: nil) ?? 0
        buffer.detach(reader)
        for _ in 0..<10 { _ = buffer.append(self.message(50)) }
        expectEqual(buffer.end(with: self.message(5_000)), true)
        #expect(buffer.bytes == 5_000 + Self.overhead)
        let back = buffer.attach(after: 10) ?? 0
        expectEqual(self.taken(&buffer, back), [11])
        expectEqual(buffer.next(back), .ended)
        // Sent, it is kept no longer.
        #expect(buffer.bytes == 0)
    }

    @Test func anAttachedReaderLosesNothingToTheRing() {
        var buffer = StreamBuffer(limits: .init(queueBytesMax: 5_000, replayBytesMax: 300))
        let reader = buffer.attach(after: nil) ?? 0
        for _ in 0..<20 { expectEqual(buffer.append(self.message(50)), .stored) }
        expectEqual(self.taken(&buffer, reader), Array(1...20))
        // Once read, the bound holds again.
        expectEqual(buffer.append(self.message(50)), .stored)
        #expect(buffer.bytes <= 300)
    }
}

/// What a call that changes the buffer came to.
private func expectEqual<Value: Equatable>(
    _ value: Value, _ expected: Value, _ location: SourceLocation = #_sourceLocation
) {
    #expect(value == expected, sourceLocation: location)
}
