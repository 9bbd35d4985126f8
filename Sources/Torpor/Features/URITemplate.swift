import TorporProtocol

/// A URI template of literal text, `{name}` (one segment) and `{+name}` (anything), for matching.
///
/// Templates and URIs are compared byte by byte: to Unicode, a `/` with an accent behind it is another character, but
/// whoever splits the URI into segments sees a `/`.
package struct URITemplate: Sendable {
    private enum Part: Sendable {
        case literal([UInt8])
        /// Matches one or more bytes other than `/`, `?` and `#`.
        case segment(String)
        /// Matches one or more bytes.
        case rest(String)
    }

    private let parts: [Part]
    package let variables: [String]

    /// `nil` for unbalanced braces, names other than letters, digits and `_`, a name given twice, or two variables side
    /// by side.
    package init?(_ text: String) {
        let opening = UInt8(ascii: "{")
        let closing = UInt8(ascii: "}")
        var parts: [Part] = []
        var variables: [String] = []
        var remaining = Array(text.utf8)[...]
        while !remaining.isEmpty {
            let literal = remaining.prefix { $0 != opening && $0 != closing }
            if !literal.isEmpty { parts.append(.literal(Array(literal))) }
            remaining = remaining[literal.endIndex...]
            guard let brace = remaining.popFirst() else { break }
            guard brace == opening, let end = remaining.firstIndex(of: closing) else { return nil }
            let matchesAll = remaining.first == UInt8(ascii: "+")
            let name = remaining[..<end].dropFirst(matchesAll ? 1 : 0)
            let variable = String(decoding: name, as: UTF8.self)
            guard !name.isEmpty, name.allSatisfy(Self.isNameByte), !variables.contains(variable) else { return nil }
            switch parts.last {
            case .segment, .rest: return nil
            case .literal, nil: break
            }
            parts.append(matchesAll ? .rest(variable) : .segment(variable))
            variables.append(variable)
            remaining = remaining[(end + 1)...]
        }
        self.parts = parts
        self.variables = variables
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// The variables with which the template gives `uri`; `nil` when it does not, or its escapes are broken.
    ///
    /// A variable takes as much as it can up to the next literal's first occurrence; work is linear in the URI.
    package func match(_ uri: String) -> URIVariables? {
        var values: [String: String] = [:]
        var remaining = Array(uri.utf8)[...]
        for (index, part) in self.parts.enumerated() {
            switch part {
            case .literal(let text):
                guard remaining.starts(with: text) else { return nil }
                remaining = remaining.dropFirst(text.count)
            case .segment(let name), .rest(let name):
                var end = remaining.endIndex
                if index + 1 < self.parts.count, case .literal(let next) = self.parts[index + 1] {
                    guard let found = remaining.firstOccurrence(of: next) else { return nil }
                    end = found
                }
                let taken = remaining[..<end]
                if case .segment = part, taken.contains(where: Self.isDelimiter) { return nil }
                guard !taken.isEmpty, let decoded = taken.removingPercentEscapes() else { return nil }
                values[name] = decoded
                remaining = remaining[end...]
            }
        }
        return remaining.isEmpty ? URIVariables(uri: uri, values: values) : nil
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
    }

    /// - Precondition: `uri` begins with a scheme (RFC 3986, 3.1).
    package static func requireAbsolute(_ uri: String) {
        let scheme = uri.prefix { $0 != ":" }
        precondition(
            scheme.count < uri.count && scheme.first.map { $0.isASCII && $0.isLetter } ?? false
                && scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) },
            "\(uri) is no absolute URI: it begins with a scheme and a colon")
    }
}

extension ArraySlice<UInt8> {
    fileprivate func firstOccurrence(of text: [UInt8]) -> Int? {
        self.indices.first { self[$0...].starts(with: text) }
    }

    /// The text with `%XX` decoded; `nil` when an escape is broken or the result is no UTF-8.
    fileprivate func removingPercentEscapes() -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.count)
        var iterator = self.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next()?.hexValue, let low = iterator.next()?.hexValue else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
