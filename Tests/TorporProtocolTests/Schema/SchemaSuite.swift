import Foundation
import Testing
import TorporJSON
import TorporProtocol

/// The test suite of the JSON Schema organisation for 2020-12: schemas, values, and whether each value conforms.
enum SchemaSuite {
    /// `shared/fixtures` is looked for beside each folder that contains this file.
    static let folder: URL? = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path() != "/" {
            folder = folder.deletingLastPathComponent()
            let candidate = folder.appending(path: "shared/fixtures/json-schema-2020-12")
            if FileManager.default.fileExists(atPath: candidate.path()) { return candidate }
        }
        return nil
    }()

    static var isPresent: Bool { self.folder != nil }

    /// The names of the files in a folder of the suite, without `.json`, sorted.
    static func files(in path: String) throws -> [String] {
        let folder = try #require(self.folder).appending(path: path)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path())
            .filter { $0.hasSuffix(".json") }
            .map { String($0.dropLast(5)) }
            .sorted()
    }

    static func value(at path: String) throws -> JSONValue {
        let file = try #require(self.folder).appending(path: path)
        return try JSONValue(parsing: Array(try Data(contentsOf: file)))
    }

    /// What the suite's own server would serve, by URI.
    static func remotes() throws -> [String: JSONValue] {
        let folder = try #require(self.folder).appending(path: "remotes/draft2020-12")
        var remotes: [String: JSONValue] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path()) where name.hasSuffix(".json") {
            remotes["http://localhost:1234/draft2020-12/\(name)"] = try self.value(at: "remotes/draft2020-12/\(name)")
        }
        return remotes
    }

    struct Outcome {
        var passed = 0
        var failures: [String] = []
        var total: Int { self.passed + self.failures.count }
    }

    /// Runs a file of the suite, each value as bytes and as a tree.
    static func run(_ path: String, assertsFormats: Bool = false) throws -> Outcome {
        var options = SchemaOptions()
        options.documents = try self.remotes()
        options.assertsFormats = assertsFormats
        guard case .array(let groups) = try self.value(at: "tests/\(path).json") else {
            throw MalformedSuite(path: path)
        }
        var outcome = Outcome()
        for group in groups {
            guard let schema = group["schema"], case .array(let tests)? = group["tests"],
                case .string(let about)? = group["description"]
            else { throw MalformedSuite(path: path) }
            let validator: SchemaValidator
            do {
                validator = try SchemaValidator(JSONSchema(schema), options: options)
            } catch {
                outcome.failures += tests.map { _ in "\(path), \(about): \(error)" }
                continue
            }
            for test in tests {
                guard let data = test["data"], case .bool(let isValid)? = test["valid"],
                    case .string(let name)? = test["description"]
                else { throw MalformedSuite(path: path) }
                let bytes = Array(data.text.utf8)
                let violations = validator.validate(bytes.span, at: 0..<bytes.count)
                if violations.isEmpty == isValid, validator.validate(data) == violations {
                    outcome.passed += 1
                } else {
                    outcome.failures.append("\(path), \(about), \(name): \(violations)")
                }
            }
        }
        return outcome
    }

    struct MalformedSuite: Error { let path: String }
}

@Suite(.enabled(if: SchemaSuite.isPresent, "the JSON Schema test suite lies outside the repository and is not here"))
struct SchemaSuiteTests {
    @Test func everyRequiredTestPasses() throws {
        let files = try SchemaSuite.files(in: "tests")
        #expect(files.count == 46)
        var count = 0
        for file in files {
            let outcome = try SchemaSuite.run(file)
            count += outcome.passed
            #expect(outcome.failures == [], "\(file)")
        }
        #expect(count == 1_299)
    }

    /// `docs/json-schema.md` has a line per optional file; it must say what happens.
    @Test func theDocumentedResultsOfTheOptionalTestsAreTrue() throws {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(contentsOf: repository.appending(path: "docs/json-schema.md"), encoding: .utf8)
        let plain = try SchemaSuite.files(in: "tests/optional").map { ("optional/\($0)", false) }
        let formats = try SchemaSuite.files(in: "tests/optional/format").map { ("optional/format/\($0)", true) }
        #expect(plain.count + formats.count == 34)
        for (file, assertsFormats) in plain + formats {
            let outcome = try SchemaSuite.run(file, assertsFormats: assertsFormats)
            let line = "| `\(file)` | \(outcome.passed) of \(outcome.total) |"
            #expect(page.contains(line), "\(line) \(outcome.failures)")
        }
    }
}
