import Testing
import Torpor

@testable import TorporHTTP

/// Who may call, by `Authorization: Bearer`.
@Suite struct BearerTests {
    private static let token = "token-of-alice-0123456789"

    @Test(arguments: [
        nil, "", "Bearer", "Bearer ", "Bearer wrong-token-0123456789", "Basic YWxpY2U6eA==", "Bearer\t\(token)",
        "\(token)", "Token \(token)",
        "Bearer \(token) x", "Bearer \(token.uppercased())", "Bearer x, Bearer \(token)", "Bearer\(token)",
    ])
    func withoutItsTokenARequestIsChallenged(authorization: String?) throws {
        let listener = try Self.listener()
        for request in [
            WireRequest.post(WireRequest.ping()), WireRequest.bare("GET"), WireRequest.bare("DELETE"),
            WireRequest.bare("PUT"),
        ] {
            let field = authorization.map { "Host: localhost\r\nAuthorization: \($0)\r\n" } ?? "Host: localhost\r\n"
            let answer = try listener.answer(to: request.replacing("Host: localhost\r\n", with: field))
            #expect(answer.status == 401)
            #expect(answer.fields["www-authenticate"] == "Bearer")
            #expect(!answer.body.contains(Self.token))
        }
        listener.expectNothingLeft()
    }

    @Test(arguments: ["Bearer \(token)", "bearer \(token)", "BEARER   \(token)", "Bearer \(token)  "])
    func withItsTokenARequestIsServed(authorization: String) throws {
        let answer = try Self.listener().answer(
            to: WireRequest.post(WireRequest.ping(), fields: ["Authorization: \(authorization)"]))
        #expect(answer.status == 200)
    }

    @Test(arguments: ["access_token", "token", "authorization"])
    func aTokenInTheQueryIsNotLookedAt(name: String) throws {
        let answer = try Self.listener().answer(
            to: WireRequest.post(WireRequest.ping(), path: "/mcp?\(name)=\(Self.token)"))
        #expect(answer.status == 401)
    }

    @Test func everyRequestOfAConnectionNeedsItsToken() throws {
        let listener = try Self.listener()
        let client = try listener.connect()
        try client.send(
            WireRequest.post(WireRequest.ping(), fields: ["Authorization: Bearer \(Self.token)"])
                + WireRequest.post(WireRequest.ping(id: 2)))
        #expect(try client.answers().map(\.status) == [200, 401])
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aTokenSentTwiceIsMalformed() throws {
        let field = "Authorization: Bearer \(Self.token)"
        let answer = try Self.listener().answer(to: WireRequest.post(WireRequest.ping(), fields: [field, field]))
        #expect(answer.status == 400)
    }

    @Test func aForeignPageIsForbiddenBeforeItsTokenIsLookedAt() throws {
        let answer = try Self.listener().answer(
            to: WireRequest.post(
                WireRequest.ping(), fields: ["Origin: https://evil.example", "Authorization: Bearer \(Self.token)"]))
        #expect(answer.status == 403)
    }

    @Test func aPageMayReadItsChallenge() throws {
        let answer = try Self.listener().answer(
            to: WireRequest.post(WireRequest.ping(), fields: ["Origin: http://localhost:1"]))
        #expect(answer.status == 401)
        #expect(answer.fields["access-control-allow-origin"] == "http://localhost:1")
        #expect(answer.fields["access-control-expose-headers"]?.contains("WWW-Authenticate") == true)
    }

    @Test func theSessionOfAnotherPrincipalIsUnknown() throws {
        let listener = try Self.listener()
        let opening = WireRequest.initialize().replacing(
            "Host: localhost\r\n", with: "Host: localhost\r\nAuthorization: Bearer \(Self.token)\r\n")
        let session = try #require(try listener.answer(to: opening).fields["mcp-session-id"])
        for (token, status) in [(Self.token, 200), ("token-of-bob-0123456789", 404)] {
            let fields = ["Authorization: Bearer \(token)", "Mcp-Session-Id: \(session)"]
            #expect(try listener.answer(to: WireRequest.post(WireRequest.ping(), fields: fields)).status == status)
        }
        listener.expectNothingLeft()
    }

    private static func listener() throws -> EmbeddedListener {
        let file = TestTokens("alice \(self.token)\nbob token-of-bob-0123456789\n")
        return EmbeddedListener(.sample(authentication: .tokens(try TokenFile(path: file.path))))
    }
}
