import Glibc
import NIOCore
import NIOHTTP1
import Torpor

/// What `torpor sessions` does, once it is known with which server.
struct SessionsOperator {
    /// The largest file that is imported, in bytes; the server takes no more.
    private static let importMax = 16 << 20

    let client: AdminClient
    let printsJSON: Bool
    /// Takes a line, or several.
    let output: (String) -> Void

    // MARK: Looking

    /// - Parameter limit: At most so many; 0 for all.
    func list(kind: String?, name: String?, limit: Int) async throws(AdminClientError) {
        try Self.check(kind, "--kind")
        try Self.check(name, "--name")
        var table = Self.emptyTable
        var count = 0
        var next: String? = ""
        while let after = next, limit == 0 || count < limit {
            var path = "/debug/sessions?limit=\(limit == 0 ? 1_000 : min(1_000, limit - count))"
            if !after.isEmpty { path += "&after=\(after)" }
            if let kind { path += "&kind=\(kind)" }
            if let name { path += "&name=\(name)" }
            let page = try await self.client.object(.GET, path)
            guard case .array(let objects)? = page["objects"] else {
                throw AdminClientError(.refused, "the server answers something else than a list")
            }
            count += objects.count
            next = if case .string(let id)? = page["next"] { id } else { nil }
            for object in objects {
                if self.printsJSON { self.output(object.text) } else { table.add(Self.row(object)) }
            }
            // A page at a time: nobody waits for a million objects, or keeps them.
            if !self.printsJSON, !objects.isEmpty { self.output(table.text) }
            table = Self.emptyTable
        }
        if count == 0, !self.printsJSON { self.output("There are no stored state objects.") }
        if count > 0, next != nil, !self.printsJSON { self.output("There are more; --limit 0 lists all.") }
    }

    private static var emptyTable: TextTable {
        TextTable([
            ("ID", false), ("KIND", false), ("NAME", false), ("ACCOUNT", false), ("VALUES", true), ("BYTES", true),
            ("MEMORY", false), ("KEPT UNTIL", false),
        ])
    }

    private static func row(_ object: JSONValue) -> [String] {
        let memory = self.text(object["memory"]) + (object["is_quarantined"] == true ? ", quarantined" : "")
        return [
            self.text(object["id"]), self.text(object["kind"]), self.text(object["name"]),
            self.text(object["account"]), self.text(object["values"]), self.text(object["bytes"]), memory,
            self.time(object["expiry"]),
        ]
    }

    func show(_ id: String) async throws(AdminClientError) {
        let object = try await self.client.object(.GET, "/debug/sessions/\(try Self.id(id))")
        if self.printsJSON { return self.output(JSONValue.object(object).text) }
        var lines = [
            ("id", Self.text(object["id"])), ("kind", Self.text(object["kind"])), ("state", Self.text(object["name"])),
            ("account", Self.text(object["account"])), ("revision", Self.text(object["revision"])),
            ("values", Self.text(object["values"])), ("bytes", Self.text(object["bytes"])),
            ("created", Self.time(object["created"])), ("kept until", Self.time(object["expiry"])),
            ("memory", Self.text(object["memory"])),
        ]
        if object["is_quarantined"] == true { lines.append(("quarantined", "yes: it could not be read")) }
        if let resident = object["resident"], case .object = resident {
            lines.append(
                ("in memory", "\(Self.text(resident["values"])) values, \(Self.text(resident["bytes"])) bytes"))
            lines.append(("standing", Self.text(resident["standing"]).replacing("_", with: " ")))
            lines.append(("unused for", Self.text(resident["idle_milliseconds"]) + " ms"))
        }
        for (name, text) in lines where !text.isEmpty {
            self.output(name + String(repeating: " ", count: 12 - name.count) + text)
        }
    }

    // MARK: Doing

