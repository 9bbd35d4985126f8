import Torpor
import TorporCore
import TorporHosting

/// Which foreign servers `torpor serve` hosts, and how.
struct HostingSettings {
    /// Where the servers are named.
    enum Source: Equatable {
        /// On the command line: one.
        case flags(JSONObject)
        /// In a file, of JSON or YAML.
        case file(String)
        /// In the configuration file, below `servers`.
        case configuration(String)
    }

    /// `nil`: none is hosted.
    var source: Source?
    /// Where folders of children lie while they run.
    var foldersPath: String
    /// For people.
    var name = ""

    /// - Parameters:
    ///   - command: What was given after `--`.
    ///   - file: The configuration file.
    init(
        _ sources: ConfigurationSources, command: [String], file: (name: String, text: String)?, store: StoreSetting
    ) throws(ConfigurationError) {
        self.foldersPath =
            switch store {
            case .sqlite(let path): path + ".folders"
            case .memory: "./torpor.folders"
            }
        if let setting = sources[.folders] { self.foldersPath = setting.text }
        let given = [!command.isEmpty, sources[.upstream] != nil, sources[.servers] != nil, sources[.server] != nil]
        guard given.count(where: { $0 }) <= 1 else {
            throw ConfigurationError(
                description: "give one of --server, --servers, --upstream and a command after --, not several")
        }
        if let setting = sources[.servers] {
            if setting.text == YAMLMapping.inPlace, let file {
                self.source = .configuration(file.name)
                self.name = "the servers of \(file.name)"
            } else {
                self.source = .file(setting.text)
                self.name = "the servers of \(setting.text)"
            }
            if let key = Self.keys.first(where: { sources[$0.flag] != nil }) {
                throw ConfigurationError(
                    description:
                        "\(key.flag.rawValue) is set for each server by itself, in its file, as \"\(key.name)\"")
            }
        } else if let first = command.first {
            self.source = .flags(
                try Self.object(
                    sources,
                    [
                        "command": .string(first),
                        "args": .array(command.dropFirst().map { .string(Self.unexpanded($0)) }),
                    ]))
            self.name = command.joined(separator: " ")
        } else if let url = sources[.upstream] {
            self.source = .flags(try Self.object(sources, ["url": .string(Self.unexpanded(url.text))]))
            self.name = url.text
        } else if let key = Self.keys.first(where: { sources[$0.flag] != nil })?.flag {
            throw ConfigurationError(
                description: "\(key.rawValue) is for a hosted server; give its command after --, or --upstream")
        }
    }

    /// The flags for the one server of the command line, and what a file calls them.
    static let keys: [(flag: ServeKey, name: String)] = [
        (.per, "per"), (.children, "children"), (.principalChildren, "childrenPerPrincipal"), (.childCalls, "calls"),
        (.childMemory, "memory"), (.childIdleTimeout, "idleTimeout"), (.childStartTimeout, "startTimeout"),
        (.spares, "spares"), (.childHome, "home"), (.sandbox, "sandbox"), (.maxFolder, "folder"),
        (.keepFolders, "state"),
    ]

    /// The shell has expanded what is given on the command line.
    private static func unexpanded(_ text: String) -> String { text.replacing("${", with: "$${") }

    /// The one server of the command line as a file would have it, so that it is read as those are.
    private static func object(_ sources: ConfigurationSources, _ start: JSONObject) throws(ConfigurationError)
        -> JSONObject
    {
        var object = start
        for key in self.keys {
            guard let setting = sources[key.flag] else { continue }
            switch key.flag {
            case .sandbox:
                guard ["off", "on", "no-network"].contains(setting.text) else {
                    throw setting.fault("sandbox; use off, on or no-network")
                }
                guard setting.text != "off" else { continue }
                object["sandbox"] = true
                if setting.text == "no-network" { object["network"] = false }
            case .keepFolders, .childHome:
                guard let flag = Bool(setting.text) else { throw setting.fault("Boolean; use true or false") }
                if key.flag == .childHome { object[key.name] = .bool(flag) } else if !flag { object["state"] = "none" }
            case .children, .principalChildren, .childCalls, .spares:
                guard let count = Int(setting.text) else { throw setting.fault("count") }
                object[key.name] = .number(JSONNumber(count))
            default: object[key.name] = .string(setting.text)
            }
        }
        return object
    }

    /// Reads the servers.
    /// - Parameter variables: The environment.
    /// - Throws: an error that names the place at fault.
    func read(variables: [String: String]) throws -> [HostedServerSettings] {
        let read: HostedServers
        switch self.source {
        case nil: return []
        case .flags(let object):
            read = try HostedServers(
                ["mcpServers": .object(["hosted": .object(object)])], source: "command line", variables: variables)
        case .configuration(let name):
            let text = try ConfigurationFile.text(at: name)
            read = try HostedServers(
                .object(["servers": try YAMLValue.read(text, named: name)["servers"] ?? [:]]), source: name,
                variables: variables)
        case .file(let path):
            let text = try ConfigurationFile.text(at: path)
            if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
                read = try HostedServers(
                    try YAMLValue.read(text, named: path), source: path, variables: variables)
            } else {
                read = try HostedServers(parsing: Array(text.utf8), source: path, variables: variables)
            }
        }
        return read.servers.filter { !$0.isDisabled }
    }
}
