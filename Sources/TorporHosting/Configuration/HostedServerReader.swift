import TorporCore
import TorporJSON

/// Reads the members of one server. Every fault names its key, and says what would be right.
struct HostedServerReader {
    let name: String
    let source: String
    let variables: [String: String]
    private(set) var ignoredKeys: [String] = []
    private var members: [HostedServerKey: JSONValue] = [:]

    init(_ value: JSONValue, name: String, source: String, variables: [String: String]) throws(HostedServersError) {
        self.name = name
        self.source = source
        self.variables = variables
        guard case .object(let object) = value else {
            throw HostedServersError(
                source: source, server: name,
                reason: "it has to be an object, such as {\"command\": \"npx\", \"args\": [\"some-server\"]}")
        }
        for member in object.members {
            if let key = HostedServerKey(rawValue: member.name) {
                guard self.members.updateValue(member.value, forKey: key) == nil else {
                    throw self.fault(key, "is there twice; keep one")
                }
            } else if HostedServerKey.ignored.contains(member.name) {
                self.ignoredKeys.append(member.name)
            } else {
                throw self.unknown(member.name)
            }
        }
    }

    mutating func read() throws(HostedServersError) -> HostedServerSettings {
        let connection = try self.connection()
        var settings = HostedServerSettings(name: self.name, connection: connection)
        settings.isDisabled = try self.isDisabled()
        if let scope = try self.choice(.per, of: HostedServerSettings.Scope.self) { settings.scope = scope }
        settings.limits = try self.limits(scope: settings.scope)
        settings.callTimeout = try self.duration(.callTimeout, .seconds(1)...(.seconds(7 * 86_400)))
        settings.prefix = try self.prefix()
        settings.path = try self.path()
        settings.includedTools = try self.texts(.includeTools)
        settings.excludedTools = try (self.texts(.excludeTools) ?? []) + (self.texts(.disabledTools) ?? [])
        return settings
    }

    // MARK: Connection

    private func connection() throws(HostedServersError) -> HostedServerSettings.Connection {
        let url = try self.only(.url, .serverUrl, .httpUrl)
        let type = try self.type()
        switch (self.members[.command], url) {
        case (nil, nil):
            throw self.fault(nil, "it needs a \"command\" to start, or the \"url\" of a server that runs")
        case (.some, .some(let url)):
            throw self.fault(url, "is there beside \"command\"; a server is either started or runs elsewhere")
        case (.some, nil):
            if let type, type.value != nil {
                throw self.fault(type.key, "is for a server with a \"url\"; leave it out, or write \"stdio\"")
            }
            for key in HostedServerKey.allCases where key.needsURL && self.members[key] != nil {
                throw self.fault(key, "is for a server with a \"url\", and this one has a \"command\"")
            }
            return .command(try self.command())
        case (nil, .some(let url)):
            for key in HostedServerKey.allCases where key.needsCommand && self.members[key] != nil {
                throw self.fault(key, "is for a server with a \"command\", and this one has a \"url\"")
            }
            if let type, type.value == nil {
                throw self.fault(
                    type.key, "\"stdio\" is for a server with a \"command\"; write \"http\" or leave it out")
            }
            return .remote(try self.remote(url, type?.value ?? .http))
        }
    }

    /// The transport, where one is named; `nil` for standard input and output.
    private func type() throws(HostedServersError)
        -> (key: HostedServerKey, value: HostedServerSettings.Remote.Transport?)?
    {
        guard let key = try self.only(.type, .transport), let text = try self.text(key) else { return nil }
        switch text.lowercased() {
        case "stdio", "local": return (key, nil)
        case "http", "streamable-http", "streamablehttp", "streamable_http", "remote": return (key, .http)
        case "sse": return (key, .sse)
        default:
            throw self.fault(key, "\"\(Excerpt.of(text))\" is no transport; write \"stdio\", \"http\" or \"sse\"")
        }
    }

