import TorporProtocol

/// A URI template of literal text, `{name}` (one segment) and `{+name}` (anything), for matching.
package struct URITemplate: Sendable {
    private enum Part: Sendable, Equatable {
        case literal(String)
        /// Matches one or more characters other than `/`, `?` and `#`.
        case segment(String)
        /// Matches one or more characters.
        case rest(String)
    }

    private let parts: [Part]
    package let variables: [String]

    /// `nil` for unbalanced braces, names other than letters, digits and `_`, a name given twice, or two variables side
    /// by side.
    package init?(_ text: String) {
        var parts: [Part] = []
        var variables: [String] = []
        var remaining = text[...]
        while !remaining.isEmpty {
            let literal = remaining.prefix { $0 != "{" && $0 != "}" }
            if !literal.isEmpty { parts.append(.literal(String(literal))) }
            remaining = remaining.dropFirst(literal.count)
            guard let brace = remaining.first else { break }
            guard brace == "{", let end = remaining.firstIndex(of: "}") else { return nil }
            var name = remaining[remaining.index(after: remaining.startIndex)..<end]
            let matchesAll = name.first == "+"
            if matchesAll { name = name.dropFirst() }
            guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }),
                !variables.contains(String(name))
            else { return nil }
            if case .segment? = parts.last { return nil }
            if case .rest? = parts.last { return nil }
            parts.append(matchesAll ? .rest(String(name)) : .segment(String(name)))
            variables.append(String(name))
            remaining = remaining[remaining.index(after: end)...]
        }
        self.parts = parts
        self.variables = variables
    }

    /// The variables with which the template gives `uri`; `nil` when it does not, or its escapes are broken.
    ///
    /// A variable takes as much as it can up to the next literal's first occurrence; work is linear in the URI.
    package func match(_ uri: String) -> URIVariables? {
        var values: [String: String] = [:]
        var remaining = uri[...]
        for (index, part) in self.parts.enumerated() {
            switch part {
            case .literal(let text):
                guard remaining.hasPrefix(text) else { return nil }
                remaining = remaining.dropFirst(text.count)
            case .segment(let name), .rest(let name):
                let end: String.Index
                if index + 1 < self.parts.count, case .literal(let next) = self.parts[index + 1] {
                    guard let found = remaining.firstOccurrence(of: next) else { return nil }
                    end = found
                } else {
                    end = remaining.endIndex
                }
                let taken = remaining[..<end]
                if case .segment = part, taken.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" }) { return nil }
                guard !taken.isEmpty, let decoded = taken.removingPercentEscapes() else { return nil }
                values[name] = decoded
                remaining = remaining[end...]
            }
        }
        return remaining.isEmpty ? URIVariables(uri: uri, values: values) : nil
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

extension Substring {
    fileprivate func firstOccurrence(of text: String) -> Index? {
        var position = self.startIndex
        while position < self.endIndex {
            if self[position...].hasPrefix(text) { return position }
            position = self.index(after: position)
        }
        return nil
    }

    /// The text with `%XX` decoded; `nil` when an escape is broken or the result is no UTF-8.
    fileprivate func removingPercentEscapes() -> String? {
        guard self.utf8.contains(UInt8(ascii: "%")) else { return String(self) }
        var bytes: [UInt8] = []
        var iterator = self.utf8.makeIterator()
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
