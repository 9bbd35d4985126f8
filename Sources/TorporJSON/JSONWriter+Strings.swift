extension JSONWriter {
    /// Appends `text` in quotes, escaping `"`, `\` and the bytes below 0x20.
    mutating func quote(_ text: String) {
        let contents = text.utf8.span
        self.bytes.append(UInt8(ascii: "\""))
        contents.withUnsafeBufferPointer { self.escape($0) }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Appends runs of bytes that may stand as they are in one go each, and what lies between them escaped.
    private mutating func escape(_ contents: UnsafeBufferPointer<UInt8>) {
        var runStart = 0
        while true {
            let runEnd = Self.endOfPlainRun(in: contents, from: runStart)
            self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: contents[runStart..<runEnd]))
            guard runEnd < contents.count else { return }
            self.appendEscaped(contents[runEnd])
            runStart = runEnd &+ 1
        }
    }

    @inline(__always)
    private static func endOfPlainRun(in contents: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        let raw = UnsafeRawBufferPointer(contents)
        var index = start
        while index &+ 8 <= contents.count {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let special = JSONWord.needsEscape(word)
            if special != 0 { return index &+ special.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < contents.count {
            let byte = contents[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
            index &+= 1
        }
        return index
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): self.raw("\\\"")
        case UInt8(ascii: "\\"): self.raw("\\\\")
        case 0x08: self.raw("\\b")
        case 0x09: self.raw("\\t")
        case 0x0A: self.raw("\\n")
        case 0x0C: self.raw("\\f")
        case 0x0D: self.raw("\\r")
        default:
            let low = byte & 0x0F
            self.raw(byte < 0x10 ? "\\u000" : "\\u001")
            self.bytes.append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        }
    }
}
