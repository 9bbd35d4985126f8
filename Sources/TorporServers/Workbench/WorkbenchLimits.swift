import Torpor

/// What the tools of a workbench take at most. Reaching a limit is a tool error that names it and changes nothing.
///
/// What a space holds in all is limited as every state object is. Lengths are in Unicode scalars, as JSON Schema counts
/// them.
enum WorkbenchLimits {
    /// A note's text, a value, a cell; in UTF-8.
    static let textMax = ByteCount.kibibytes(256)
    /// Titles, keys, and the names of tables and columns.
    static let nameLengthMax = 200
    static let tagCountMax = 20
    static let tagLengthMax = 50
    static let queryLengthMax = 1_000

    static let tableCountMax = 100
    static let columnCountMax = 50
    static let rowCountMax = 10_000
    static let insertedRowsMax = 500
    static let conditionCountMax = 20

    static let queriedRowsMax = 500
    static let queriedRowsDefault = 100
    /// The cells of one query's answer.
    static let answerMax = ByteCount.mebibytes(1)
    /// Notes or keys that one listing shows.
    static let listedMax = 1_000
    static let hitCountMax = 50
    static let hitCountDefault = 10
    /// Notes that a prompt embeds, and their texts together.
    static let embeddedNotesMax = 20
    static let embeddedTextMax = ByteCount.kibibytes(64)
}

/// What rows and answers take in memory.
enum Weight {
    /// A table, beside texts.
    static let entry = 256
    static let column = 64
    static let row = 48

    /// Swift keeps up to 15 bytes in place; longer texts are objects with a header.
    static func text(_ text: String) -> Int {
        let count = text.utf8.count
        return count > 15 ? count + 48 : 0
    }

    /// A value where it lies in an array or dictionary, and what hangs from it.
    static func value(_ value: JSONValue) -> Int {
        let here = MemoryLayout<JSONValue>.stride
        switch value {
        case .null, .bool: return here
        case .number(let number): return here + self.text(number.text)
        case .string(let text): return here + self.text(text)
        case .array(let elements): return elements.reduce(here + 48) { $0 + self.value($1) }
        case .object(let object):
            return object.members.reduce(here + 48) { $0 + 16 + self.text($1.name) + self.value($1.value) }
        }
    }
}

extension ToolError {
    /// A text that is longer than texts of its kind may be, or empty or broken where a name is needed.
    static func checkName(_ name: String, _ kind: String, lengthMax: Int = WorkbenchLimits.nameLengthMax)
        throws(ToolError)
    {
        guard !name.isEmpty else { throw ToolError("A \(kind) must not be empty.") }
        let length = name.unicodeScalars.count
        guard length <= lengthMax else {
            throw ToolError(
                "A \(kind) has at most \(lengthMax) characters; this one has \(length).")
        }
        guard !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw ToolError("A \(kind) is one line without control characters.")
        }
    }

    static func checkSize(_ byteCount: Int, of kind: String) throws(ToolError) {
        guard byteCount <= WorkbenchLimits.textMax.bytes else {
            throw ToolError(
                "A \(kind) takes at most \(WorkbenchLimits.textMax); this one takes \(byteCount) bytes. Divide it."
            )
        }
    }
}
