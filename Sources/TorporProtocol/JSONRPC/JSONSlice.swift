package import TorporJSON

/// Where a JSON value lies in the bytes of a message, and of what kind it is. Twelve bytes, so that an envelope stays
/// small.
package struct JSONSlice: Sendable, Equatable {
    package enum Kind: UInt8, Sendable {
        /// The message has no such member.
        case absent
        case object, array, string, number, bool, null
    }

    private var lower: UInt32 = 0
    private var upper: UInt32 = 0
    package private(set) var kind = Kind.absent
    /// Only for strings: the text has escapes and must be decoded before it is compared.
    package private(set) var hasEscapes = false

    /// An absent value.
    package init() {}

    /// The value's range; for a string, of the text between its quotes.
    package var range: Range<Int> { Int(self.lower)..<Int(self.upper) }
    package var isPresent: Bool { self.kind != .absent }

    /// The whole value as it stands in the message, a string with its quotes.
    package var sourceRange: Range<Int> {
        self.kind == .string ? Int(self.lower) - 1..<Int(self.upper) + 1 : self.range
    }

    /// Reads the next value, validating it.
    package init(_ scanner: inout JSONScanner) throws(JSONError) {
        switch try scanner.peek() {
        case .string:
            let (range, hasEscapes) = try scanner.string()
            self.init(range: range, kind: .string, hasEscapes: hasEscapes)
        case .object: self.init(range: try scanner.skipValue(), kind: .object)
        case .array: self.init(range: try scanner.skipValue(), kind: .array)
        case .number: self.init(range: try scanner.skipValue(), kind: .number)
        case .true, .false: self.init(range: try scanner.skipValue(), kind: .bool)
        case .null: self.init(range: try scanner.skipValue(), kind: .null)
        }
    }

    package init(range: Range<Int>, kind: Kind, hasEscapes: Bool = false) {
        // Bodies are limited far below 4 GiB; a larger one would have been refused by the transport.
        self.lower = UInt32(range.lowerBound)
        self.upper = UInt32(range.upperBound)
        self.kind = kind
        self.hasEscapes = hasEscapes
    }

    /// The text of a string value; `nil` for any other kind.
    package func string(in bytes: Span<UInt8>) -> String? {
        guard self.kind == .string else { return nil }
        return JSONText.string(in: bytes, self.range, hasEscapes: self.hasEscapes)
    }

    /// Whether this is a string whose text is `text`, byte for byte.
    package func equals(_ text: StaticString, in bytes: Span<UInt8>) -> Bool {
        guard self.kind == .string else { return false }
        if !self.hasEscapes { return bytes.matches(text, at: self.range) }
        return JSONText.equals(in: bytes, self.range, hasEscapes: true, to: text)
    }

    /// Whether this is a string whose text is `other`, byte for byte.
    ///
    /// Unicode holds some texts for the same that are not: the sign for kelvin is canonically a `K`.
    package func equals(_ other: Span<UInt8>, in bytes: Span<UInt8>) -> Bool {
        self.kind == .string && JSONText.equals(in: bytes, self.range, hasEscapes: self.hasEscapes, to: other)
    }

    /// The value of a member of the object at `object`, which the scanner has validated; absent when there is none.
    package static func member(_ name: StaticString, of object: JSONSlice, in bytes: Span<UInt8>) -> JSONSlice {
        self.member(of: object, in: bytes) { key in
            JSONText.equals(in: bytes, key.range, hasEscapes: key.hasEscapes, to: name)
        }
    }

    /// The value of a member of the object at `object`, which the scanner has validated; absent when there is none.
    package static func member(_ name: String, of object: JSONSlice, in bytes: Span<UInt8>) -> JSONSlice {
        self.member(of: object, in: bytes) { key in
            JSONText.equals(in: bytes, key.range, hasEscapes: key.hasEscapes, to: name)
        }
    }

    private static func member(
        of object: JSONSlice, in bytes: Span<UInt8>, where isIt: (JSONKey) -> Bool
    ) -> JSONSlice {
        guard object.kind == .object else { return JSONSlice() }
        var scanner = JSONScanner(bytes, at: object.range.lowerBound, depthMax: JSONScanner.depthMaxLimit)
        do {
            try scanner.beginObject()
            var isFirst = true
            while let key = try scanner.nextKey(&isFirst) {
                let value = try JSONSlice(&scanner)
                if isIt(key) { return value }
            }
        } catch {
            preconditionFailure("members are looked for in validated JSON: \(error)")
        }
        return JSONSlice()
    }

    /// Calls `body` with the name, the whole member and the value of each member of an object's text, which the scanner
    /// has validated.
    package static func forEachMember(
        of object: Range<Int>, in bytes: [UInt8],
        _ body: (_ name: String, _ member: Range<Int>, _ value: JSONSlice) -> Void
    ) {
        var scanner = JSONScanner(bytes.span, at: object.lowerBound, depthMax: JSONScanner.depthMaxLimit)
        do {
            try scanner.beginObject()
            var isFirst = true
            while let key = try scanner.nextKey(&isFirst) {
                let value = try JSONSlice(&scanner)
                let name = JSONText.string(in: bytes.span, key.range, hasEscapes: key.hasEscapes)
                body(name, key.range.lowerBound - 1..<value.sourceRange.upperBound, value)
            }
        } catch {
            preconditionFailure("members are looked for in validated JSON: \(error)")
        }
    }

    /// The slices of the elements of the array at `array`, which the scanner has validated; empty for anything else.
    package static func elements(of array: JSONSlice, in bytes: Span<UInt8>) -> [JSONSlice] {
        guard array.kind == .array else { return [] }
        var scanner = JSONScanner(bytes, at: array.range.lowerBound, depthMax: JSONScanner.depthMaxLimit)
        var elements: [JSONSlice] = []
        do {
            try scanner.beginArray()
            var isFirst = true
            while try scanner.nextElement(&isFirst) { elements.append(try JSONSlice(&scanner)) }
        } catch {
            preconditionFailure("elements are looked for in validated JSON: \(error)")
        }
        return elements
    }
}
