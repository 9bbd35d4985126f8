import Glibc
import TorporJSON
import TorporProtocol

/// Cuts a stream of bytes into lines, holding no more than one of them.
package struct LineFramer: Sendable {
    package enum Line: Sendable, Equatable {
        /// Without its end, and without any other carriage return. Never blank.
        case line([UInt8])
        /// Longer than the limit; its bytes were dropped.
        case tooLong(OversizedLine)
    }

    private let lineMax: Int
    private var held: [UInt8] = []
    private var oversized: OversizedLine?

    /// - Parameter lineMax: The longest line, in bytes without its end.
    package init(lineMax: Int) {
        precondition(lineMax > 0, "a line holds at least one byte")
        self.lineMax = lineMax
    }

    /// Hands on the lines that the bytes complete, in order.
    package mutating func add(_ bytes: UnsafeRawBufferPointer, _ body: (Line) -> Void) {
        var start = 0
        while let end = Self.position(of: UInt8(ascii: "\n"), in: bytes, from: start) {
            self.hold(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            start = end + 1
            if let oversized = self.oversized.take() {
                body(.tooLong(oversized))
                continue
            }
            var line: [UInt8] = []
            swap(&line, &self.held)
            line.replaceCarriageReturns()
            if line.contains(where: { $0 != 0x20 && $0 != 0x09 }) { body(.line(line)) }
        }
        self.hold(UnsafeRawBufferPointer(rebasing: bytes[start...]))
    }

    private static func position(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(byte), bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    private mutating func hold(_ part: UnsafeRawBufferPointer) {
        guard !part.isEmpty else { return }
        if self.oversized != nil {
            self.oversized?.add(part)
        } else if self.held.count + part.count <= self.lineMax {
            self.held.append(contentsOf: part)
        } else {
            var oversized = OversizedLine()
            self.held.withUnsafeBytes { oversized.add($0) }
            oversized.add(part)
            self.oversized = oversized
            self.held = []
        }
    }
}

/// What is kept of a line that was too long: its ends, in which the id of an answer usually stands.
package struct OversizedLine: Sendable, Equatable {
    private static let headMax = 256
    private static let tailMax = 64

    /// All of its bytes.
    package private(set) var count = 0
    private var head: [UInt8] = []
    private var tail: [UInt8] = []

    mutating func add(_ part: UnsafeRawBufferPointer) {
        self.count += part.count
        self.head.append(contentsOf: part.prefix(Self.headMax - self.head.count))
        self.tail.append(contentsOf: part.suffix(Self.tailMax))
        if self.tail.count > Self.tailMax { self.tail.removeFirst(self.tail.count - Self.tailMax) }
    }

    /// The request that the line answers, where its ends tell.
    package var answeredRequest: RequestNumber? {
        switch self.readHead() {
        case .answer(let number): number
        case .noAnswer: nil
        case .unknown: self.readTail()
        }
    }

    private enum Finding { case answer(RequestNumber), noAnswer, unknown }

    private func readHead() -> Finding {
        let bytes = self.head.span
        var scanner = JSONScanner(bytes)
        var id = JSONSlice()
        do {
            try scanner.beginObject()
            var isFirst = true
            while let key = try scanner.nextKey(&isFirst) {
                // A message with a method is a request, and its id the server's own.
                if scanner.key(key, equals: "method") { return .noAnswer }
                if id.isPresent, scanner.key(key, equals: "result") || scanner.key(key, equals: "error") {
                    guard id.kind == .number, let number = JSONText.integer(in: bytes, id.range, as: Int.self) else {
                        return .noAnswer
                    }
                    return .answer(RequestNumber(number))
                }
                let value = try JSONSlice(&scanner)
                if scanner.key(key, equals: "id") { id = value }
            }
        } catch {
            // The line goes on beyond what was kept.
        }
        return .unknown
    }

    /// Reads `"id":7}` at the very end: what comes right before the last brace belongs to the message itself.
    private func readTail() -> RequestNumber? {
        var rest = self.tail[...]
        rest.dropBlanks()
        guard rest.popLast() == UInt8(ascii: "}") else { return nil }
        rest.dropBlanks()
        let digits = rest.suffix(while: { (0x30...0x39).contains($0) })
        rest.removeLast(digits.count)
        rest.dropBlanks()
        guard rest.popLast() == UInt8(ascii: ":") else { return nil }
        rest.dropBlanks()
        guard rest.suffix(4).elementsEqual("\"id\"".utf8) else { return nil }
        rest.removeLast(4)
        rest.dropBlanks()
        guard let before = rest.last, before == UInt8(ascii: ",") || before == UInt8(ascii: "{") else { return nil }
        return Int(String(decoding: digits, as: UTF8.self)).map(RequestNumber.init)
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func dropBlanks() {
        while let last = self.last, last == 0x20 || last == 0x09 || last == 0x0D { self.removeLast() }
    }

    fileprivate func suffix(while isIncluded: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        var start = self.endIndex
        while start > self.startIndex, isIncluded(self[start - 1]) { start -= 1 }
        return self[start...]
    }
}

extension [UInt8] {
    /// Makes blanks of the carriage returns: in valid JSON text they are nothing else.
    mutating func replaceCarriageReturns() { self.replace(UInt8(ascii: "\r"), from: 0) }

    /// Makes blanks of line ends: in valid JSON text they are nothing else.
    package mutating func replaceLineEnds(from start: Int = 0) {
        self.replace(UInt8(ascii: "\r"), from: start)
        self.replace(UInt8(ascii: "\n"), from: start)
    }

    private mutating func replace(_ byte: UInt8, from first: Int) {
        self.withUnsafeMutableBytes { bytes in
            var start = first
            while start < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + start, Int32(byte), bytes.count - start)
            {
                found.storeBytes(of: 0x20, as: UInt8.self)
                start = found - base + 1
            }
        }
    }
}
