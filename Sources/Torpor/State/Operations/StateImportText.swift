import TorporCore
import TorporEngine
import TorporJSON
import TorporProtocol
import TorporStore

/// Reads the lines of an exported object: docs/formats/export.md.
struct StateImportText {
    let header: RecordHeader
    private(set) var values = OpenedRecord(bytes: [], values: [])

    /// - Throws: ``StateOperationError/Code/malformed``, with the number of the line at fault.
    init(parsing text: [UInt8]) throws(StateOperationError) {
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).enumerated()
            .makeIterator()
        guard let (_, first) = lines.next() else { throw Self.fault(1, "there is nothing") }
        let (header, count) = try Self.header(try Self.object(1, first))
        self.header = header
        var entries: [(key: [UInt8], value: [UInt8], expiry: WallTime?)] = []
        while let (index, line) = lines.next() {
            guard entries.count < count else {
                throw Self.fault(index + 1, "the header says that there are \(count) values")
            }
            entries.append(try Self.value(index + 1, Array(line)))
        }
        guard entries.count == count else {
            throw StateOperationError(
                .malformed, "The export is cut short: its header says \(count) values, and there are \(entries.count).")
        }
        guard count > 0 else {
            throw StateOperationError(.malformed, "The export has no values; nothing is there to import.")
        }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        for (left, right) in zip(entries, entries.dropFirst()) where left.key == right.key {
            throw StateOperationError(.malformed, "The export has the same key twice.")
        }
        for entry in entries { self.add(entry) }
    }

    private mutating func add(_ entry: (key: [UInt8], value: [UInt8], expiry: WallTime?)) {
        let start = self.values.bytes.count
        self.values.bytes += entry.key
        let middle = self.values.bytes.count
        self.values.bytes += entry.value
        self.values.values.append(
            .init(key: start..<middle, value: middle..<self.values.bytes.count, expiry: entry.expiry))
    }

    private static func fault(_ line: Int, _ reason: String) -> StateOperationError {
        StateOperationError(.malformed, "Line \(line) of the export: \(reason).")
    }

    private static func object(_ line: Int, _ bytes: ArraySlice<UInt8>) throws(StateOperationError) -> JSONObject {
        // A header is short; what is not is no header.
        guard bytes.count <= 4_096, case .object(let object)? = try? JSONValue(parsing: Array(bytes)) else {
            throw self.fault(line, "it is no JSON object")
        }
        return object
    }

    private static func header(
        _ object: JSONObject
    ) throws(StateOperationError) -> (header: RecordHeader, values: Int) {
        guard object["format"] == .string(StateExportText.format) else {
            throw self.fault(1, "it does not begin a \(StateExportText.format)")
        }
        guard self.integer(object["version"]) == Int64(StateExportText.version) else {
            throw self.fault(1, "this server reads version \(StateExportText.version)")
        }
        guard let id = self.string(object["id"]).flatMap({ StateObjectID($0) }) else {
            throw self.fault(1, "id is not 32 hexadecimal digits")
        }
        guard let kind = self.string(object["kind"]).flatMap({ text in ObjectKind.allCases.first { "\($0)" == text } })
        else { throw self.fault(1, "kind is not session, handle or principal") }
        guard let name = self.string(object["name"]), kind == .handle ? StateDeclaration.isName(name) : name.isEmpty
        else { throw self.fault(1, "name is not that of a state") }
        guard let account = self.string(object["account"]).flatMap({ AccountID(text: $0) }) else {
            throw self.fault(1, "account is not principal: or anonymous: and 32 hexadecimal digits")
        }
        guard let count = self.integer(object["values"]).flatMap({ Int(exactly: $0) }), count >= 0,
            let created = self.integer(object["created"]), let expiry = self.integer(object["expiry"])
        else { throw self.fault(1, "values, created and expiry are not all whole numbers") }
        let header = RecordHeader(
            id: id, kind: kind, name: name, account: account, fence: Fence(incarnation: 0, epoch: 0), revision: .zero,
            commit: 0, valueCount: count, byteCount: 0, created: WallTime(milliseconds: created),
            expiry: WallTime(milliseconds: expiry))
        return (header, count)
    }

    /// What counts of a value's line. The value as JSON, for people, is passed over and never built.
    private struct ValueLine: Decodable {
        var key: JSONValue
        var expiry: Int64?
        var encoded: String
    }

    private static func value(
        _ line: Int, _ bytes: [UInt8]
    ) throws(StateOperationError) -> (key: [UInt8], value: [UInt8], expiry: WallTime?) {
        let fields: ValueLine
        do {
            // Values nest as deeply as they may, one level below the line.
            var scanner = JSONScanner(bytes.span, depthMax: 256)
            let range = try scanner.skipValue()
            try scanner.finish()
            fields = try JSONBytesDecoder.decode(ValueLine.self, from: bytes, in: range)
        } catch {
            throw self.fault(line, "it is no JSON object with key, encoded and perhaps expiry")
        }
        let key: [UInt8]? =
            switch fields.key {
            case .string(let text): Array(text.utf8)
            default: self.string(fields.key["$bytes"]).flatMap { Base64.decode(Array($0.utf8)) }
            }
        guard let key, (1...StoreLimits.keyMax).contains(key.count) else {
            throw self.fault(line, "key is not 1 to \(StoreLimits.keyMax) bytes, as text or as $bytes in base64")
        }
        guard let value = Base64.decode(Array(fields.encoded.utf8)) else {
            throw self.fault(line, "encoded is no base64")
        }
        return (key, value, fields.expiry.map { WallTime(milliseconds: $0) })
    }

    private static func string(_ value: JSONValue?) -> String? {
        if case .string(let text)? = value { text } else { nil }
    }

    private static func integer(_ value: JSONValue?) -> Int64? {
        if case .number(let number)? = value { number.integer() } else { nil }
    }
}
