/// Turns the free-form labels and dimensions of swift-metrics into what Prometheus allows.
enum MetricName {
    /// Bytes of a label value that are kept; the rest is cut, so that no caller's input makes a series large.
    static let labelValueBytesMax = 256

    /// A metric name: letters, digits, `_` and `:`, not starting with a digit.
    ///
    /// - Parameter suffix: Appended unless the name ends in it.
    static func metric(_ label: String, suffix: String = "") -> String {
        let name = self.sanitised(label, allowsColon: true)
        let prefix = name.utf8.first.map(self.isDigit) ?? true ? "_" : ""
        return prefix + name + (name.hasSuffix(suffix) ? "" : suffix)
    }

    /// The inside of a label set, as it stands between braces: `a="1",b="2"`, sorted by name, values escaped.
    ///
    /// Dimensions whose names become the same are joined with `;`, as OpenTelemetry's exporters do. A name that may
    /// not stand (one that starts with a digit or with `__`, is empty, or is `reserved`) is prefixed with `key_`.
    static func labels(_ dimensions: [(String, String)], reserved: String? = nil) -> String {
        var values: [(name: String, value: String)] = []
        for (name, value) in dimensions {
            let name = self.labelName(name, reserved: reserved)
            if let index = values.firstIndex(where: { $0.name == name }) {
                values[index].value += ";" + value
            } else {
                values.append((name, value))
            }
        }
        values.sort { $0.name < $1.name }
        return values.map { "\($0.name)=\"\(self.escaped(self.cut($0.value)))\"" }.joined(separator: ",")
    }

    /// The value of one label of what ``labels(_:reserved:)`` has made; `nil` when it is not there.
    static func value(of name: String, in labels: String) -> String? {
        var rest = labels.unicodeScalars[...]
        while let sign = rest.firstIndex(of: "=") {
            let isWanted = rest[..<sign].elementsEqual(name.unicodeScalars)
            rest = rest[sign...].dropFirst(2)  // The sign and the quote.
            var value = String.UnicodeScalarView()
            var isEscaped = false
            while let scalar = rest.popFirst(), isEscaped || scalar != "\"" {
                if !isEscaped, scalar == "\\" {
                    isEscaped = true
                } else {
                    value.append(isEscaped && scalar == "n" ? "\n" : scalar)
                    isEscaped = false
                }
            }
            if isWanted { return String(value) }
            rest = rest.dropFirst()  // The comma.
        }
        return nil
    }

    /// Escapes backslash, line feed and, in label values, the double quote.
    static func escaped(_ text: String, quotes: Bool = true) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == 0x0A || $0 == UInt8(ascii: "\"") })
        else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += #"\\"#
            case "\n": result += #"\n"#
            case "\"" where quotes: result += #"\""#
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func labelName(_ name: String, reserved: String?) -> String {
        let name = self.sanitised(name, allowsColon: false)
        let startsWithDigit = name.utf8.first.map(self.isDigit) ?? true
        return startsWithDigit || name.hasPrefix("__") || name == reserved ? "key_" + name : name
    }

    private static func sanitised(_ text: String, allowsColon: Bool) -> String {
        var name = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_": name.unicodeScalars.append(scalar)
            case ":" where allowsColon: name.unicodeScalars.append(scalar)
            default: name += "_"
            }
        }
        return name
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// The longest run of whole scalars from the start that fits in ``labelValueBytesMax``.
    private static func cut(_ value: String) -> String {
        guard value.utf8.count > self.labelValueBytesMax else { return value }
        var room = self.labelValueBytesMax
        var result = ""
        for scalar in value.unicodeScalars {
            room -= UTF8.width(scalar)
            guard room >= 0 else { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
