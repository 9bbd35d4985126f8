import Testing
import TorporHTTP

struct HTTPLimitsTests {
    private static let limits = HTTPLimits(
        headBytesMax: 200,
        fieldCountMax: 4,
        targetBytesMax: 20,
        bodyBytesMax: 10,
        chunkExtensionBytesMax: 8
    )

    /// The status of a refusal, or nil when one request was accepted. Asserts that both are the same byte by byte.
    private func status(_ text: String) -> Int? {
        let whole = Outcome(of: text, limits: Self.limits)
        let bytewise = Outcome(of: Array(text.utf8).map { [$0] }, limits: Self.limits)
        #expect(whole == bytewise)
        #expect(whole.requests.count == (whole.refusal == nil ? 1 : 0))
        return whole.refusal?.status
    }

    private func padded(_ count: Int) -> String { String(repeating: "x", count: count) }

    @Test(arguments: [(199, nil), (200, nil), (201, 431)])
    func theHeadIsBounded(headBytes: Int, status: Int?) {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
        let padding = self.padded(headBytes - frame.utf8.count)
        #expect(self.status("GET / HTTP/1.1\r\nHost: a\r\nX: \(padding)\r\n\r\n") == status)
    }

    @Test func aHeadThatNeverEndsIsRefusedAtTheLimitAndNotLater() {
        let head = "GET / HTTP/1.1\r\nX: "
        #expect(Outcome(of: head + self.padded(199 - head.utf8.count), limits: Self.limits).phase == .head)
        #expect(Outcome(of: head + self.padded(200 - head.utf8.count), limits: Self.limits).refusal?.status == 431)
        #expect(Outcome(of: "GET /" + self.padded(195), limits: Self.limits).refusal?.status == 414)
    }

    @Test(arguments: [(19, nil), (20, nil), (21, 414)])
    func theTargetIsBounded(targetBytes: Int, status: Int?) {
        #expect(self.status("GET /\(self.padded(targetBytes - 1)) HTTP/1.1\r\nHost: a\r\n\r\n") == status)
    }

    @Test(arguments: [(3, nil), (4, nil), (5, 431)])
    func theNumberOfFieldsIsBounded(fieldCount: Int, status: Int?) {
        let others = String(repeating: "X: y\r\n", count: fieldCount - 1)
        #expect(self.status("GET / HTTP/1.1\r\nHost: a\r\n\(others)\r\n") == status)
    }

    @Test(arguments: [(9, nil), (10, nil), (11, 413)])
    func theDeclaredBodyIsBounded(bodyBytes: Int, status: Int?) {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(bodyBytes)\r\n\r\n"
        #expect(self.status(head + self.padded(bodyBytes)) == status)
    }

    private static let chunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(arguments: [(9, nil), (10, nil), (11, 413)])
    func aChunkIsBounded(bodyBytes: Int, status: Int?) {
        let body = "\(String(bodyBytes, radix: 16))\r\n\(self.padded(bodyBytes))\r\n0\r\n\r\n"
        #expect(self.status(Self.chunkedHead + body) == status)
    }

    @Test(arguments: [(9, nil), (10, nil), (11, 413)])
    func theSumOfTheChunksIsBounded(bodyBytes: Int, status: Int?) {
        let chunks = String(repeating: "1\r\nx\r\n", count: bodyBytes)
        #expect(self.status(Self.chunkedHead + chunks + "0\r\n\r\n") == status)
    }

    @Test(arguments: [(7, nil), (8, nil), (9, 400)])
    func theDigitsOfAChunkSizeAreBounded(digits: Int, status: Int?) {
        let size = String(repeating: "0", count: digits - 1) + "1"
        #expect(self.status(Self.chunkedHead + "\(size)\r\nx\r\n0\r\n\r\n") == status)
    }

    /// Counted over all chunks, from each semicolon on.
    @Test(arguments: [(7, nil), (8, nil), (9, 413)])
    func chunkExtensionsAreBounded(extensionBytes: Int, status: Int?) {
        let name = self.padded(extensionBytes - 5)
        #expect(self.status(Self.chunkedHead + "1;a\r\nx\r\n1;\(name)\r\nx\r\n0;b\r\n\r\n") == status)
    }

    @Test(arguments: [(199, nil), (200, nil), (201, 431)])
    func theTrailersAreBounded(trailerBytes: Int, status: Int?) {
        let padding = self.padded(trailerBytes - "X: \r\n\r\n".utf8.count)
        #expect(self.status(Self.chunkedHead + "0\r\nX: \(padding)\r\n\r\n") == status)
    }

    @Test(arguments: [(3, nil), (4, nil), (5, 431)])
    func theNumberOfTrailersIsBounded(fieldCount: Int, status: Int?) {
        let trailers = String(repeating: "X: y\r\n", count: fieldCount)
        #expect(self.status(Self.chunkedHead + "0\r\n\(trailers)\r\n") == status)
    }

    @Test func theDefaultsAreThoseDocumented() {
        let limits = HTTPLimits()
        #expect(limits.headBytesMax == 16_384)
        #expect(limits.fieldCountMax == 100)
        #expect(limits.targetBytesMax == 2_048)
        #expect(limits.bodyBytesMax == 4_194_304)
        #expect(limits.chunkExtensionBytesMax == 4_096)
    }
}
