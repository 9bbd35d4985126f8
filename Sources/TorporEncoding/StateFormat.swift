/// Format 1 of encoded values; `docs/formats/state-encoding.md` specifies it byte by byte.
package enum StateFormat {
    /// The first byte of what is written. Formats up to this one are read.
    package static let version: UInt8 = 1
    /// Containers that may be open at once, while encoding and while decoding.
    package static let depthMax = 128
    /// Bytes an encoding takes at most, so that offsets fit 32 bits.
    package static let sizeMax = Int(Int32.max)

    /// The first byte of a value. Those not listed are kept for later formats.
    enum Tag {
        /// Below it: an integer from -64 to 63 in the tag itself.
        static let shortString: UInt8 = 0x80
        /// From `shortString` up to here, exclusive: a string of 0 to 63 bytes.
        static let shortStringEnd: UInt8 = 0xC0
        static let null: UInt8 = 0xC0
        static let `false`: UInt8 = 0xC1
        static let `true`: UInt8 = 0xC2
        static let integer: UInt8 = 0xC3
        static let float: UInt8 = 0xC4
        static let double: UInt8 = 0xC5
        static let string: UInt8 = 0xC6
        static let bytes: UInt8 = 0xC7
        static let keyed: UInt8 = 0xC8
        static let unkeyed: UInt8 = 0xC9
        static let decimal: UInt8 = 0xCA
    }
}
