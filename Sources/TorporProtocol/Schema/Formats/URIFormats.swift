/// URIs (RFC 3986), IRIs (RFC 3987) and URI templates (RFC 6570).
enum URIFormats {
    static func isURI(_ bytes: [UInt8], isReference: Bool, isInternational: Bool) -> Bool {
        var rest = bytes[...]
        if let mark = rest.firstIndex(of: UInt8(ascii: "#")) {
            guard self.hasOnly(rest[(mark + 1)...], Self.pathExtras + "/?", isInternational) else { return false }
            rest = rest[..<mark]
        }
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            guard self.hasOnly(rest[(mark + 1)...], Self.pathExtras + "/?", isInternational) else { return false }
            rest = rest[..<mark]
        }
        let segmentEnd = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        if let colon = rest[..<segmentEnd].firstIndex(of: UInt8(ascii: ":")) {
            // A relative path has no colon in its first segment.
            guard self.isScheme(rest[..<colon]) else { return false }
            rest = rest[(colon + 1)...]
        } else if !isReference {
            return false
        }
        if rest.starts(with: Array("//".utf8)) {
            rest = rest.dropFirst(2)
            let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
            guard self.isAuthority(rest[..<end], isInternational) else { return false }
            rest = rest[end...]
        }
        return self.hasOnly(rest, Self.pathExtras + "/", isInternational)
    }

    /// What stands in a path beside letters, digits and `-._~`.
    private static let pathExtras = "!$&'()*+,;=:@"

    private static func isScheme(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, first.isASCIILetter else { return false }
        return bytes.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "+-.".utf8.contains($0) }
    }

    private static func isAuthority(_ bytes: ArraySlice<UInt8>, _ isInternational: Bool) -> Bool {
        var rest = bytes
        if let at = rest.lastIndex(of: UInt8(ascii: "@")) {
            guard self.hasOnly(rest[..<at], "!$&'()*+,;=:", isInternational) else { return false }
            rest = rest[(at + 1)...]
        }
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else { return false }
            let literal = rest[(rest.startIndex + 1)..<end]
            guard HostFormats.isIPv6(literal) || self.isFutureAddress(literal) else { return false }
            rest = rest[(end + 1)...]
            guard rest.isEmpty || rest.first == UInt8(ascii: ":") else { return false }
            return rest.dropFirst().allSatisfy(\.isASCIIDigit)
        }
        if let colon = rest.lastIndex(of: UInt8(ascii: ":")) {
            guard rest[(colon + 1)...].allSatisfy(\.isASCIIDigit) else { return false }
            rest = rest[..<colon]
        }
        return self.hasOnly(rest, "!$&'()*+,;=", isInternational)
    }

    /// `v1.x`, an address of a version to come.
    private static func isFutureAddress(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, first | 0x20 == UInt8(ascii: "v"),
            let point = bytes.firstIndex(of: UInt8(ascii: "."))
        else { return false }
        let version = bytes[(bytes.startIndex + 1)..<point]
        let rest = bytes[(point + 1)...]
        return !version.isEmpty && version.allSatisfy { $0.hexadecimalValue != nil } && !rest.isEmpty
            && !rest.contains(UInt8(ascii: "%")) && self.hasOnly(rest, "!$&'()*+,;=:", false)
    }

    /// Whether there are only unreserved characters, whole percent-encodings, and `extras`.
    private static func hasOnly(_ bytes: ArraySlice<UInt8>, _ extras: String, _ isInternational: Bool) -> Bool {
        let extras = Array(extras.utf8)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.endIndex, bytes[index + 1].hexadecimalValue != nil,
                    bytes[index + 2].hexadecimalValue != nil
                else { return false }
                index += 3
                continue
            }
            guard
                byte.isASCIILetter || byte.isASCIIDigit || "-._~".utf8.contains(byte) || extras.contains(byte)
                    || (isInternational && byte >= 0x80)
            else { return false }
            index += 1
        }
        return true
    }

    // MARK: Templates

    static func isTemplate(_ bytes: [UInt8]) -> Bool {
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"):
                guard let end = bytes[index...].firstIndex(of: UInt8(ascii: "}")),
                    self.isExpression(bytes[(index + 1)..<end])
                else { return false }
                index = end + 1
            case UInt8(ascii: "%"):
                guard index + 2 < bytes.count, bytes[index + 1].hexadecimalValue != nil,
                    bytes[index + 2].hexadecimalValue != nil
                else { return false }
                index += 3
            case let byte where byte <= 0x20 || byte == 0x7F || "\"<>\\^`|}".utf8.contains(byte): return false
            default: index += 1
            }
        }
        return true
    }

    /// `+a,b:3,c*`: what stands between the braces.
    private static func isExpression(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        if let first = rest.first, "+#./;?&".utf8.contains(first) { rest = rest.dropFirst() }
        return rest.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).allSatisfy { variable in
            var name = variable
            if name.last == UInt8(ascii: "*") {
                name = name.dropLast()
            } else if let colon = name.firstIndex(of: UInt8(ascii: ":")) {
                let length = name[(colon + 1)...]
                guard (1...4).contains(length.count), length.first != UInt8(ascii: "0"),
                    length.allSatisfy(\.isASCIIDigit)
                else { return false }
                name = name[..<colon]
            }
            return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty && !part.contains(UInt8(ascii: "-")) && !part.contains(UInt8(ascii: "~"))
                    && self.hasOnly(part, "", false)
            }
        }
    }
}