    private func command() throws(HostedServersError) -> HostedServerSettings.Command {
        let program = try self.text(.command) ?? ""
        guard !program.isEmpty else { throw self.fault(.command, "is empty; name a program") }
        var command = HostedServerSettings.Command(program: program)
        command.arguments = try self.texts(.args) ?? []
        command.environment = try self.environment()
        command.directory = try self.text(.cwd)
        if command.directory == "" { throw self.fault(.cwd, "is empty; name a folder, or leave it out") }
        command.memory = try self.size(.memory, .mebibytes(16)...(.gibibytes(1_024)))
        command.processesMax = try self.count(.processes, 1...100_000)
        command.openFilesMax = try self.count(.openFiles, 16...1_000_000)
        if let grace = try self.duration(.gracePeriod, .zero...(.seconds(600))) { command.gracePeriod = grace }
        command.isSandboxed = try self.flag(.sandbox) ?? false
        if let hasNetwork = try self.flag(.network) {
            guard command.isSandboxed else {
                throw self.fault(.network, "is decided by the sandbox; write \"sandbox\": true beside it")
            }
            command.hasNetwork = hasNetwork
        }
        command.folder = try self.folder()
        command.isHome = try self.flag(.home) ?? false
        return command
    }

    private func environment() throws(HostedServersError) -> [String: String] {
        var environment: [String: String] = [:]
        for member in try self.object(.env) ?? [] {
            let key = "env.\(Excerpt.of(member.name))"
            guard !member.name.isEmpty, !member.name.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 }) else {
                throw self.fault(named: key, "is no name of a variable; those have no \"=\" and are not empty")
            }
            guard environment.updateValue(try self.text(member.value, key), forKey: member.name) == nil else {
                throw self.fault(named: key, "is there twice; keep one")
            }
        }
        return environment
    }

    private func folder() throws(HostedServersError) -> HostedServerSettings.Folder? {
        enum Kept: String, CaseIterable { case folder, none }
        let isPerCall = try self.choice(.per, of: HostedServerSettings.Scope.self) == .call
        let kept = try self.choice(.state, of: Kept.self) ?? (isPerCall ? .none : .folder)
        guard kept == .folder else {
            for key in [.folder, .folderFiles, .folderInterval, .retention] as [HostedServerKey]
            where self.members[key] != nil {
                throw self.fault(key, "is about a folder that is kept, and none is with \"state\": \"none\"")
            }
            return nil
        }
        if isPerCall { throw self.fault(.state, "a server for one call has nothing to keep; write \"none\"") }
        var folder = HostedServerSettings.Folder()
        if let bytes = try self.size(.folder, .kibibytes(4)...(.gibibytes(1_024))) { folder.bytesMax = bytes }
        if let files = try self.count(.folderFiles, 1...10_000_000) { folder.filesMax = files }
        folder.interval = try self.duration(.folderInterval, .seconds(1)...(.seconds(86_400)))
        folder.retention = try self.duration(.retention, .seconds(60)...(.seconds(3_650 * 86_400)))
        return folder
    }

    private func remote(_ key: HostedServerKey, _ transport: HostedServerSettings.Remote.Transport)
        throws(HostedServersError) -> HostedServerSettings.Remote
    {
        let url = try self.text(key) ?? ""
        if let reason = HTTPParts.faultOfURL(url) { throw self.fault(key, reason) }
        var remote = HostedServerSettings.Remote(url: url, transport: transport)
        for member in try self.object(.headers) ?? [] {
            let key = "headers.\(Excerpt.of(member.name))"
            let value = try self.text(member.value, key)
            if let reason = HTTPParts.faultOfHeader(member.name, value) { throw self.fault(named: key, reason) }
            guard !remote.headers.contains(where: { $0.name.lowercased() == member.name.lowercased() }) else {
                throw self.fault(named: key, "is there twice; keep one")
            }
            remote.headers.append(HostedServerSettings.Header(name: member.name, value: value))
        }
        return remote
    }

    // MARK: The rest

    private func isDisabled() throws(HostedServersError) -> Bool {
        guard let key = try self.only(.disabled, .enabled), let flag = try self.flag(key) else { return false }
        return key == .disabled ? flag : !flag
    }

    private func limits(scope: HostedServerSettings.Scope) throws(HostedServersError) -> HostLimits {
        let counts = 1...10_000
        let defaults = HostLimits()
        if scope == .shared {
            for key in [.children, .childrenPerPrincipal] as [HostedServerKey] where self.members[key] != nil {
                throw self.fault(key, "is decided by \"per\": \"shared\", which has one child for all")
            }
        }
        if scope == .call, self.members[.calls] != nil {
            throw self.fault(.calls, "is decided by \"per\": \"call\", which has a child for each")
        }
        let children = scope == .shared ? 1 : try self.count(.children, counts) ?? defaults.childrenMax
        let ofPrincipal = try self.count(.childrenPerPrincipal, counts)
        if let ofPrincipal, ofPrincipal > children {
            throw self.fault(
                .childrenPerPrincipal, "\(ofPrincipal) is more than all, of which there may be \(children)")
        }
        let spares = try self.count(.spares, 0...10_000) ?? 0
        guard spares == 0 || spares < children else {
            throw self.fault(.spares, "\(spares) leave no room: there may be \(children) children, spares among them")
        }
        let keepsFolder = try self.text(.state) != "none" && scope != .call
        guard spares == 0 || !keepsFolder else {
            throw self.fault(
                .spares, "are started before it is known whose folder they need; write \"state\": \"none\"")
        }
        return HostLimits(
            childrenMax: children, accountChildrenMax: scope == .shared ? 1 : ofPrincipal,
            callsMax: try self.count(.calls, counts) ?? defaults.callsMax,
            queuedMax: try self.count(.queue, 1...100_000) ?? defaults.queuedMax,
            queueTimeout: try self.duration(.queueTimeout, .seconds(1)...(.seconds(3_600))) ?? defaults.queueTimeout,
            idleTimeout: try self.duration(.idleTimeout, .seconds(1)...(.seconds(30 * 86_400)))
                ?? defaults.idleTimeout,
            startTimeout: try self.duration(.startTimeout, .seconds(1)...(.seconds(3_600))) ?? defaults.startTimeout,
            sparesMax: spares, isPerCall: scope == .call,
            holdTimeout: try self.duration(.holdTimeout, .seconds(1)...(.seconds(86_400))) ?? defaults.holdTimeout)
    }

    private func prefix() throws(HostedServersError) -> String? {
        guard let prefix = try self.text(.prefix) else { return nil }
        guard prefix.isEmpty || HostedServers.isName(prefix) else {
            throw self.fault(
                .prefix, "\"\(Excerpt.of(prefix))\" is no prefix; it has up to 32 letters, digits, \"_\" and \"-\"")
        }
        return prefix
    }

    private func path() throws(HostedServersError) -> String? {
        guard let path = try self.text(.path) else { return nil }
        guard HTTPParts.isPath(path) else {
            throw self.fault(.path, "\"\(Excerpt.of(path))\" is no path; write one such as \"/mcp/\(self.name)\"")
        }
        return path
    }

    // MARK: Values

    private func flag(_ key: HostedServerKey) throws(HostedServersError) -> Bool? {
        switch self.members[key] {
        case nil: return nil
        case .bool(let flag): return flag
        case .string("true"): return true
        case .string("false"): return false
        case .some: throw self.fault(key, "has to be true or false")
        }
    }

    private func text(_ key: HostedServerKey) throws(HostedServersError) -> String? {
        guard let value = self.members[key] else { return nil }
        return try self.text(value, key.rawValue)
    }

    /// A text with its variables in place.
    private func text(_ value: JSONValue, _ key: String) throws(HostedServersError) -> String {
        guard case .string(let text) = value else { throw self.fault(named: key, "has to be a text in quotes") }
        do throws(VariableExpansion.Failure) {
            let expanded = try VariableExpansion.expand(text, with: self.variables)
            guard !expanded.utf8.contains(0) else { throw VariableExpansion.Failure(reason: "has a NUL in it") }
            return expanded
        } catch {
            throw self.fault(named: key, error.reason)
        }
    }

    private func texts(_ key: HostedServerKey) throws(HostedServersError) -> [String]? {
        guard let value = self.members[key] else { return nil }
        guard case .array(let elements) = value else {
            throw self.fault(key, "has to be an array of texts, such as [\"a\", \"b\"]")
        }
        var texts: [String] = []
        for (index, element) in elements.enumerated() {
            texts.append(try self.text(element, "\(key.rawValue)[\(index)]"))
        }
        return texts
    }

    private func object(_ key: HostedServerKey) throws(HostedServersError) -> [JSONObject.Member]? {
        guard let value = self.members[key] else { return nil }
        guard case .object(let object) = value else {
            throw self.fault(key, "has to be an object of texts, such as {\"NAME\": \"value\"}")
        }
        return object.members
    }

    private func choice<Choice: RawRepresentable & CaseIterable>(_ key: HostedServerKey, of type: Choice.Type)
        throws(HostedServersError) -> Choice? where Choice.RawValue == String
    {
        guard let text = try self.text(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let all = type.allCases.map { "\"\($0.rawValue)\"" }
            throw self.fault(
                key,
                "\"\(Excerpt.of(text))\" is none of \(all.dropLast().joined(separator: ", ")) and \(all.last ?? "")")
        }
        return choice
    }

    private func count(_ key: HostedServerKey, _ range: ClosedRange<Int>) throws(HostedServersError) -> Int? {
        let count: Int?
        switch self.members[key] {
        case nil: return nil
        case .number(let number): count = number.int
        case .string: count = try self.text(key).flatMap { Int($0) }
        case .some: count = nil
        }
        guard let count, range.contains(count) else {
            throw self.fault(key, "has to be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return count
    }

    private func size(_ key: HostedServerKey, _ range: ClosedRange<ByteCount>) throws(HostedServersError) -> ByteCount?
    {
        guard let text = try self.unit(key) else { return nil }
        guard let size = ByteCount(parsing: text) else {
            throw self.fault(key, "\"\(Excerpt.of(text))\" is no size; write one such as \"256MiB\"")
        }
        guard range.contains(size) else {
            throw self.fault(key, "\(size) is not between \(range.lowerBound) and \(range.upperBound)")
        }
        return size
    }

    private func duration(_ key: HostedServerKey, _ range: ClosedRange<Duration>) throws(HostedServersError)
        -> Duration?
    {
        guard let text = try self.unit(key) else { return nil }
        guard let duration = Duration(parsing: text) else {
            throw self.fault(key, "\"\(Excerpt.of(text))\" is no duration; write one such as \"30s\" or \"5m\"")
        }
        guard range.contains(duration) else {
            throw self.fault(
                key, "\(duration.text) is not between \(range.lowerBound.text) and \(range.upperBound.text)")
        }
        return duration
    }

    /// The text of something with a unit. A bare number is taken as its text, so that the fault says what it lacks.
    private func unit(_ key: HostedServerKey) throws(HostedServersError) -> String? {
        if case .number(let number) = self.members[key] { return number.text }
        return try self.text(key)
    }

    /// Which of these keys is there; no more than one may.
    private func only(_ keys: HostedServerKey...) throws(HostedServersError) -> HostedServerKey? {
        let present = keys.filter { self.members[$0] != nil }
        guard present.count <= 1 else {
            throw self.fault(present[1], "says the same as \"\(present[0].rawValue)\"; keep one")
        }
        return present.first
    }

    // MARK: Faults

    private func fault(_ key: HostedServerKey?, _ reason: String) -> HostedServersError {
        HostedServersError(source: self.source, server: self.name, key: key?.rawValue, reason: reason)
    }

    private func fault(named key: String, _ reason: String) -> HostedServersError {
        HostedServersError(source: self.source, server: self.name, key: key, reason: reason)
    }

    private func unknown(_ name: String) -> HostedServersError {
        let key = Excerpt.of(name)
        if let instead = HostedServerKey.unsupported[name] { return self.fault(named: key, instead) }
        if let nearest = HostedServerKey.nearest(to: name) {
            return self.fault(named: key, "is not known; did you mean \"\(nearest.rawValue)\"?")
        }
        let all = HostedServerKey.allCases.map(\.rawValue).joined(separator: ", ")
        return self.fault(named: key, "is not known; the keys of a server are \(all)")
    }
}
