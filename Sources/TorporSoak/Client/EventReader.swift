/// Reads server-sent events as they arrive, in bounded memory.
///
/// Only the data of events is read. An event that is longer than ``dataMax`` comes as an empty one.
struct EventReader: Sendable {
    /// The longest data of an event that is kept, in bytes.
    static let dataMax = 4 << 20

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var isTooLong = false
    private var skipsLineFeed = false

    /// Takes in bytes and hands on the data of each event that they complete.
    mutating func read(_ bytes: some Sequence<UInt8>, _ event: ([UInt8]) -> Void) {
        for byte in bytes {
            if self.skipsLineFeed {
                self.skipsLineFeed = false
                if byte == UInt8(ascii: "\n") { continue }
            }
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                self.skipsLineFeed = byte == UInt8(ascii: "\r")
                self.endLine(event)
            default:
                if self.line.count < Self.dataMax { self.line.append(byte) } else { self.isTooLong = true }
            }
        }
    }

    private mutating func endLine(_ event: ([UInt8]) -> Void) {
        defer { self.line.removeAll(keepingCapacity: self.line.capacity < 65_536) }
        guard !self.line.isEmpty else {
            if self.hasData { event(self.isTooLong ? [] : self.data) }
            self.data = []
            self.hasData = false
            self.isTooLong = false
            return
        }
        let name = Array("data:".utf8)
        guard self.line.starts(with: name) else { return }
        var value = self.line[name.count...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        if self.hasData { self.data.append(UInt8(ascii: "\n")) }
        self.hasData = true
        if self.data.count + value.count <= Self.dataMax { self.data += value } else { self.isTooLong = true }
    }
}
