/// The layers a setting may come from: flags over environment over file over defaults.
struct ConfigurationSources {
    /// A setting with the place it came from, for errors.
    struct Setting {
        let key: ServeKey
        let text: String
        let origin: String

        func fault(_ expectation: String) -> ConfigurationError {
            ConfigurationError(description: "\(self.origin): \"\(self.text)\" is no \(expectation)")
        }
    }

    private var settings: [ServeKey: Setting] = [:]

    /// - Parameters:
    ///   - flags: By key.
    ///   - environment: Variables; those that begin with `TORPOR_` must be known.
    ///   - file: The text of a configuration file and its name, if there is one.
    init(flags: [String: String], environment: [String: String], file: (name: String, text: String)?)
        throws(ConfigurationError)
    {
        if let file { try self.add(file: file.text, named: file.name) }
        try self.add(environment: environment)
        for key in ServeKey.allCases {
            if let text = flags[key.rawValue] {
                self.settings[key] = Setting(key: key, text: text, origin: "--\(key.rawValue)")
            }
        }
    }

    subscript(_ key: ServeKey) -> Setting? { self.settings[key] }

    private mutating func add(environment: [String: String]) throws(ConfigurationError) {
        for (name, text) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("TORPOR_") {
            // TORPOR_CONFIG names the file; TORPOR_TOKEN is read by clients.
            if name == "TORPOR_CONFIG" || name == "TORPOR_TOKEN" { continue }
            guard let key = ServeKey.allCases.first(where: { $0.variable == name }) else {
                throw ConfigurationError(description: "environment: there is no setting \(name)" + Self.advice(name))
            }
            self.settings[key] = Setting(key: key, text: text, origin: name)
        }
    }

    private mutating func add(file text: String, named name: String) throws(ConfigurationError) {
        for entry in try YAMLMapping.read(text, named: name) {
            let place = "\(name) line \(entry.line)"
            guard let key = ServeKey(rawValue: entry.key) else {
                throw ConfigurationError(
                    description: "\(place): there is no setting \"\(entry.key)\"" + Self.advice(entry.key))
            }
            guard self.settings[key] == nil else {
                throw ConfigurationError(description: "\(place): \(entry.key) is given twice")
            }
            self.settings[key] = Setting(
                key: key, text: entry.values.joined(separator: ","), origin: "\(place), \(entry.key)")
        }
    }

    /// The setting that was perhaps meant.
    private static func advice(_ name: String) -> String {
        let plain = (name.hasPrefix("TORPOR_") ? String(name.dropFirst("TORPOR_".count)) : name).lowercased().map {
            $0 == "_" ? "-" : $0
        }
        let near = ServeKey.allCases.map(\.rawValue).filter { key in
            !plain.isEmpty && (key.contains(String(plain)) || self.distance(Array(key), plain) <= 2)
        }
        return near.isEmpty ? "; see torpor serve --help" : "; is it \(near.joined(separator: " or "))?"
    }

    /// How many letters have to be changed, added or left out to come from one word to the other.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, other) in right.enumerated() {
                let change = diagonal + (letter == other ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(change, min(diagonal, row[column]) + 1)
            }
        }
        return row[right.count]
    }
}

/// A setting that cannot be used: names where it came from and what was expected.
struct ConfigurationError: Error, CustomStringConvertible {
    let description: String
}
