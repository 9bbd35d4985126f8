import Glibc
import Testing
import Torpor

@testable import TorporHTTP

@Suite struct TokenFileTests {
    /// The SHA-256 of "abc", from FIPS 180-2.
    private static let digestOfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func tokensNameTheirPrincipals() throws {
        let file = TestTokens(
            """
            # who      token

            alice\t0123456789abcdef
              bob  fedcba9876543210\u{20}
            alice sha256:\(Self.digestOfABC)
            """)
        let tokens = try TokenFile(path: file.path)
        #expect(tokens.count == 3)
        #expect(tokens.principal(of: "0123456789abcdef".utf8) == Principal(subject: "alice", issuer: "token-file"))
        #expect(tokens.principal(of: "fedcba9876543210".utf8)?.subject == "bob")
        #expect(tokens.principal(of: "abc".utf8)?.subject == "alice")
        let near = ["0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "abcd", "ABC"]
        for wrong in near + ["", "alice", Self.digestOfABC, "sha256:\(Self.digestOfABC)"] {
            #expect(tokens.principal(of: wrong.utf8) == nil, "\(wrong)")
        }
    }

    @Test func digitsOfADigestMayBeUpperCase() throws {
        let file = TestTokens("alice sha256:\(Self.digestOfABC.uppercased())")
        #expect(try TokenFile(path: file.path).principal(of: "abc".utf8)?.subject == "alice")
    }

    @Test func linesMayEndAsOnWindows() throws {
        let file = TestTokens("alice 0123456789abcdef\r\n# more\r\nbob fedcba9876543210\r\n")
        let tokens = try TokenFile(path: file.path)
        #expect(tokens.count == 2)
        #expect(tokens.principal(of: "fedcba9876543210".utf8)?.subject == "bob")
    }

    /// To Unicode a blank with a joiner or an accent behind it is no blank.
    @Test(arguments: ["\u{200D}", "\u{301}"])
    func aBlankIsOneWhateverStandsBehindIt(mark: String) throws {
        let file = TestTokens(" \(mark)alice \(mark)0123456789abcdef")
        let principal = try TokenFile(path: file.path).principal(of: "\(mark)0123456789abcdef".utf8)
        #expect(principal.map { Array($0.subject.utf8) } == Array("\(mark)alice".utf8))
    }

    @Test(arguments: [
        ("alice", "expected a principal"), ("alice 0123456789abcdef x", "expected a principal"),
        ("alice 0123456789abcde", "shorter than 16"),
        ("alice sha256:abc", "64 hexadecimal digits"),
        ("alice sha256:\(String(repeating: "g", count: 64))", "64 hexadecimal digits"),
        ("alice sha256:\(String(repeating: "+1", count: 32))", "64 hexadecimal digits"),
        ("bob good-token-0123456", "given twice"),
    ])
    func aFaultIsNamedByItsLineAndTheTokenIsNotShown(line: String, reason: String) {
        let file = TestTokens("# comment\n\nalice good-token-0123456\n\(line)\n")
        let error = #expect(throws: TokenFileError.self) { try TokenFile(path: file.path) }
        #expect(error?.description.hasPrefix("token file \(file.path), line 4: ") == true)
        #expect(error?.description.contains(reason) == true)
        #expect(error?.description.contains("good-token") == false)
        if let token = line.split(separator: " ").dropFirst().first {
            #expect(error?.description.contains(token) == false)
        }
    }

    @Test func aFileWithoutTokensIsRefused() {
        for text in ["", "# nothing\n", "\n\n"] {
            let file = TestTokens(text)
            let error = #expect(throws: TokenFileError.self) { try TokenFile(path: file.path) }
            #expect(error?.description.contains("has no token") == true)
        }
    }

    @Test func oneTokenTooManyIsRefused() throws {
        let lines = { (count: Int) in (0..<count).map { "user\($0) token-number-\(100_000 + $0)\n" }.joined() }
        let file = TestTokens(lines(10_000))
        #expect(try TokenFile(path: file.path).count == 10_000)
        file.write(lines(10_001))
        let error = #expect(throws: TokenFileError.self) { try TokenFile(path: file.path) }
        #expect(error?.description.contains("line 10001: more than 10000 tokens") == true)
    }

    @Test func aFileLargerThanItsLimitIsRefused() {
        let file = TestTokens("alice 0123456789abcdef\n" + String(repeating: "#", count: 1 << 20))
        let error = #expect(throws: TokenFileError.self) { try TokenFile(path: file.path) }
        #expect(error?.description.contains("larger than 1 MiB") == true)
    }

    @Test(arguments: [0o640, 0o604, 0o620, 0o666] as [mode_t])
    func aFileThatOthersMayOpenIsRefusedWithTheRemedy(mode: mode_t) {
        let file = TestTokens("alice 0123456789abcdef\n")
        chmod(file.path, mode)
        let error = #expect(throws: TokenFileError.self) { try TokenFile(path: file.path) }
        #expect(error?.description.contains("chmod 600 \(file.path)") == true)
    }

    @Test func aMissingFileIsNamed() {
        let error = #expect(throws: TokenFileError.self) { try TokenFile(path: "/nowhere/tokens") }
        #expect(error?.description == "token file /nowhere/tokens cannot be opened: No such file or directory")
    }

    @Test func aChangedFileIsReadAgainAndAFaultyOneChangesNothing() throws {
        let file = TestTokens("alice 0123456789abcdef\n")
        let tokens = try TokenFile(path: file.path)
        file.write("bob fedcba9876543210\n")
        #expect(tokens.principal(of: "fedcba9876543210".utf8) == nil)
        try tokens.reload()
        #expect(tokens.principal(of: "fedcba9876543210".utf8)?.subject == "bob")
        #expect(tokens.principal(of: "0123456789abcdef".utf8) == nil)
        for faulty in ["bob short\n", "", "carol"] {
            file.write(faulty)
            #expect(throws: TokenFileError.self) { try tokens.reload() }
            #expect(tokens.principal(of: "fedcba9876543210".utf8)?.subject == "bob")
        }
    }
}

/// A file of tokens, mode 0600, that goes with its last user.
final class TestTokens: Sendable {
    let path: String

    init(_ text: String) {
        self.path = "/tmp/torpor-token-tests-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        self.write(text)
    }

    func write(_ text: String) {
        let descriptor = open(self.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0, "\(self.path) can be written")
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            precondition(count > 0, "\(self.path) can be written")
            rest = rest.dropFirst(count)
        }
        close(descriptor)
    }

    deinit { unlink(self.path) }
}
