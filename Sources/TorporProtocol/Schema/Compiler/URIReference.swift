/// A URI reference in its parts, as far as resolving one against a base needs them (RFC 3986, sections 3 and 5).
package struct URIReference: Sendable {
    var scheme: Substring?
    var authority: Substring?
    var path: String
    var query: Substring?
    /// Without the `#`, still percent-encoded.
    var fragment: Substring?

    package init(_ text: String) {
        var rest = Substring(text)
        if let mark = rest.firstIndex(of: "#") {
            self.fragment = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if let mark = rest.firstIndex(of: "?") {
            self.query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        if let colon = rest.firstIndex(of: ":"), Self.isScheme(rest[..<colon]) {
            self.scheme = rest[..<colon]
            rest = rest[rest.index(after: colon)...]
        }
        if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex(of: "/") ?? rest.endIndex
            self.authority = rest[..<end]
            rest = rest[end...]
        }
        self.path = String(rest)
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, first.isASCIILetter else { return false }
        return text.utf8.allSatisfy {
            $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: ".")
        }
    }

    /// What this reference names when it stands in a document at `base`.
    package func resolved(against base: URIReference) -> URIReference {
        var target = self
        if self.scheme != nil {
            target.path = Self.withoutDotSegments(self.path)
            return target
        }
        target.scheme = base.scheme
        if self.authority != nil {
            target.path = Self.withoutDotSegments(self.path)
            return target
        }
        target.authority = base.authority
        if self.path.isEmpty {
            target.path = base.path
            target.query = self.query ?? base.query
        } else if self.path.hasPrefix("/") {
            target.path = Self.withoutDotSegments(self.path)
        } else if base.authority != nil, base.path.isEmpty {
            target.path = Self.withoutDotSegments("/" + self.path)
        } else {
            let folder = base.path.lastIndex(of: "/").map { base.path[...$0] } ?? ""
            target.path = Self.withoutDotSegments(folder + self.path)
        }
        return target
    }

    /// Section 5.2.4: `.` and `..` are followed where they stand.
    private static func withoutDotSegments(_ path: String) -> String {
        guard path.contains(".") else { return path }
        let isAbsolute = path.hasPrefix("/")
        var kept: [Substring] = []
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(isAbsolute ? 1 : 0)
        for (offset, segment) in segments.enumerated() {
            let isLast = offset == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                if !kept.isEmpty { kept.removeLast() }
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return (isAbsolute ? "/" : "") + kept.joined(separator: "/")
    }

    /// The reference as text, without its fragment: what a document is known by.
    package var document: String {
        (self.scheme.map { $0 + ":" } ?? "") + (self.authority.map { "//" + $0 } ?? "") + self.path
            + (self.query.map { "?" + $0 } ?? "")
    }

    /// The fragment with its percent-encoding taken off; `nil` when that is broken or no UTF-8.
    package var decodedFragment: String? {
        var bytes: [UInt8] = []
        var encoded = (self.fragment ?? "").utf8.makeIterator()
        while let byte = encoded.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = encoded.next()?.hexadecimalValue, let low = encoded.next()?.hexadecimalValue else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
    var isASCIILetter: Bool { (0x61...0x7A).contains(self | 0x20) }

    /// The value of a hexadecimal digit.
    var hexadecimalValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
