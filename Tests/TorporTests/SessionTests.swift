import Crypto
import Glibc
import Logging
import Testing
import Torpor
import TorporCore
import TorporProtocol

/// Sessions that cost nothing: what is sealed, who may open it, and for how long.
@Suite struct SessionTests {
    private let keys = SealingKeys([SymmetricKey(data: [UInt8](repeating: 7, count: 32))])
    private let start = WallTime(milliseconds: 1_800_000_000_000)
    private let lifetime = Duration.seconds(3_600)
    private let alice = Principal(subject: "alice", issuer: "test")

    private var token: SessionToken {
        SessionToken(
            id: 0x0123_4567_89AB_CDEF_0011_2233_4455_6677, created: self.start, revision: .v2025_06_18,
            capabilities: [.roots, .elicitationURL],
            owner: OwnerDigest(self.alice), store: 42, expiry: self.start + self.lifetime)
    }

    @Test func aTokenIsWhatWasSealed() {
        let text = self.token.sealed(by: self.keys)
        #expect(text.utf8.count == SessionToken.textCount)
        #expect(text.utf8.allSatisfy { (0x21...0x7E).contains($0) })
        #expect(SessionToken.open(Array(text.utf8), with: self.keys, lifetime: self.lifetime) == self.token)
    }

    @Test func aTokenThatWasChangedAnywhereIsRefused() {
        let text = Array(self.token.sealed(by: self.keys).utf8)
        for position in text.indices {
            for replacement in [UInt8(ascii: "A"), UInt8(ascii: "B"), UInt8(ascii: "="), UInt8(ascii: " ")]
            where text[position] != replacement {
                var changed = text
                changed[position] = replacement
                #expect(
                    SessionToken.open(changed, with: self.keys, lifetime: self.lifetime) == nil, "position \(position)")
            }
            #expect(SessionToken.open(Array(text[..<position]), with: self.keys, lifetime: self.lifetime) == nil)
        }
        #expect(SessionToken.open(text + [UInt8(ascii: "A")], with: self.keys, lifetime: self.lifetime) == nil)
        #expect(SessionToken.open([], with: self.keys, lifetime: self.lifetime) == nil)
    }

    @Test func olderKeysOpenAndRetiredOnesDoNot() {
        let old = SymmetricKey(size: .bits256)
        let new = SymmetricKey(size: .bits256)
        let sealed = Array(self.token.sealed(by: SealingKeys([old])).utf8)
        #expect(SessionToken.open(sealed, with: SealingKeys([new, old]), lifetime: self.lifetime) == self.token)
        #expect(SessionToken.open(sealed, with: SealingKeys([new]), lifetime: self.lifetime) == nil)
        let newer = Array(self.token.sealed(by: SealingKeys([new, old])).utf8)
        #expect(SessionToken.open(newer, with: SealingKeys([new]), lifetime: self.lifetime) == self.token)
        #expect(SessionToken.open(newer, with: SealingKeys([old]), lifetime: self.lifetime) == nil)
    }

    private func open(_ authority: SessionAuthority, id: UInt128 = 1, principal: Principal? = nil) throws -> [UInt8] {
        let body = Array(
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{}}}"#
                .utf8)
        let handshake = try Handshake(Envelope.parse(body.span).params, in: body.span)
        return Array(authority.open(handshake, principal: principal, id: id, now: self.start).utf8)
    }

    @Test func aSessionLivesAsLongAsItMayAndNoLonger() throws {
        let authority = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 0)
        let id = try self.open(authority)
        #expect(authority.session(id, principal: nil, now: self.start)?.capabilities == .roots)
        #expect(authority.session(id, principal: nil, now: self.start + .milliseconds(59_999)) != nil)
        #expect(authority.session(id, principal: nil, now: self.start + .milliseconds(60_000)) == nil)
    }

    @Test func aSessionBelongsToItsPrincipalAndItsStore() throws {
        let authority = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 1)
        let id = try self.open(authority, principal: self.alice)
        #expect(authority.session(id, principal: self.alice, now: self.start) != nil)
        #expect(authority.session(id, principal: nil, now: self.start) == nil)
        #expect(authority.session(id, principal: Principal(subject: "alice", issuer: "other"), now: self.start) == nil)
        #expect(authority.session(id, principal: Principal(subject: "alic", issuer: "etest"), now: self.start) == nil)
        let elsewhere = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 2)
        #expect(elsewhere.session(id, principal: self.alice, now: self.start) == nil)
        let restarted = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 1)
        #expect(restarted.session(id, principal: self.alice, now: self.start) != nil)
    }

    @Test func anEndedSessionIsRememberedAndNothingElseIs() throws {
        let authority = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 0)
        for id in 1...10_000 as ClosedRange<UInt128> { _ = try self.open(authority, id: id) }
        #expect(authority.tombstoneCount == 0, "a session that was only opened leaves nothing")
        let id = try self.open(authority)
        let session = try #require(authority.session(id, principal: nil, now: self.start))
        #expect(authority.end(session, now: self.start))
        #expect(!authority.end(session, now: self.start))
        #expect(authority.session(id, principal: nil, now: self.start) == nil)
        #expect(authority.tombstoneCount == 1)
    }

    @Test func newKeysTakeEffectAtOnce() throws {
        let authority = SessionAuthority(keys: self.keys, lifetime: .seconds(60), store: 0)
        let id = try self.open(authority)
        authority.replaceKeys(.perProcess())
        #expect(authority.session(id, principal: nil, now: self.start) == nil)
        authority.replaceKeys(self.keys)
        #expect(authority.session(id, principal: nil, now: self.start) != nil)
    }

    // MARK: The key file

    @Test func aKeyFileIsMadeForItsOwnerAloneAndReadAgain() throws {
        try Self.withTemporaryPath { path in
            let sealed = Array(self.token.sealed(by: try KeyFile(path: path).loadOrCreate()).utf8)
            #expect(
                SessionToken.open(sealed, with: try KeyFile(path: path).loadOrCreate(), lifetime: self.lifetime)
                    == self.token)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func aKeyFileThatOthersMayReadIsRefused() throws {
        try Self.withTemporaryPath { path in
            _ = try KeyFile(path: path).loadOrCreate()
            chmod(path, 0o640)
            let error = #expect(throws: KeyFileError.self) { try KeyFile(path: path).load() }
            #expect(error?.description == "key file \(path) is open to other users; run: chmod 600 \(path)")
        }
    }

    @Test(arguments: ["", "# nothing\n", "1789000000 tooshort\n", "x AAAA\n", "1789000000\n"])
    func aFaultyKeyFileIsRefusedWithAReason(text: String) throws {
        try Self.withTemporaryPath { path in
            try PrivateFile.write(text, to: path, mayReplace: false)
            let error = #expect(throws: KeyFileError.self) { try KeyFile(path: path).load() }
            #expect(error?.description.hasPrefix("key file \(path) ") == true)
        }
    }

    @Test func rotationKeepsWhatStillOpensSessionsAndDropsTheRest() throws {
        try Self.withTemporaryPath { path in
            let file = KeyFile(path: path)
            let sealed = Array(self.token.sealed(by: try file.loadOrCreate()).utf8)
            let first = try file.rotate(keepingFor: .seconds(3_600))
            #expect(first.kept == 2 && first.dropped == 0)
            #expect(SessionToken.open(sealed, with: try file.load(), lifetime: self.lifetime) == self.token)
            // A key that stopped sealing a second before the lifetime began opens nothing any more.
            let lines =
                "100 \(Base64.encodeURLSafe([UInt8](repeating: 1, count: 32)))\n50 \(Base64.encodeURLSafe([UInt8](repeating: 2, count: 32)))\n"
            try PrivateFile.write(lines, to: path, mayReplace: true)
            let second = try file.rotate(keepingFor: .seconds(3_600))
            #expect(second.kept == 2 && second.dropped == 1)
        }
    }

    private static func withTemporaryPath(_ body: (String) throws -> Void) throws {
        let path = "/tmp/torpor-keys-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(path) }
        try body(path)
    }
}
