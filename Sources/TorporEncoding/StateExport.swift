package import TorporJSON

/// Turns encoded values into JSON for people to read; needs no knowledge of their types.
///
/// - A keyed container becomes an object, an unkeyed one an array, with members in the order in which they are stored.
/// - Bytes become `{"$bytes": "…"}` with the base64 of RFC 4648, padded.
/// - NaN and the infinities become `{"$number": "nan"}`, `"inf"` and `"-inf"`.
/// - A `Date` of Foundation is the number that it encodes as: seconds since the start of 2001.
package struct StateExport {
    let source: StateSource
    /// Whether bytes become base64, and not arrays of integers.
    let writesBytesAsText: Bool

    /// The JSON value of what ``StateEncoder`` wrote.
    ///
    /// - Throws: ``StateEncodingError``. Unlike in decoding, all of the value is looked at.
    package static func jsonValue(of encoded: [UInt8]) throws(StateEncodingError) -> JSONValue {
        let source = try StateSource(copying: encoded)
        return try StateExport(source: source, writesBytesAsText: true).value(at: source.root, depth: 0)
    }

    /// - Parameter depth: How many containers are around the value.
    func value(at offset: Int, depth: Int) throws(StateEncodingError) -> JSONValue {
        let bytes = self.source.bytes
        switch try bytes.scalar(at: offset) {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .integer(let integer): return try self.number(integer.text)
        case .float(let value): return try self.number(value.isFinite, value.description)
        case .double(let value): return try self.number(value.isFinite, value.description)
        case .decimal(let range): return .number(try self.source.number(in: range))
        case .string(let range): return .string(try bytes.string(in: range))
        case .bytes(let range): return self.bytes(in: range)
        case .keyed(let range):
            guard depth < StateFormat.depthMax else { throw .tooDeep }
            let count = try self.source.check(membersIn: range)
            var members: [JSONObject.Member] = []
            members.reserveCapacity(count)
            var next = range.lowerBound
            while next < range.upperBound {
                let name = try self.source.nameText(try bytes.varint(at: &next))
                members.append(JSONObject.Member(name: name, value: try self.value(at: next, depth: depth + 1)))
                next = try bytes.end(ofValueAt: next)
            }
            return .object(JSONObject(members))
        case .unkeyed(let range):
            guard depth < StateFormat.depthMax else { throw .tooDeep }
            var next = range.lowerBound
            let count = try bytes.varint(at: &next)
            var elements: [JSONValue] = []
            while next < range.upperBound {
                elements.append(try self.value(at: next, depth: depth + 1))
                next = try bytes.end(ofValueAt: next)
            }
            guard next == range.upperBound, elements.count == count else {
                throw .malformed("an unkeyed container has more or fewer elements than it says")
            }
            return .array(elements)
        }
    }

    private func number(_ text: String) throws(StateEncodingError) -> JSONValue {
        guard let number = JSONNumber(text: text) else { throw .malformed("a number has no text") }
        return .number(number)
    }

    private func number(_ isFinite: Bool, _ description: String) throws(StateEncodingError) -> JSONValue {
        guard isFinite else {
            // JSON has no such number. NaN's description may tell its payload.
            let text = description.contains("nan") ? "nan" : description
            return .object(["$number": .string(text)])
        }
        return try self.number(description.hasSuffix(".0") ? String(description.dropLast(2)) : description)
    }

    private func bytes(in range: Range<Int>) -> JSONValue {
        let run = UnsafeBufferPointer(start: self.source.bytes.base + range.lowerBound, count: range.count)
        guard self.writesBytesAsText else { return .array(run.map { .number(JSONNumber($0)) }) }
        return .object(["$bytes": .string(Self.base64(run))])
    }

    private static func base64(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let digit = digits[Int(bits >> UInt32(18 - 6 * index) & 63)]
                text.append(index <= group.count ? digit : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
