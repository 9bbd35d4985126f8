/// Appends JSON text to bytes and sets the commas between members and elements.
///
/// It does not check nesting: the caller opens, keys and closes in a valid order. It never traps on content, and
/// whatever text a string holds comes out as valid JSON. The `raw` methods append bytes as they
/// are and know no commas; they are the fastest way to write the fixed parts of a message.
package struct JSONWriter: Sendable {
    /// The text so far.
    package internal(set) var bytes: [UInt8]

    /// Whether a comma goes before the next key or element.
    var needsComma = false

    /// - Parameter capacity: Bytes to reserve, so that a text of this size is written without growing.
    package init(capacity: Int = 256) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
    }

    /// Continues behind bytes that exist already; the first value is written without a comma.
    package init(appendingTo bytes: consuming [UInt8]) {
        self.bytes = bytes
    }

    /// Ends writing and returns the text, without copying it.
    package consuming func finish() -> [UInt8] {
        self.bytes
    }

    // MARK: Objects and arrays

    package mutating func beginObject() {
        self.separate()
        self.bytes.append(UInt8(ascii: "{"))
        self.needsComma = false
    }

    package mutating func endObject() {
        self.bytes.append(UInt8(ascii: "}"))
        self.needsComma = true
    }

    package mutating func beginArray() {
        self.separate()
        self.bytes.append(UInt8(ascii: "["))
        self.needsComma = false
    }

    package mutating func endArray() {
        self.bytes.append(UInt8(ascii: "]"))
        self.needsComma = true
    }

    package mutating func key(_ name: String) {
        self.separate()
        self.quote(name)
        self.bytes.append(UInt8(ascii: ":"))
        self.needsComma = false
    }

    /// Writes a key that is known when compiling.
    ///
    /// - Parameter name: Text without anything that needs escaping: no `"`, no `\`, no control character.
    package mutating func key(_ name: StaticString) {
        self.separate()
        self.bytes.append(UInt8(ascii: "\""))
        self.raw(name)
        self.raw("\":")
        self.needsComma = false
    }

    // MARK: Values

    package mutating func string(_ text: String) {
        self.separate()
        self.quote(text)
        self.needsComma = true
    }

    package mutating func bool(_ value: Bool) {
        self.separate()
        self.raw(value ? "true" : "false")
        self.needsComma = true
    }

    package mutating func null() {
        self.separate()
        self.raw("null")
        self.needsComma = true
    }

    package mutating func integer(_ value: some FixedWidthInteger) {
        self.separate()
        if let value = Int64(exactly: value) {
            self.digits(of: value.magnitude, isNegative: value < 0)
        } else {
            self.bytes.append(contentsOf: String(value).utf8)
        }
        self.needsComma = true
    }

    /// Writes the shortest text that reads back as the same number; integral values have no `.0`.
    ///
    /// JSON knows no infinity and no NaN: both are written as `null`, as JavaScript does. ``JSONBytesEncoder``
    /// refuses them before they get here.
    package mutating func number(_ value: Double) {
        self.number(value.description, isFinite: value.isFinite)
    }

    /// Writes the shortest text that reads back as the same `Float`; see `number(_:)` for `Double`.
    package mutating func number(_ value: Float) {
        self.number(value.description, isFinite: value.isFinite)
    }

    package mutating func value(_ value: JSONValue) {
        value.write(to: &self)
    }

    /// Writes a value that is JSON text already.
    package mutating func rawValue(_ bytes: some Sequence<UInt8>) {
        self.separate()
        self.bytes.append(contentsOf: bytes)
        self.needsComma = true
    }

    /// Writes a value that is JSON text already.
    package mutating func rawValue(_ bytes: Span<UInt8>) {
        self.separate()
        self.raw(bytes)
        self.needsComma = true
    }

    /// Writes a value that is JSON text already.
    package mutating func rawValue(_ text: StaticString) {
        self.separate()
        self.raw(text)
        self.needsComma = true
    }

    // MARK: Bytes as they are

    package mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { self.bytes.append(contentsOf: $0) }
    }

    package mutating func raw(_ bytes: some Sequence<UInt8>) {
        self.bytes.append(contentsOf: bytes)
    }

    package mutating func raw(_ bytes: [UInt8]) {
        self.bytes.append(contentsOf: bytes)
    }

    package mutating func raw(_ bytes: ArraySlice<UInt8>) {
        self.bytes.append(contentsOf: bytes)
    }

    package mutating func raw(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { self.bytes.append(contentsOf: $0) }
    }

    // MARK: Steps

    @inline(__always)
    private mutating func separate() {
        if self.needsComma { self.bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func digits(of magnitude: UInt64, isNegative: Bool) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            var start = 20  // a sign and 19 digits, or 20 digits
            var rest = magnitude
            repeat {
                start &-= 1
                buffer.initializeElement(at: start, to: UInt8(truncatingIfNeeded: rest % 10) &+ UInt8(ascii: "0"))
                rest /= 10
            } while rest > 0
            if isNegative {
                start &-= 1
                buffer.initializeElement(at: start, to: UInt8(ascii: "-"))
            }
            self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[start...]))
        }
    }

    private mutating func number(_ description: String, isFinite: Bool) {
        self.separate()
        if isFinite {
            self.bytes.append(contentsOf: JSONNumber.text(ofDescription: description).utf8)
        } else {
            self.raw("null")
        }
        self.needsComma = true
    }
}
