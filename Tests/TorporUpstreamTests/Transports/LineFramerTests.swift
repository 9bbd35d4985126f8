import Testing
import TorporUpstream

struct LineFramerTests {
    private func lines(_ text: String, lineMax: Int = 100, chunk: Int) -> [LineFramer.Line] {
        var framer = LineFramer(lineMax: lineMax)
        var lines: [LineFramer.Line] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            Array(bytes[start..<min(start + chunk, bytes.count)]).withUnsafeBytes { part in
                framer.add(part) { lines.append($0) }
            }
        }
        return lines
    }

    private func line(_ text: String) -> LineFramer.Line { .line(Array(text.utf8)) }

    @Test(arguments: 1...12)
    func linesAreTheSameHoweverTheyArrive(_ chunk: Int) {
        #expect(
            self.lines("one\n\n  \t\r\ntwo\r\nth\rree\nrest", chunk: chunk) == [
                self.line("one"), self.line("two "), self.line("th ree"),
            ])
    }

    @Test(arguments: 1...12)
    func aLineIsHeldUpToTheLimit(_ chunk: Int) {
        let lines = self.lines("12345\n123456\n1234567890\n1\n", lineMax: 5, chunk: chunk)
        #expect(lines.count == 4)
        #expect(lines.first == self.line("12345"))
        #expect(lines.last == self.line("1"))
        guard case .tooLong(let six) = lines[1], case .tooLong(let ten) = lines[2] else {
            Issue.record("longer lines are not held")
            return
        }
        #expect(six.count == 6)
        #expect(ten.count == 10)
    }

    private func oversized(_ head: String, _ tail: String) -> RequestNumber?? {
        let filler = String(repeating: "x", count: 5_000)
        for case .tooLong(let line) in self.lines("\(head)\(filler)\(tail)\n", lineMax: 1_000, chunk: 700) {
            return .some(line.answeredRequest)
        }
        return nil
    }

    @Test func theRequestOfAnAnswerThatIsTooLongIsTold() {
        #expect(self.oversized(#"{"jsonrpc":"2.0","id":17,"result":{"text":""#, #""}}"#) == RequestNumber(17))
        #expect(self.oversized(#"{"result":{"text":""#, #""},"jsonrpc":"2.0","id":18}"#) == RequestNumber(18))
        #expect(self.oversized(#"{"result":{"text":""#, "\"}, \"id\" : 19 } \r") == RequestNumber(19))
    }

    @Test func noRequestIsToldWhereNoneIsAnswered() {
        // A request of the server, an id of something inside, one of another kind, text that looks like one.
        #expect(self.oversized(#"{"id":17,"method":"a","params":{"text":""#, #""}}"#) == .some(nil))
        #expect(self.oversized(#"{"method":"a","params":{"text":""#, #""},"id":18}"#) == .some(nil))
        #expect(self.oversized(#"{"result":{"text":""#, #"","id":18}}"#) == .some(nil))
        #expect(self.oversized(#"{"id":"a","result":{"text":""#, #""}}"#) == .some(nil))
        #expect(self.oversized(#"{"result":{"text":""#, #"\"id\":18}"#) == .some(nil))
        #expect(self.oversized("", "") == .some(nil))
    }
}
