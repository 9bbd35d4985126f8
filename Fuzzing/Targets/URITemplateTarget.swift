import Torpor

extension FuzzTarget {
    /// A template matches a URI exactly as a slow matcher of bytes does, and no segment takes in a delimiter.
    ///
    /// Inputs: the template, a line feed, the URI.
    static let uriTemplate = FuzzTarget(
        "uri-template", shape: .bytes, lengthMax: 512,
        dictionary: [
            "{a}", "{b}", "{+a}", "{", "}", "x://", "/", "?", "#", "%2F", "%41", "%C3%A9", "%", "%zz", ".json",
        ]
    ) { input throws(PropertyViolation) in
        let templateEnd = input.firstIndex(of: 0x0A) ?? input.count
        guard let template = String(validating: input[..<templateEnd], as: UTF8.self),
            let uri = String(validating: input[min(templateEnd + 1, input.count)...], as: UTF8.self)
        else { return "no text" }
        let compiled = URITemplate(template)
        let model = TemplateModel(Array(template.utf8))
        try require(
            compiled?.variables == model?.variables, "a template is read as its grammar says",
            "\(template): \(compiled?.variables ?? []), \(model?.variables ?? [])")
        guard let compiled, let model else { return "no template" }
        let found = compiled.match(uri)?.values.mapValues { Array($0.utf8) }
        let expected = model.match(Array(uri.utf8))
        try require(
            found == expected, "a template matches as its bytes do",
            "\(escaped(input)): \(found.map { "\($0)" } ?? "nil"), \(expected.map { "\($0)" } ?? "nil")")
        return found.map { "match \(min($0.count, 3))" } ?? "no match"
    }
}

/// A template over bytes.
private struct TemplateModel {
    private enum Part { case literal([UInt8]), variable(String, isRest: Bool) }

    private var parts: [Part] = []
    private(set) var variables: [String] = []

    init?(_ template: [UInt8]) {
        var rest = template[...]
        var isAfterVariable = false
        while let byte = rest.first {
            guard byte == UInt8(ascii: "{") else {
                let literal = rest.prefix { $0 != UInt8(ascii: "{") }
                guard !literal.contains(UInt8(ascii: "}")) else { return nil }
                self.parts.append(.literal(Array(literal)))
                rest = rest.dropFirst(literal.count)
                isAfterVariable = false
                continue
            }
            guard !isAfterVariable, let end = rest.firstIndex(of: UInt8(ascii: "}")) else { return nil }
            let isRest = rest.dropFirst().first == UInt8(ascii: "+")
            let bytes = rest[(rest.startIndex + (isRest ? 2 : 1))..<end]
            let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_".utf8
            let name = String(decoding: bytes, as: UTF8.self)
            guard !bytes.isEmpty, bytes.allSatisfy(letters.contains), !self.variables.contains(name) else {
                return nil
            }
            self.parts.append(.variable(name, isRest: isRest))
            self.variables.append(name)
            rest = rest[(end + 1)...]
            isAfterVariable = true
        }
    }

    func match(_ uri: [UInt8]) -> [String: [UInt8]]? {
        var values: [String: [UInt8]] = [:]
        var rest = uri[...]
        for (index, part) in self.parts.enumerated() {
            switch part {
            case .literal(let literal):
                guard rest.starts(with: literal) else { return nil }
                rest = rest.dropFirst(literal.count)
            case .variable(let name, let isRest):
                var end = rest.endIndex
                if index + 1 < self.parts.count, case .literal(let next) = self.parts[index + 1] {
                    guard let found = rest.indices.first(where: { rest[$0...].starts(with: next) }) else { return nil }
                    end = found
                }
                let taken = rest[..<end]
                if !isRest, taken.contains(where: { "/?#".utf8.contains($0) }) { return nil }
                guard !taken.isEmpty, let decoded = Self.decoded(taken) else { return nil }
                values[name] = decoded
                rest = rest[end...]
            }
        }
        return rest.isEmpty ? values : nil
    }

    /// `nil` for broken escapes, and for what is no UTF-8 when they are decoded.
    private static func decoded(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: decoded, as: UTF8.self) == nil ? nil : decoded
    }
}
