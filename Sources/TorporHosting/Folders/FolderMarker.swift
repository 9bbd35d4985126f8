import Glibc
import TorporCore
import TorporJSON

/// What is written beside a folder on disk, so that whoever finds it knows whose it is.
struct FolderMarker: Equatable {
    enum Phase: String, Codable {
        /// The folder is not whole yet, and nobody has worked in it.
        case restoring
        /// Somebody works in it, or has.
        case inUse
    }

    var key: FolderKey
    var phase: Phase
    var lineage: FolderLineage
    /// Names the time since the machine was started.
    var boot: String

    // MARK: Text

    private struct Text: Codable {
        var format: Int
        var id: String
        var account: String
        var isAnonymous: Bool
        var retentionMilliseconds: Int64
        var phase: Phase
        var run: UInt64
        var generation: UInt64
        var boot: String
    }

    private static let format = 1
    static let fileMax = 4_096

    init(key: FolderKey, phase: Phase, lineage: FolderLineage, boot: String) {
        self.key = key
        self.phase = phase
        self.lineage = lineage
        self.boot = boot
    }

    /// Reads what ``bytes`` writes; `nil` for anything else.
    init?(_ bytes: [UInt8]) {
        let text: Text
        do { text = try JSONBytesDecoder.decode(Text.self, from: bytes) } catch { return nil }
        guard text.format == Self.format, let id = StateObjectID(text.id), let account = StateObjectID(text.account),
            text.retentionMilliseconds > 0
        else { return nil }
        self.key = FolderKey(
            id: id, account: text.isAnonymous ? .anonymous(account.bits) : .principal(account.bits),
            retention: .milliseconds(text.retentionMilliseconds))
        self.phase = text.phase
        self.lineage = FolderLineage(run: text.run, generation: text.generation)
        self.boot = text.boot
    }

    var bytes: [UInt8] {
        let text = Text(
            format: Self.format, id: self.key.id.description,
            account: StateObjectID(bits: self.key.account.bits).description, isAnonymous: self.key.account.isAnonymous,
            retentionMilliseconds: Int64(max(1, self.key.retention.wholeMilliseconds)), phase: self.phase,
            run: self.lineage.run, generation: self.lineage.generation, boot: self.boot)
        do {
            return try JSONBytesEncoder.encode(text) + Array("\n".utf8)
        } catch {
            preconditionFailure("numbers and texts can be encoded: \(error)")
        }
    }
}
