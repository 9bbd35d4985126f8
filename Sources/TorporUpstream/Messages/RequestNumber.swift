/// The id of one of our requests, as it stands on the wire; never used twice in a conversation.
package struct RequestNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: Int

    package init(_ value: Int) { self.value = value }

    package static func < (left: RequestNumber, right: RequestNumber) -> Bool { left.value < right.value }
    package var description: String { String(self.value) }
}
