/// The formats that can be asserted. Others, and these unless asked for, only annotate.
enum StringFormat: String, Sendable, CaseIterable {
    case dateTime = "date-time"
    case date, time, duration
    case email
    case internationalEmail = "idn-email"
    case hostname
    case ipv4, ipv6
    case uri
    case uriReference = "uri-reference"
    case iri
    case iriReference = "iri-reference"
    case uriTemplate = "uri-template"
    case uuid
    case jsonPointer = "json-pointer"
    case relativeJSONPointer = "relative-json-pointer"
    case regex

    func accepts(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return switch self {
        case .dateTime: DateFormats.isDateTime(bytes)
        case .date: DateFormats.isDate(bytes)
        case .time: DateFormats.isTime(bytes)
        case .duration: DateFormats.isDuration(bytes)
        case .email: HostFormats.isEmail(bytes, isInternational: false)
        case .internationalEmail: HostFormats.isEmail(bytes, isInternational: true)
        case .hostname: HostFormats.isHostname(bytes)
        case .ipv4: HostFormats.isIPv4(bytes[...])
        case .ipv6: HostFormats.isIPv6(bytes[...])
        case .uri: URIFormats.isURI(bytes, isReference: false, isInternational: false)
        case .uriReference: URIFormats.isURI(bytes, isReference: true, isInternational: false)
        case .iri: URIFormats.isURI(bytes, isReference: false, isInternational: true)
        case .iriReference: URIFormats.isURI(bytes, isReference: true, isInternational: true)
        case .uriTemplate: URIFormats.isTemplate(bytes)
        case .uuid: Self.isUUID(bytes)
        case .jsonPointer: Self.isPointer(bytes[...])
        case .relativeJSONPointer: Self.isRelativePointer(bytes)
        case .regex: Self.isPattern(text)
        }
    }

    /// What a value must be, with an example.
    var advice: String {
        switch self {
        case .dateTime: "a date and time such as 2026-07-28T12:00:00Z"
        case .date: "a date such as 2026-07-28"
        case .time: "a time with its offset such as 12:00:00Z"
        case .duration: "an ISO 8601 duration such as P1DT12H"
        case .email, .internationalEmail: "an email address such as ada@example.com"
        case .hostname: "a host name such as www.example.com"
        case .ipv4: "an IPv4 address such as 192.0.2.1"
        case .ipv6: "an IPv6 address such as 2001:db8::1"
        case .uri, .iri: "an absolute \(self.rawValue.uppercased()) such as https://example.com/a"
        case .uriReference, .iriReference: "a URI or a relative reference such as /a?b=c"
        case .uriTemplate: "a URI template such as /users/{id}"
        case .uuid: "a UUID such as 123e4567-e89b-12d3-a456-426614174000"
        case .jsonPointer: "a JSON Pointer such as /a/0"
        case .relativeJSONPointer: "a relative JSON Pointer such as 1/a"
        case .regex: "a regular expression"
        }
    }

    private static func isPattern(_ text: String) -> Bool {
        do {
            _ = try Pattern(text)
            return true
        } catch {
            return error.isUnsupported
        }
    }

    private static func isUUID(_ bytes: [UInt8]) -> Bool {
        bytes.count == 36
            && bytes.enumerated().allSatisfy { index, byte in
                [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : byte.hexadecimalValue != nil
            }
    }

    private static func isPointer(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first else { return true }
        guard first == UInt8(ascii: "/") else { return false }
        return bytes.indices.allSatisfy { index in
            guard bytes[index] == UInt8(ascii: "~") else { return true }
            return index + 1 < bytes.endIndex
                && (bytes[index + 1] == UInt8(ascii: "0") || bytes[index + 1] == UInt8(ascii: "1"))
        }
    }

    private static func isRelativePointer(_ bytes: [UInt8]) -> Bool {
        let digits = bytes.prefix(while: \.isASCIIDigit)
        guard let first = digits.first, digits.count == 1 || first != UInt8(ascii: "0") else { return false }
        let rest = bytes[digits.endIndex...]
        return rest.elementsEqual([UInt8(ascii: "#")]) || self.isPointer(rest)
    }
}
