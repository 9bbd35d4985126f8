/// `bytes` as a Swift string literal would show them.
package func escaped(_ bytes: some Collection<UInt8>) -> String {
    bytes.map { byte in
        switch byte {
        case 0x0D: "\\r"
        case 0x0A: "\\n"
        case 0x09: "\\t"
        case 0x20...0x7E: String(UnicodeScalar(byte))
        default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }.joined()
}

/// One byte for each scalar of `text`, so that "\u{FF}" gives the byte FF, which no UTF-8 text could hold.
package func latin1(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}
