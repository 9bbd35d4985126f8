/// The limits of one HTTP/1.1 request. A request beyond one of them is refused with the status given there.
package struct HTTPLimits: Sendable, Equatable {
    /// Bytes of the request line and all fields, line ends included; the same number bounds the trailer section of a
    /// chunked body. Beyond it 431. Default 16 KiB.
    package var headBytesMax: Int
    /// Fields in the head; the same number bounds the trailer section. Beyond it 431. Default 100.
    package var fieldCountMax: Int
    /// Bytes of the request target. Beyond it 414. Default 2 KiB, less than `headBytesMax`.
    package var targetBytesMax: Int
    /// Bytes of the body, chunked framing taken off. Beyond it 413. Default 4 MiB.
    package var bodyBytesMax: Int
    /// Bytes of all chunk extensions of one body, from each `;` to its line end. Beyond it 413. Default 4 KiB.
    package var chunkExtensionBytesMax: Int

    package init(
        headBytesMax: Int = 16 * 1024,
        fieldCountMax: Int = 100,
        targetBytesMax: Int = 2 * 1024,
        bodyBytesMax: Int = 4 * 1024 * 1024,
        chunkExtensionBytesMax: Int = 4 * 1024
    ) {
        precondition(fieldCountMax > 0 && chunkExtensionBytesMax >= 0, "limits are not negative")
        precondition(targetBytesMax > 0 && targetBytesMax < headBytesMax, "the target lies within the head")
        precondition((0...Int(Int32.max)).contains(bodyBytesMax), "a body is shorter than 2 GiB")
        precondition(headBytesMax <= Int(Int32.max), "a head is shorter than 2 GiB")
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
        self.targetBytesMax = targetBytesMax
        self.bodyBytesMax = bodyBytesMax
        self.chunkExtensionBytesMax = chunkExtensionBytesMax
    }
}
