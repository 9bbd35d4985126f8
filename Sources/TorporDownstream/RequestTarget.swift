/// Puts URLs together, so that nothing in a part can change another.
enum RequestTarget {
    /// - Returns: `nil` when a segment is empty, or `.` or `..`, which servers would take for something else.
    static func url(_ base: String, _ path: [String], _ query: KeyValuePairs<String, String>) -> String? {
        var url = base
        for segment in path {
            guard !segment.isEmpty, segment != ".", segment != ".." else { return nil }
            url += "/"
            self.append(segment, to: &url)
        }
        for (index, member) in query.enumerated() {
            url += index == 0 ? "?" : "&"
            self.append(member.key, to: &url)
            url += "="
            self.append(member.value, to: &url)
        }
        return url
    }

    /// Appends unreserved characters as they are, and all else by its bytes (RFC 3986, 2.1 and 2.3).
    private static func append(_ text: String, to url: inout String) {
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                url.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                url += (byte < 0x10 ? "%0" : "%") + digits
            }
        }
    }
}