    func evict(_ id: String) async throws(AdminClientError) {
        let answer = try await self.client.object(.POST, "/debug/sessions/\(try Self.id(id))/evict")
        self.report(answer, id, answer["evicted"] == true ? "evicted" : "was asleep already")
    }

    func evictAll() async throws(AdminClientError) {
        let answer = try await self.client.object(.POST, "/debug/sessions/evict")
        if self.printsJSON { return self.output(JSONValue.object(answer).text) }
        let count = Self.text(answer["evicted"])
        self.output(count == "1" ? "1 object evicted" : "\(count) objects evicted")
    }

    func delete(_ id: String) async throws(AdminClientError) {
        let answer = try await self.client.object(.POST, "/debug/sessions/\(try Self.id(id))/delete")
        self.report(answer, id, "deleted")
    }

    private func report(_ answer: JSONObject, _ id: String, _ text: String) {
        guard self.printsJSON else { return self.output("\(id) \(text)") }
        var object: JSONObject = ["id": .string(id)]
        for member in answer.members { object[member.name] = member.value }
        self.output(JSONValue.object(object).text)
    }

    /// - Parameter path: A file that is not there yet; `nil` for standard output.
    func export(_ id: String, to path: String?) async throws(AdminClientError) {
        let target = "/debug/sessions/\(try Self.id(id))/export"
        guard let path else {
            return try await self.client.send(.GET, target) { part throws(AdminClientError) in
                try Self.write(part, to: STDOUT_FILENO, "standard output")
            }
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.systemError("\(path) cannot be made") }
        do throws(AdminClientError) {
            defer { close(descriptor) }
            try await self.client.send(.GET, target) { part throws(AdminClientError) in
                try Self.write(part, to: descriptor, path)
            }
            guard fsync(descriptor) == 0 else { throw Self.systemError("\(path) cannot be written") }
        } catch {
            // A part of an export is no export.
            unlink(path)
            throw error
        }
        if !self.printsJSON { self.output("\(id) written to \(path)") }
    }

    /// - Parameter path: `-` for standard input.
    func restore(_ path: String, replaces: Bool) async throws(AdminClientError) {
        let text = try Self.read(path)
        let answer = try await self.client.object(
            .POST, "/debug/sessions/import?replace=\(replaces)", body: text)
        if self.printsJSON { return self.output(JSONValue.object(answer).text) }
        self.output("\(Self.text(answer["id"])) imported")
    }

    // MARK: Text and files

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text)?: text
        case .number(let number)?: number.text
        default: ""
        }
    }

    private static func time(_ value: JSONValue?) -> String {
        guard case .number(let number)? = value, let milliseconds: Int64 = number.integer() else { return "" }
        return TextTable.time(milliseconds: milliseconds)
    }

    private static func id(_ text: String) throws(AdminClientError) -> String {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
            throw AdminClientError(.usage, "\"\(text)\" is no id: those have 32 hexadecimal digits")
        }
        return text.lowercased()
    }

    /// Names go into a query as they are.
    private static func check(_ name: String?, _ option: String) throws(AdminClientError) {
        guard let name else { return }
        guard !name.isEmpty,
            name.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F })
        else { throw AdminClientError(.usage, "\(option): \"\(name)\" is no name; those have a-z, 0-9 and _") }
    }

    private static func systemError(_ what: String) -> AdminClientError {
        AdminClientError(.refused, "\(what): \(String(cString: strerror(errno)))")
    }

    private static func write(_ part: ByteBuffer, to descriptor: Int32, _ name: String) throws(AdminClientError) {
        var rest = part.readableBytesView[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw self.systemError("\(name) cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    private static func read(_ path: String) throws(AdminClientError) -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.systemError("\(path) cannot be opened") }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = part.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.systemError("\(path) cannot be read") }
            if count == 0 { return bytes }
            bytes += part[..<count]
            guard bytes.count <= self.importMax else {
                throw AdminClientError(
                    .refused, "\(path) is larger than \(self.importMax >> 20) MiB, which no server takes")
            }
        }
    }
}
