import Testing
import Torpor

@testable import TorporHTTP

@Suite struct AccessRulesTests {
    @Test(arguments: [
        ("localhost", true), ("localhost:8080", true), ("LocalHost:1", true), ("127.0.0.1", true),
        ("127.0.0.1:8080", true),
        ("[::1]", true), ("[::1]:8080", true),
        ("evil.example", false), ("localhost.evil.example", false), ("evil.example:8080", false),
        ("127.0.0.1.evil.example", false),
        ("127.0.0.2", false), ("0.0.0.0", false), ("[::2]:8080", false), ("localhost:", false), (":8080", false),
        ("8080", false),
        ("localhost:80:80", false),
    ])
    func atLoopbackTheServerIsAddressedByItsLoopbackNames(host: String, isAllowed: Bool) {
        #expect(Self.allows(host: host) == isAllowed)
    }

    @Test func allowedNamesComeOnTopWhateverTheirCase() {
        let change = { (configuration: inout HTTPConfiguration) in configuration.allowedHosts = ["App.Example.com"] }
        for host in ["app.example.com", "APP.example.com:443", "localhost:8080"] {
            #expect(Self.allows(host: host, change))
        }
        for host in ["example.com", "app.example.com.evil", "xapp.example.com"] {
            #expect(!Self.allows(host: host, change))
        }
    }

    @Test func beyondLoopbackAnyNameWillDoUnlessSomeAreListed() {
        #expect(Self.allows(host: "anything.example:1") { $0.host = "0.0.0.0" })
        let listed = { (configuration: inout HTTPConfiguration) in
            configuration.host = "0.0.0.0"
            configuration.allowedHosts = ["app.example.com"]
        }
        #expect(Self.allows(host: "app.example.com", listed))
        #expect(!Self.allows(host: "anything.example", listed))
    }

    @Test func theLoopbackAddressThatIsListenedAtIsAName() {
        #expect(Self.allows(host: "127.0.0.2:8080") { $0.host = "127.0.0.2" })
        #expect(!Self.allows(host: "127.0.0.3:8080") { $0.host = "127.0.0.2" })
    }

    @Test(arguments: [
        ("http://localhost", true), ("http://localhost:3000", true), ("https://localhost:3000", true),
        ("http://127.0.0.1:1", true),
        ("http://[::1]:8080", true), ("https://app.example.com", true), ("HTTPS://APP.EXAMPLE.COM", true),
        ("chrome-extension://abc", true),
        ("null", false), ("", false), ("localhost", false), ("http://", false), ("https://evil.example", false),
        ("https://app.example.com.evil.example", false), ("https://app.example.com:444", false),
        ("http://app.example.com", false),
        ("http://localhost.evil.example", false), ("http://localhost@evil.example", false),
        ("http://evil.example#localhost", false),
        ("http://localhost/", false), ("ftp://localhost", false), ("http://localhost http://evil.example", false),
    ])
    func pagesOfLoopbackAndOfAllowedOriginsMayCall(origin: String, isAllowed: Bool) {
        var configuration = HTTPConfiguration()
        configuration.allowedOrigins = ["https://app.example.com", "chrome-extension://abc"]
        let bytes = Array(origin.utf8)
        #expect(AccessRules(configuration).allows(origin: 0..<bytes.count, in: bytes.span) == isAllowed)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("::1", true), ("[::1]", true),
        ("0.0.0.0", false), ("::", false), ("192.168.0.1", false), ("127.evil.example", false),
        ("localhost.evil.example", false), ("", false),
    ])
    func loopbackIsWhatOnlyThisMachineReaches(host: String, isLoopback: Bool) {
        #expect(HTTPConfiguration.isLoopback(host) == isLoopback)
    }

    private static func allows(host: String, _ change: (inout HTTPConfiguration) -> Void = { _ in }) -> Bool {
        var configuration = HTTPConfiguration()
        change(&configuration)
        let bytes = Array(host.utf8)
        return AccessRules(configuration).allows(host: 0..<bytes.count, in: bytes.span)
    }
}

@Suite struct AccessTests {
    @Test(arguments: ["POST", "GET", "DELETE", "OPTIONS", "PUT"])
    func aForeignHostIsForbiddenWhateverIsAsked(method: String) throws {
        let listener = EmbeddedListener()
        let answer = try listener.answer(
            to: WireRequest.bare(method, host: "evil.example", fields: ["Origin: http://evil.example"]))
        #expect(answer.status == 403)
        #expect(answer.fields["access-control-allow-origin"] == nil)
        listener.expectNothingLeft()
    }

    @Test func aForeignOriginIsForbiddenAndNotLetToRead() throws {
        let answer = try EmbeddedListener().answer(
            to: WireRequest.post(WireRequest.ping(), fields: ["Origin: https://evil.example"]))
        #expect(answer.status == 403)
        #expect(answer.fields["access-control-allow-origin"] == nil)
    }

    @Test func withoutAnOriginNothingIsSaidOfOrigins() throws {
        let answer = try EmbeddedListener().answer(to: WireRequest.post(WireRequest.ping()))
        #expect(answer.status == 200)
        #expect(answer.fields["access-control-allow-origin"] == nil)
        #expect(answer.fields["vary"] == nil)
    }

    @Test(arguments: [WireRequest.ping(), "no JSON", WireRequest.legacyCall("echo_missing")])
    func anAllowedPageMayReadEveryAnswer(body: String) throws {
        let answer = try EmbeddedListener().answer(
            to: WireRequest.post(body, fields: ["Origin: http://localhost:3000"]))
        #expect(answer.fields["access-control-allow-origin"] == "http://localhost:3000")
        #expect(answer.fields["vary"] == "Origin")
        #expect(answer.fields["access-control-expose-headers"]?.contains("Mcp-Session-Id") == true)
    }

    @Test func aBrowserThatAsksFirstIsToldWhatItMaySend() throws {
        let listener = EmbeddedListener(.sample { $0.allowedOrigins = ["https://app.example.com"] })
        let client = try listener.connect()
        let fields = ["Origin: https://app.example.com", "Access-Control-Request-Method: POST"]
        try client.send(
            WireRequest.bare("OPTIONS", fields: fields) + WireRequest.post(WireRequest.ping(), fields: fields))
        let answers = try client.answers()
        #expect(answers.map(\.status) == [204, 200])
        let preflight = try #require(answers.first)
        #expect(preflight.body.isEmpty)
        #expect(preflight.fields["access-control-allow-origin"] == "https://app.example.com")
        #expect(preflight.fields["access-control-allow-methods"] == "POST, GET, DELETE")
        for name in [
            "Authorization", "Content-Type", "Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name",
        ] {
            #expect(preflight.fields["access-control-allow-headers"]?.contains(name) == true, "\(name)")
        }
        try client.disconnect()
        listener.expectNothingLeft()
    }

    @Test func aForeignPageThatAsksFirstIsForbidden() throws {
        let answer = try EmbeddedListener().answer(
            to: WireRequest.bare("OPTIONS", fields: ["Origin: https://evil.example"]))
        #expect(answer.status == 403)
        #expect(answer.fields["access-control-allow-methods"] == nil)
    }
}
