import Testing
import TorporCore

struct StreamBufferReleaseTests {
    private let limits = StreamBuffer.Limits(queueBytesMax: 1_024, replayBytesMax: 1_024)

    @Test func whoIsAskedToLeaveBeforeAnybodyReadsIsTheFirstReader() throws {
        var buffer = StreamBuffer(limits: self.limits)
        let isReleased = buffer.release(retryMilliseconds: 100)
        #expect(isReleased)
        let next = try buffer.nextOfNewReader(after: nil)
        #expect(next == .released(retryMilliseconds: 100))
    }

    @Test func whoComesBackIsNotAskedToLeaveAgain() throws {
        var buffer = StreamBuffer(limits: self.limits)
        _ = buffer.release(retryMilliseconds: 100)
        let first = buffer.attach(after: nil)
        buffer.detach(try #require(first))
        let next = try buffer.nextOfNewReader(after: 0)
        #expect(next == .nothing)
    }

    @Test func whoTakesThePlaceOfAReaderIsNotAskedToLeaveInItsStead() throws {
        var buffer = StreamBuffer(limits: self.limits)
        _ = buffer.attach(after: nil)
        _ = buffer.release(retryMilliseconds: 100)
        let next = try buffer.nextOfNewReader(after: nil)
        #expect(next == .nothing)
    }
}

extension StreamBuffer {
    /// What a reader that arrives now is told first.
    fileprivate mutating func nextOfNewReader(after sequence: UInt32?) throws -> Next {
        let reader = self.attach(after: sequence)
        return self.next(try #require(reader))
    }
}
