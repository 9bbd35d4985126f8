extension JSONScanner {
    /// Validates a whole value of any kind, however deeply nested, and passes over it.
    ///
    /// - Returns: The value's range, without the whitespace around it.
    /// - Complexity: O(bytes of the value); allocates nothing and does not recurse on the depth allowed by default.
    package mutating func skipValue() throws(JSONError) -> Range<Int> {
        var byte = try self.nextByte()
        let start = self.position

        // The arrays and objects opened here, innermost in the lowest bit: 1 for an object, 0 for an array.
        var kinds: UInt64 = 0
        var level = 0

        values: while true {
            switch byte {
            case UInt8(ascii: "\""):
                _ = try self.skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if level == UInt64.bitWidth {
                    _ = try self.skipValue()  // at most depthMaxLimit / 64 calls deep
                    break
                }
                self.position &+= 1
                try self.enter()
                let isObject = byte == UInt8(ascii: "{")
                byte = try self.nextByte()
                if byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    self.leave()
                    break
                }
                kinds = kinds &<< 1 | (isObject ? 1 : 0)
                level &+= 1
                if isObject { byte = try self.skipKey(startingWith: byte) }
                continue values
            default:
                try self.skipScalar(startingWith: byte)
            }

            // A value ended: go on to the next one, through as many closing brackets as stand before it.
            while level > 0 {
                byte = try self.nextByte()
                let isObject = kinds & 1 == 1
                if byte == UInt8(ascii: ",") {
                    self.position &+= 1
                    byte = try self.nextByte()
                    if isObject { byte = try self.skipKey(startingWith: byte) }
                    continue values
                }
                guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    throw JSONError(.unexpectedByte, at: self.position)
                }
                self.leave()
                kinds &>>= 1
                level &-= 1
            }
            return Range(uncheckedBounds: (start, self.position))
        }
    }

    /// Passes over a key and its colon; returns the first byte of the member's value, unread.
    @inline(__always)
    private mutating func skipKey(startingWith byte: UInt8) throws(JSONError) -> UInt8 {
        guard byte == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: self.position) }
        _ = try self.skipString()
        try self.expect(UInt8(ascii: ":"))
        return try self.nextByte()
    }

    @inline(__always)
    private mutating func skipScalar(startingWith byte: UInt8) throws(JSONError) {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try self.skipNumber()
        case UInt8(ascii: "t"): try self.skipLiteral("true")
        case UInt8(ascii: "f"): try self.skipLiteral("false")
        case UInt8(ascii: "n"): try self.skipLiteral("null")
        default: throw JSONError(.unexpectedByte, at: self.position)
        }
    }

    private mutating func skipLiteral(_ literal: StaticString) throws(JSONError) {
        for offset in 0..<literal.utf8CodeUnitCount {
            guard self.position < self.bytes.count else { throw JSONError(.unexpectedEnd, at: self.position) }
            guard self.bytes[unchecked: self.position] == literal.utf8Start[offset] else {
                throw JSONError(.unexpectedByte, at: self.position)
            }
            self.position &+= 1
        }
    }

    /// Passes over a number whose first byte, a digit or `-`, is the next one.
    private mutating func skipNumber() throws(JSONError) {
        var index = self.position
        if self.bytes[unchecked: index] == UInt8(ascii: "-") { index &+= 1 }
        let integerStart = index
        index = try self.endOfDigits(from: index)
        if index &- integerStart > 1, self.bytes[unchecked: integerStart] == UInt8(ascii: "0") {
            throw JSONError(.invalidNumber, at: integerStart)
        }
        if index < self.bytes.count, self.bytes[unchecked: index] == UInt8(ascii: ".") {
            index = try self.endOfDigits(from: index &+ 1)
        }
        if index < self.bytes.count, self.bytes[unchecked: index] | 0x20 == UInt8(ascii: "e") {
            index &+= 1
            if index < self.bytes.count {
                let sign = self.bytes[unchecked: index]
                if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { index &+= 1 }
            }
            index = try self.endOfDigits(from: index)
        }
        self.position = index
    }

    /// The end of a run of at least one digit.
    @inline(__always)
    private func endOfDigits(from start: Int) throws(JSONError) -> Int {
        var index = start
        while index < self.bytes.count, self.bytes[unchecked: index] &- UInt8(ascii: "0") < 10 { index &+= 1 }
        if index == start {
            throw JSONError(index == self.bytes.count ? .unexpectedEnd : .invalidNumber, at: index)
        }
        return index
    }
}
