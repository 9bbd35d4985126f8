import Testing
import TorporHTTP

struct ChunkedBodyDecoderTests {
    @Test func theStepsNameTheBodyWithinTheInput() throws {
        let bytes = Array("3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\nGET".utf8)
        var decoder = ChunkedBodyDecoder(limits: HTTPLimits())
        var position = 0
        #expect(try decoder.next(bytes.span, from: &position) == .data(3..<6))
        #expect(position == 6)
        #expect(try decoder.next(bytes.span, from: &position) == .data(13..<15))
        #expect(try decoder.next(bytes.span, from: &position) == .end)
        #expect(position == bytes.count - 3)
    }

    @Test func anEndedDecoderConsumesNothing() throws {
        let bytes = Array("0\r\n\r\nGET".utf8)
        var decoder = ChunkedBodyDecoder(limits: HTTPLimits())
        var position = 0
        for _ in 0..<2 {
            #expect(try decoder.next(bytes.span, from: &position) == .end)
            #expect(position == 5)
        }
    }

    @Test func aChunkThatArrivesInPiecesIsGivenInPieces() throws {
        var decoder = ChunkedBodyDecoder(limits: HTTPLimits())
        var position = 0
        let first = Array("4\r\nab".utf8)
        #expect(try decoder.next(first.span, from: &position) == .data(3..<5))
        #expect(try decoder.next(first.span, from: &position) == .needsMore)
        position = 0
        let second = Array("cd\r\n0\r\n\r\n".utf8)
        #expect(try decoder.next(second.span, from: &position) == .data(0..<2))
        #expect(try decoder.next(second.span, from: &position) == .end)
        #expect(position == second.count)
    }

    @Test func trailersAreHeldOnlyUntilTheyEnd() throws {
        var decoder = ChunkedBodyDecoder(limits: HTTPLimits())
        var position = 0
        let first = Array("0\r\nX-Sum: 12".utf8)
        #expect(try decoder.next(first.span, from: &position) == .needsMore)
        #expect(decoder.bufferedBytes > 0)
        position = 0
        let second = Array("34\r\n\r\nGET".utf8)
        #expect(try decoder.next(second.span, from: &position) == .end)
        #expect(position == 6)
        #expect(decoder.bufferedBytes == 0)
    }
}
