/// Bytes that grow at their end: an array without the checks, for one encoding.
final class ByteSink {
    @exclusivity(unchecked) private(set) var base: UnsafeMutablePointer<UInt8>
    @exclusivity(unchecked) private(set) var count = 0
    @exclusivity(unchecked) private var capacity: Int
    /// Containers that belong into these bytes but can still grow, with the offsets at which they belong, in rising
    /// order.
    @exclusivity(unchecked) var insertions: [(offset: Int, node: StateEncoderNode)] = []

    init(capacity: Int) {
        self.capacity = capacity
        self.base = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    }

    deinit { self.base.deallocate() }

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: self.base, count: self.count) }

    /// Drops what lies behind the first `count` bytes.
    func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "bytes are dropped at the end")
        self.count = count
    }

    @inline(__always)
    func reserve(_ additional: Int) {
        if self.count &+ additional > self.capacity { self.grow(additional) }
    }

    @inline(never)
    private func grow(_ additional: Int) {
        let capacity = max(self.capacity * 2, self.count + additional)
        let base = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        base.update(from: self.base, count: self.count)
        self.base.deallocate()
        self.base = base
        self.capacity = capacity
    }

    @inline(__always)
    func append(_ byte: UInt8) {
        self.reserve(1)
        self.base[self.count] = byte
        self.count &+= 1
    }

    func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        self.reserve(bytes.count)
        (self.base + self.count).update(from: start, count: bytes.count)
        self.count &+= bytes.count
    }

    /// Appends the bytes of an integer, the lowest first.
    @inline(__always)
    func append<Integer: FixedWidthInteger>(littleEndian value: Integer) {
        let size = MemoryLayout<Integer>.size
        self.reserve(size)
        UnsafeMutableRawPointer(self.base + self.count).storeBytes(of: value.littleEndian, as: Integer.self)
        self.count &+= size
    }

    @inline(__always)
    func varint(_ value: UInt64) {
        if value < 0x80 { return self.append(UInt8(truncatingIfNeeded: value)) }
        self.longVarint(value)
    }

    private func longVarint(_ value: UInt64) {
        self.reserve(10)
        self.count &+= Self.store(value, at: self.base + self.count)
    }

    private static func store(_ value: UInt64, at start: UnsafeMutablePointer<UInt8>) -> Int {
        var rest = value
        var count = 0
        while rest >= 0x80 {
            start[count] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest &>>= 7
            count &+= 1
        }
        start[count] = UInt8(truncatingIfNeeded: rest)
        return count &+ 1
    }

    /// How many bytes a varint takes.
    static func size(ofVarint value: Int) -> Int {
        var size = 1
        var rest = value >> 7
        while rest > 0 {
            size += 1
            rest >>= 7
        }
        return size
    }

    /// Puts a varint in the place of the byte at `offset`; what lies behind it moves.
    func replace(byteAt offset: Int, withVarint value: Int) {
        let size = Self.size(ofVarint: value)
        if size > 1 {
            self.reserve(size - 1)
            let start = self.base + offset
            (start + size).update(from: start + 1, count: self.count - offset - 1)
            self.count += size - 1
        }
        _ = Self.store(UInt64(value), at: self.base + offset)
    }
}

// MARK: Values

extension ByteSink {
    @inline(__always)
    func integer(_ value: Int64) {
        let zigzag = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        if zigzag < UInt64(StateFormat.Tag.shortString) { return self.append(UInt8(truncatingIfNeeded: zigzag)) }
        self.append(StateFormat.Tag.integer)
        self.varint(zigzag)
    }

    func integer(_ value: UInt64) {
        if let value = Int64(exactly: value) { return self.integer(value) }
        self.wideInteger(magnitude: UInt128(value), isNegative: false)
    }

    func integer(_ value: Int128) {
        if let value = Int64(exactly: value) { return self.integer(value) }
        self.wideInteger(magnitude: UInt128(bitPattern: value < 0 ? ~value : value), isNegative: value < 0)
    }

    func integer(_ value: UInt128) {
        if let value = Int64(exactly: value) { return self.integer(value) }
        self.wideInteger(magnitude: value, isNegative: false)
    }

    /// - Parameter magnitude: of a negative value, one less than its absolute value.
    private func wideInteger(magnitude: UInt128, isNegative: Bool) {
        self.append(StateFormat.Tag.integer)
        var byte = UInt8(truncatingIfNeeded: magnitude & 0x3F) << 1 | (isNegative ? 1 : 0)
        var rest = magnitude >> 6
        while rest > 0 {
            self.append(byte | 0x80)
            byte = UInt8(truncatingIfNeeded: rest & 0x7F)
            rest >>= 7
        }
        self.append(byte)
    }

    @inline(__always)
    func float(_ value: Float) {
        self.append(StateFormat.Tag.float)
        self.append(littleEndian: value.bitPattern)
    }

    @inline(__always)
    func double(_ value: Double) {
        self.append(StateFormat.Tag.double)
        self.append(littleEndian: value.bitPattern)
    }

    @inline(__always)
    func bool(_ value: Bool) {
        self.append(value ? StateFormat.Tag.true : StateFormat.Tag.false)
    }

    @inline(__always)
    func null() {
        self.append(StateFormat.Tag.null)
    }

    func string(_ value: String) {
        var value = value
        value.withUTF8 { text in
            if text.count < Int(StateFormat.Tag.shortStringEnd - StateFormat.Tag.shortString) {
                self.append(StateFormat.Tag.shortString + UInt8(truncatingIfNeeded: text.count))
            } else {
                self.append(StateFormat.Tag.string)
                self.varint(UInt64(text.count))
            }
            self.append(text)
        }
    }

    /// A run of bytes under `tag`, with their number before them.
    func run(_ tag: UInt8, _ bytes: UnsafeBufferPointer<UInt8>) {
        self.append(tag)
        self.varint(UInt64(bytes.count))
        self.append(bytes)
    }

    /// Starts a keyed container, whose members come next, then ``endKeyed(at:)``.
    @inline(__always)
    func beginKeyed() {
        self.reserve(2)
        self.append(StateFormat.Tag.keyed)
        self.append(0)
    }

    /// - Parameter start: Where the container was begun.
    @inline(__always)
    func endKeyed(at start: Int) {
        self.replace(byteAt: start + 1, withVarint: self.count - start - 2)
    }

    /// Starts an unkeyed container, whose elements come next, then ``endUnkeyed(at:count:)``.
    @inline(__always)
    func beginUnkeyed() {
        self.reserve(3)
        self.append(StateFormat.Tag.unkeyed)
        self.append(0)
        self.append(0)
    }

    func endUnkeyed(at start: Int, count: Int) {
        self.replace(byteAt: start + 2, withVarint: count)
        self.replace(byteAt: start + 1, withVarint: self.count - start - 2)
    }
}
