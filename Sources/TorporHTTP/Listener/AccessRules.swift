import TorporProtocol

/// Which `Host` and `Origin` a request may carry: the guard against DNS rebinding and foreign web pages
/// (2026-07-28 and 2025-11-25, transports, security).
package struct AccessRules: Sendable {
    private let hosts: [[UInt8]]
    private let origins: [[UInt8]]
    private let anyHost: Bool

    private static let loopbackHosts = ["localhost", "127.0.0.1", "[::1]"]

    package init(_ configuration: HTTPConfiguration) {
        // Any loopback address that is listened at, such as 127.0.0.2, is a name as good as the usual ones.
        let own = configuration.isLoopback ? [configuration.host] : []
        self.hosts = (Self.loopbackHosts + own + configuration.allowedHosts).map { Array($0.lowercased().utf8) }
        self.origins = configuration.allowedOrigins.map { Array($0.lowercased().utf8) }
        self.anyHost = !configuration.isLoopback && configuration.allowedHosts.isEmpty
    }

    /// Whether the server may be addressed by this `Host`, whatever its port.
    package func allows(host: Range<Int>, in bytes: Span<UInt8>) -> Bool {
        self.anyHost
            || Self.name(of: host, in: bytes).map { name in self.hosts.contains { bytes.equalsIgnoringCase(name, $0) } }
                ?? false
    }

    /// Whether pages of this `Origin` may call: loopback ones, and those that were allowed.
    package func allows(origin: Range<Int>, in bytes: Span<UInt8>) -> Bool {
        if self.origins.contains(where: { bytes.equalsIgnoringCase(origin, $0) }) { return true }
        for scheme in ["http://", "https://"] as [StaticString] {
            let end = origin.lowerBound + scheme.utf8CodeUnitCount
            guard end < origin.upperBound, bytes.matches(scheme, at: origin.lowerBound..<end),
                let name = Self.name(of: end..<origin.upperBound, in: bytes)
            else { continue }
            return Self.loopbackHosts.contains { bytes.equalsIgnoringCase(name, Array($0.utf8)) }
        }
        return false
    }

    /// The host of `host:port`; `nil` when what follows it is no port.
    private static func name(of range: Range<Int>, in bytes: Span<UInt8>) -> Range<Int>? {
        var end = range.upperBound
        while end > range.lowerBound, (0x30...0x39).contains(bytes[end - 1]) { end -= 1 }
        if end > range.lowerBound, bytes[end - 1] == UInt8(ascii: ":"), end < range.upperBound {
            return range.lowerBound..<end - 1
        }
        return range
    }
}

extension Span<UInt8> {
    /// Whether the bytes at `range` are `lowercased`, letters compared without case.
    fileprivate func equalsIgnoringCase(_ range: Range<Int>, _ lowercased: [UInt8]) -> Bool {
        guard range.count == lowercased.count else { return false }
        for offset in 0..<range.count {
            var byte = self[range.lowerBound + offset]
            if (0x41...0x5A).contains(byte) { byte |= 0x20 }
            if byte != lowercased[offset] { return false }
        }
        return true
    }
}
