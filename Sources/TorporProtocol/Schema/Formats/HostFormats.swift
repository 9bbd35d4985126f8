/// Host names, addresses and mailboxes.
enum HostFormats {
    /// Labels of letters, digits and inner hyphens (RFC 1123), at most 63 characters each and 253 in all. Labels in
    /// Punycode are taken for what they look like.
    static func isHostname(_ bytes: [UInt8]) -> Bool {
        guard (1...253).contains(bytes.count) else { return false }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
            return first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
                && label.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
        }
    }

    static func isIPv4(_ bytes: ArraySlice<UInt8>) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                (1...3).contains(part.count) && part.allSatisfy(\.isASCIIDigit)
                    && (part.count == 1 || part.first != UInt8(ascii: "0"))
                    && part.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } <= 255
            }
    }

    static func isIPv6(_ bytes: ArraySlice<UInt8>) -> Bool {
        let groups = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard groups.count >= 3, let first = groups.first, let last = groups.last else { return false }
        // `::` at an end leaves two empty groups there, in the middle one.
        var empty = groups.dropFirst().dropLast().filter(\.isEmpty).count
        if first.isEmpty {
            guard groups[1].isEmpty else { return false }
        }
        if last.isEmpty {
            guard groups[groups.count - 2].isEmpty else { return false }
        }
        if first.isEmpty, last.isEmpty { guard groups.count == 3 else { return false } }
        guard empty <= 1 else { return false }
        var count = 0
        for (index, group) in groups.enumerated() where !group.isEmpty {
            if index == groups.count - 1, group.contains(UInt8(ascii: ".")) {
                guard self.isIPv4(group) else { return false }
                count += 2
            } else {
                guard group.count <= 4, group.allSatisfy({ $0.hexadecimalValue != nil }) else { return false }
                count += 1
            }
        }
        if first.isEmpty || last.isEmpty { empty = 1 }
        return empty == 1 ? count <= 7 : count == 8
    }

    /// A mailbox of RFC 5321, section 4.1.2; of RFC 6531 when international.
    static func isEmail(_ bytes: [UInt8], isInternational: Bool) -> Bool {
        guard let at = bytes.lastIndex(of: UInt8(ascii: "@")) else { return false }
        return self.isLocalPart(bytes[..<at], isInternational)
            && self.isMailDomain(Array(bytes[(at + 1)...]), isInternational)
    }

    private static func isLocalPart(_ bytes: ArraySlice<UInt8>, _ isInternational: Bool) -> Bool {
        guard (1...64).contains(bytes.count) || isInternational && !bytes.isEmpty else { return false }
        if bytes.first == UInt8(ascii: "\""), bytes.count > 1, bytes.last == UInt8(ascii: "\"") {
            var isEscaped = false
            for byte in bytes.dropFirst().dropLast() {
                guard byte >= 0x20, byte < 0x7F || (isInternational && byte > 0x7F) else { return false }
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    return false
                }
            }
            return !isEscaped
        }
        let others = Array("!#$%&'*+-/=?^_`{|}~".utf8)
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { atom in
            !atom.isEmpty
                && atom.allSatisfy {
                    $0.isASCIILetter || $0.isASCIIDigit || others.contains($0) || (isInternational && $0 >= 0x80)
                }
        }
    }

    private static func isMailDomain(_ bytes: [UInt8], _ isInternational: Bool) -> Bool {
        if bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") {
            let literal = bytes.dropFirst().dropLast()
            if literal.starts(with: Array("IPv6:".utf8)) { return self.isIPv6(literal.dropFirst(5)) }
            return self.isIPv4(literal)
        }
        // What a label in another script becomes is not known here; letters of any script stand for themselves.
        return self.isHostname(isInternational ? bytes.map { $0 < 0x80 ? $0 : UInt8(ascii: "x") } : bytes)
    }
}
