import TorporCore
import TorporEncoding
import TorporEngine
import TorporJSON
import TorporProtocol
import TorporStore

/// The lines of an exported object: docs/formats/export.md.
package struct StateExportText: Sendable {
    static let format = "torpor state object"
    static let version = 1

    private let header: RecordHeader
    private let values: OpenedRecord
    private var next: Int?

    /// - Parameter time: Values whose time is over are left out.
    init(_ header: RecordHeader, _ values: OpenedRecord, at time: WallTime) {
        self.header = header
        self.values = OpenedRecord(
            bytes: values.bytes, values: values.values.filter { $0.expiry.map { $0 > time } ?? true })
    }

    /// The next line with its line feed; `nil` after the last.
    package mutating func nextLine() -> [UInt8]? {
        guard let index = self.next else {
            self.next = 0
            return self.line(self.headerObject)
        }
        guard index < self.values.values.count else { return nil }
        self.next = index + 1
        return self.line(self.object(of: self.values.values[index]))
    }

    private func line(_ object: JSONObject) -> [UInt8] {
        var writer = JSONWriter()
        writer.value(.object(object))
        return writer.finish() + [UInt8(ascii: "\n")]
    }

    private var headerObject: JSONObject {
        JSONObject([
            .init(name: "format", value: .string(Self.format)), .init(name: "version", value: .init(Self.version)),
            .init(name: "id", value: .string("\(self.header.id)")),
            .init(name: "kind", value: .string("\(self.header.kind)")),
            .init(name: "name", value: .string(self.header.name)),
            .init(name: "account", value: .string(self.header.account.text)),
            .init(name: "revision", value: .number(JSONNumber(self.header.revision.number))),
            .init(name: "values", value: .init(self.values.values.count)),
            .init(name: "created", value: .number(JSONNumber(self.header.created.milliseconds))),
            .init(name: "expiry", value: .number(JSONNumber(self.header.expiry.milliseconds))),
        ])
    }

    private func object(of value: OpenedRecord.Value) -> JSONObject {
        let bytes = Array(self.values.bytes[value.value])
        var object = JSONObject([.init(name: "key", value: Self.text(ofKey: Array(self.values.bytes[value.key])))])
        if let expiry = value.expiry { object["expiry"] = .number(JSONNumber(expiry.milliseconds)) }
        // A value of a declared state: the version of its type, two bytes, and its encoding. Others, which the server
        // keeps for itself, are not for people.
        if bytes.count > 2, let json = try? StateExport.jsonValue(of: Array(bytes[2...])) {
            object["type_version"] = .init(Int(bytes[0]) << 8 | Int(bytes[1]))
            object["json"] = json
        }
        object["encoded"] = .string(Base64.encode(bytes))
        return object
    }

    /// A key that is text without control characters as that; others as base64.
    private static func text(ofKey key: [UInt8]) -> JSONValue {
        guard let text = String(validating: key, as: UTF8.self), key.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            return .object(["$bytes": .string(Base64.encode(key))])
        }
        return .string(text)
    }
}

extension JSONValue {
    init(_ number: Int) { self = .number(JSONNumber(number)) }
}

extension AccountID {
    /// `principal:` or `anonymous:` and 32 hexadecimal digits.
    var text: String { (self.isAnonymous ? "anonymous:" : "principal:") + "\(StateObjectID(bits: self.bits))" }

    /// The same with 12 digits: enough to tell accounts apart, not to name one.
    var shortText: String { String(self.text.dropLast(20)) }

    /// Reads what ``text`` writes.
    init?(text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let bits = StateObjectID(String(parts[1]))?.bits else { return nil }
        switch parts[0] {
        case "principal": self = .principal(bits)
        case "anonymous": self = .anonymous(bits)
        default: return nil
        }
    }
}
