import CZstd
import Synchronization
import TorporCore

/// Compresses values with zstd.
///
/// Contexts are kept for use again, one of each kind; callers that come at the same time make their own and drop it
/// afterwards. None is made before the first use. ``trim()`` drops those that are kept.
///
/// Frames hold neither the value's length nor a checksum: the record around them has both.
package final class ZstdCompression: ValueCompression {
    /// How much is tried.
    package let level: Int

    private struct Contexts {
        var compressor: OpaquePointer?
        var decompressor: OpaquePointer?
    }

    // `OpaquePointer` is not `Sendable`; the mutex hands each to one caller at a time.
    private struct Kept: @unchecked Sendable { var contexts = Contexts() }
    private let kept = Mutex(Kept())

    /// How far back a match may lie, as a power of two: 128 KiB. Larger windows cost memory, and values are rarely
    /// larger.
    private static var windowLog: Int32 { 17 }
    /// Sizes of the tables in which matches are looked for, as powers of two.
    private static var tableLog: Int32 { 14 }

    /// - Parameter level: 1 to 9: a higher one takes more time and, from 3 on, saves a few percent.
    package init(level: Int = 1) {
        precondition((1...9).contains(level), "a level of zstd lies between 1 and 9")
        self.level = level
    }

    deinit { self.trim() }

    package func compress(_ raw: RawSpan, into output: inout [UInt8]) -> Bool {
        guard raw.byteCount > 1, let context = self.takeCompressor() else { return false }
        defer { self.giveBack(compressor: context) }
        let start = output.count
        let room = raw.byteCount - 1
        output.append(contentsOf: repeatElement(0, count: room))
        let count = raw.withUnsafeBytes { raw in
            output.withUnsafeMutableBytes { output in
                ZSTD_compress2(context, output.baseAddress! + start, room, raw.baseAddress, raw.count)
            }
        }
        guard ZSTD_isError(count) == 0 else {
            output.removeLast(room)
            return false
        }
        output.removeLast(room - count)
        return true
    }

    package func decompress(_ compressed: RawSpan, into raw: UnsafeMutableRawBufferPointer) -> Bool {
        guard let context = self.takeDecompressor() else { return false }
        defer { self.giveBack(decompressor: context) }
        let count = compressed.withUnsafeBytes {
            ZSTD_decompressDCtx(context, raw.baseAddress, raw.count, $0.baseAddress, $0.count)
        }
        return ZSTD_isError(count) == 0 && count == raw.count
    }

    /// Drops the contexts that are kept; the next callers make new ones.
    package func trim() {
        let contexts = self.kept.withLock { kept in
            defer { kept = Kept() }
            return kept
        }.contexts
        ZSTD_freeCCtx(contexts.compressor)
        ZSTD_freeDCtx(contexts.decompressor)
    }

    /// Bytes that the kept contexts take.
    package var residentBytes: Int {
        self.kept.withLock {
            ZSTD_sizeof_CCtx($0.contexts.compressor) + ZSTD_sizeof_DCtx($0.contexts.decompressor)
        }
    }

    // MARK: Contexts

    /// `nil` when there is no memory for one.
    private func takeCompressor() -> OpaquePointer? {
        let taken = self.kept.withLock { kept -> Kept in
            defer { kept.contexts.compressor = nil }
            return Kept(contexts: Contexts(compressor: kept.contexts.compressor))
        }
        if let context = taken.contexts.compressor { return context }
        guard let context = ZSTD_createCCtx() else { return nil }
        let parameters: [(ZSTD_cParameter, Int32)] = [
            (ZSTD_c_compressionLevel, Int32(self.level)), (ZSTD_c_windowLog, Self.windowLog),
            (ZSTD_c_hashLog, Self.tableLog), (ZSTD_c_chainLog, Self.tableLog),
            (ZSTD_c_contentSizeFlag, 0), (ZSTD_c_checksumFlag, 0),
        ]
        for (parameter, value) in parameters {
            let result = ZSTD_CCtx_setParameter(context, parameter, value)
            precondition(ZSTD_isError(result) == 0, "the parameters lie within zstd's bounds")
        }
        return context
    }

    private func giveBack(compressor: OpaquePointer) {
        let given = Kept(contexts: Contexts(compressor: compressor))
        let surplus = self.kept.withLock { kept -> Kept in
            guard kept.contexts.compressor == nil else { return given }
            kept.contexts.compressor = given.contexts.compressor
            return Kept()
        }
        ZSTD_freeCCtx(surplus.contexts.compressor)
    }

    private func takeDecompressor() -> OpaquePointer? {
        let taken = self.kept.withLock { kept -> Kept in
            defer { kept.contexts.decompressor = nil }
            return Kept(contexts: Contexts(decompressor: kept.contexts.decompressor))
        }
        return taken.contexts.decompressor ?? ZSTD_createDCtx()
    }

    private func giveBack(decompressor: OpaquePointer) {
        let given = Kept(contexts: Contexts(decompressor: decompressor))
        let surplus = self.kept.withLock { kept -> Kept in
            guard kept.contexts.decompressor == nil else { return given }
            kept.contexts.decompressor = given.contexts.decompressor
            return Kept()
        }
        ZSTD_freeDCtx(surplus.contexts.decompressor)
    }
}
