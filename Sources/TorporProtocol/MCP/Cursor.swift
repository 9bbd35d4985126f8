import TorporJSON

/// A place in a list, written so that the server has nothing to remember between pages.
///
/// It names the list it belongs to, so that a cursor of another list, or of a list that has changed shape, is refused
/// instead of skipping entries. Opaque to clients.
package struct Cursor: Sendable, Equatable {
    /// Which list, and which state of it: any number that changes when the list does.
    package let list: UInt32
    /// The index of the first entry of the page.
    package let offset: Int

    package init(list: UInt32, offset: Int) {
        self.list = list
        self.offset = offset
    }

    package var text: String {
        var bytes: [UInt8] = []
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: self.list >> shift))
        }
        for shift in stride(from: UInt32(24), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: UInt32(self.offset) >> shift))
        }
        return Base64.encodeURLSafe(bytes)
    }

    /// Reads a cursor that a client sent back; `nil` when it is none of ours.
    package init?(parsing text: String) {
        guard let bytes = Base64.decodeURLSafe(Array(text.utf8)), bytes.count == 8 else { return nil }
        self.list = bytes[0..<4].reduce(0) { $0 << 8 | UInt32($1) }
        self.offset = Int(bytes[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }

    package static let invalid = MCPError.invalidParams(
        "The cursor is not one of this list. Start again without a cursor.")
}
