import Testing

@testable import TorporCLI

@Suite struct ConfigurationSourcesTests {
    @Test(arguments: [
        ("max-reqest", "is it max-request?"), ("hosts", "is it host or allowed-hosts?"),
        ("logging", "see torpor serve --help"),
        ("log", "is it log-level?"), ("Port", " port"), ("null", "see torpor serve --help"),
        ("zzz", "see torpor serve --help"),
    ])
    func anUnknownKeyOfAFileIsRefusedByNameAndLineWithAdvice(key: String, advice: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationSources(flags: [:], environment: [:], file: ("t.yaml", "host: localhost\n\(key): 1\n"))
        }
        #expect(error?.description.hasPrefix("t.yaml line 2: there is no setting \"\(key)\"; ") == true)
        #expect(error?.description.contains(advice) == true)
    }

    @Test func anUnknownVariableIsRefusedByNameWithAdvice() {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationSources(flags: [:], environment: ["TORPOR_KEYFILE": "x", "TORPOR_PORT": "1"], file: nil)
        }
        #expect(error?.description == "environment: there is no setting TORPOR_KEYFILE; is it key-file?")
    }

    @Test func variablesThatAreNoSettingsAreLeftAlone() throws {
        let sources = try ConfigurationSources(
            flags: [:],
            environment: ["TORPOR_CONFIG": "x", "TORPOR_TOKEN": "y", "TORPOR": "z", "HOME": "/", "torpor_port": "1"],
            file: nil)
        #expect(ServeKey.allCases.allSatisfy { sources[$0] == nil })
    }

    @Test func aSettingKnowsWhereItCameFrom() throws {
        let sources = try ConfigurationSources(
            flags: ["port": "1"], environment: ["TORPOR_HOST": "h"],
            file: ("t.yaml", "# comment\nserver: bench\nport: 2\n"))
        #expect(sources[.port]?.origin == "--port")
        #expect(sources[.host]?.origin == "TORPOR_HOST")
        #expect(sources[.server]?.origin == "t.yaml line 2, server")
    }

    @Test func aKeyGivenTwiceInAFileIsRefused() {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationSources(flags: [:], environment: [:], file: ("t.yaml", "port: 1\nhost: h\nport: 2\n"))
        }
        #expect(error?.description == "t.yaml line 3: port is given twice")
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "{}"])
    func anEmptyFileSaysNothing(text: String) throws {
        let sources = try ConfigurationSources(flags: [:], environment: [:], file: ("t.yaml", text))
        #expect(ServeKey.allCases.allSatisfy { sources[$0] == nil })
    }

    @Test(arguments: [
        ("port: [1", 2, 1), ("- port\n", 1, 1), ("port:\n  nested: 1\n", 2, 3), ("host: h\nport:\n", 2, 1),
        ("port: 1\n---\nport: 2\n", 2, 1),
        ("just text\n", 1, 1),
        ("host: *alias\n", 1, 7), ("host: h\n\tport: 1\n", 2, 1), ("allowed-hosts: [[a]]\n", 1, 17),
    ])
    func whatIsNoListOfSettingsIsRefusedByLineAndColumn(text: String, line: Int, column: Int) {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationSources(flags: [:], environment: [:], file: ("t.yaml", text))
        }
        #expect(
            error?.description.hasPrefix("t.yaml line \(line) column \(column): ") == true,
            "\(String(describing: error))")
    }

    @Test func valuesAreTextWhateverYAMLWouldMakeOfThem() throws {
        let sources = try ConfigurationSources(
            flags: [:], environment: [:],
            file: ("t.yaml", "port: 010\nhost: 'a: b'\ninsecure: true\nserver: \"b\\x65nch\"\n"))
        #expect(sources[.port]?.text == "010")
        #expect(sources[.host]?.text == "a: b")
        #expect(sources[.insecure]?.text == "true")
        #expect(sources[.server]?.text == "bench")
    }

    @Test func aNamedFileMustExistAndADefaultOneNeedNot() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationFile.read(named: "/nowhere/torpor.yaml")
        }
        #expect(error?.description == "/nowhere/torpor.yaml cannot be opened: No such file or directory")
        #expect(throws: ConfigurationError.self) { try ConfigurationFile.read(named: "/") }
    }
}
