import Foundation
import Testing
import TorporJSON

/// The files of the JSON parsing test suite: `y_` must be accepted, `n_` refused, and `i_` is for each parser to
/// decide.
enum ParsingSuite {
    /// `shared/fixtures` is looked for beside each folder that contains this file.
    static let folder: URL? = {
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path() != "/" {
            folder = folder.deletingLastPathComponent()
            let candidate = folder.appending(path: "shared/fixtures/json-parsing/test_parsing")
            if FileManager.default.fileExists(atPath: candidate.path()) { return candidate }
        }
        return nil
    }()

    static var isPresent: Bool { self.folder != nil }

    static func files(_ prefix: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = try #require(self.folder)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path())
            .filter { $0.hasPrefix(prefix) }
            .sorted()
            .map { ($0, Array(try Data(contentsOf: folder.appending(path: $0)))) }
    }

    /// What becomes of each `i_` file; `nil` where it is accepted. `docs/json.md` tells why.
    static let decisions: [String: JSONError.Reason?] = [
        "i_number_double_huge_neg_exp.json": nil,
        "i_number_huge_exp.json": nil,
        "i_number_neg_int_huge_exp.json": nil,
        "i_number_pos_double_huge_exp.json": nil,
        "i_number_real_neg_overflow.json": nil,
        "i_number_real_pos_overflow.json": nil,
        "i_number_real_underflow.json": nil,
        "i_number_too_big_neg_int.json": nil,
        "i_number_too_big_pos_int.json": nil,
        "i_number_very_big_negative_int.json": nil,
        "i_object_key_lone_2nd_surrogate.json": nil,
        "i_string_1st_surrogate_but_2nd_missing.json": nil,
        "i_string_1st_valid_surrogate_2nd_invalid.json": nil,
        "i_string_UTF-16LE_with_BOM.json": .unexpectedByte,
        "i_string_UTF-8_invalid_sequence.json": .invalidUTF8,
        "i_string_UTF8_surrogate_U+D800.json": .invalidUTF8,
        "i_string_incomplete_surrogate_and_escape_valid.json": nil,
        "i_string_incomplete_surrogate_pair.json": nil,
        "i_string_incomplete_surrogates_escape_valid.json": nil,
        "i_string_invalid_lonely_surrogate.json": nil,
        "i_string_invalid_surrogate.json": nil,
        "i_string_invalid_utf-8.json": .invalidUTF8,
        "i_string_inverted_surrogates_U+1D11E.json": nil,
        "i_string_iso_latin_1.json": .invalidUTF8,
        "i_string_lone_second_surrogate.json": nil,
        "i_string_lone_utf8_continuation_byte.json": .invalidUTF8,
        "i_string_not_in_unicode_range.json": .invalidUTF8,
        "i_string_overlong_sequence_2_bytes.json": .invalidUTF8,
        "i_string_overlong_sequence_6_bytes.json": .invalidUTF8,
        "i_string_overlong_sequence_6_bytes_null.json": .invalidUTF8,
        "i_string_truncated-utf-8.json": .invalidUTF8,
        "i_string_utf16BE_no_BOM.json": .unexpectedByte,
        "i_string_utf16LE_no_BOM.json": .unexpectedByte,
        "i_structure_500_nested_arrays.json": .tooDeep,
        "i_structure_UTF-8_BOM_empty_object.json": .unexpectedByte,
    ]
}

@Suite(.enabled(if: ParsingSuite.isPresent, "the JSON parsing suite lies outside the repository and is not here"))
struct ParsingSuiteTests {
    @Test func everyFileThatMustBeAcceptedIs() throws {
        let files = try ParsingSuite.files("y_")
        #expect(files.count == 95)
        for (name, bytes) in files {
            #expect(refusal(of: bytes) == nil, "\(name)")
            #expect(refusalByWalking(bytes) == nil, "\(name)")
            let value = try JSONValue(parsing: bytes)
            #expect(try JSONValue(parsing: value.text) == value, "\(name)")
        }
    }

    @Test func everyFileThatMustBeRefusedIs() throws {
        let files = try ParsingSuite.files("n_")
        #expect(files.count == 188)
        for (name, bytes) in files {
            #expect(refusal(of: bytes) != nil, "\(name)")
            #expect(refusalByWalking(bytes) != nil, "\(name)")
            #expect(throws: JSONError.self, "\(name)") { try JSONValue(parsing: bytes) }
        }
    }

    @Test func everyOpenQuestionIsAnsweredAsDocumented() throws {
        let files = try ParsingSuite.files("i_")
        #expect(Set(files.map(\.name)) == Set(ParsingSuite.decisions.keys))
        for (name, bytes) in files {
            let decision = try #require(ParsingSuite.decisions[name], "\(name) is not in the table")
            #expect(refusal(of: bytes)?.reason == decision, "\(name)")
            #expect(refusalByWalking(bytes)?.reason == decision, "\(name)")
        }
    }

    @Test func theDocumentedTableIsTheTestedOne() throws {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: repository.appending(path: "docs/json.md"), encoding: .utf8)
        for (name, decision) in ParsingSuite.decisions {
            let word = decision == nil ? "accepted" : "refused"
            #expect(page.contains("| `\(name)` | \(word) |"), "\(name)")
        }
    }
}
