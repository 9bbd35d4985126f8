/// A path from a folder on: names joined by `/`, of any bytes but NUL. They need be no text.
package struct FolderPath: Hashable, Comparable, Sendable {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The folder itself.
    static let root = FolderPath([])

    private static let slash = UInt8(ascii: "/")

    /// The path of what lies in this folder under a name.
    func appending(_ name: [UInt8]) -> FolderPath {
        FolderPath(self.bytes.isEmpty ? name : self.bytes + [Self.slash] + name)
    }

    /// The folder in which it lies.
    var parent: FolderPath {
        FolderPath(Array(self.bytes[..<(self.bytes.lastIndex(of: Self.slash) ?? 0)]))
    }

    /// The last name.
    var name: [UInt8] {
        Array(self.bytes[(self.bytes.lastIndex(of: Self.slash).map { $0 + 1 } ?? 0)...])
    }

    var names: [[UInt8]] { self.bytes.split(separator: Self.slash, omittingEmptySubsequences: false).map(Array.init) }

    /// Whether it stays inside its folder and can be made: no name is empty, `.` or `..`, and there is no NUL.
    var isSound: Bool {
        let dot = UInt8(ascii: ".")
        return !self.bytes.isEmpty && !self.bytes.contains(0)
            && self.names.allSatisfy { !$0.isEmpty && $0 != [dot] && $0 != [dot, dot] }
    }

    /// By bytes, so that a folder comes before what lies in it.
    package static func < (left: FolderPath, right: FolderPath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

extension FolderPath: CustomStringConvertible {
    /// For people: what is no printable text as `\x1b`, and at most 200 characters.
    package var description: String {
        guard !self.bytes.isEmpty else { return "." }
        var text = ""
        for scalar in self.scalars {
            guard text.count < 200 else { return text + "…" }
            text += scalar
        }
        return text
    }

    private var scalars: [String] {
        if let text = String(validating: self.bytes, as: UTF8.self) {
            return text.unicodeScalars.map { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                    scalar.escaped(asASCII: true)
                default: String(scalar)
                }
            }
        }
        return self.bytes.map { byte in
            (0x20..<0x7F).contains(byte)
                ? String(Unicode.Scalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}

extension FolderPath: Codable {
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode([UInt8].self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.bytes)
    }
}
