import Testing
import Torpor
import TorporJSON

@testable import TorporHTTP

/// The page for people, and how it is served.
@Suite struct DashboardTests {
    private static let browser = ["Accept: text/html,application/xhtml+xml,*/*;q=0.8"]

    private func withDashboard(_ body: @Sendable (LoopbackClient) async throws -> Void) async throws {
        var sources = AdminSources.healthy
        sources.operations = AdminOperations(process: { [:] }, state: nil)
        try await withAdminListener(sources: sources) { port in try await body(try LoopbackClient(port: port)) }
    }

    @Test func aBrowserGetsThePageAndOthersTheList() async throws {
        try await self.withDashboard { client in
            let page = try client.request("GET", "/", fields: Self.browser)
            #expect(page.status == 200 && page.body == Dashboard.page)
            #expect(page.fields["content-type"] == "text/html; charset=utf-8")
            for fields in [[], ["Accept: */*"], ["Accept: application/json"]] {
                let list = try client.request("GET", "/", fields: fields)
                #expect(list.body.hasPrefix("/livez ") && list.fields["content-security-policy"] == nil)
            }
        }
    }

    @Test(arguments: [("/", "text/html"), ("/dashboard.css", "text/css"), ("/dashboard.js", "text/javascript")])
    func eachFileIsShutOffFromOtherSites(path: String, type: String) async throws {
        try await self.withDashboard { client in
            let file = try client.request("GET", path, fields: Self.browser)
            #expect(file.status == 200 && file.fields["content-type"] == "\(type); charset=utf-8")
            let policy = try #require(file.fields["content-security-policy"])
            #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"))
            #expect(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"))
            #expect(file.fields["x-frame-options"] == "DENY" && file.fields["cache-control"] == "no-store")
            #expect(file.fields["x-content-type-options"] == "nosniff")
            #expect(file.fields["referrer-policy"] == "no-referrer")
            #expect(try client.request("GET", path, host: "evil.example", fields: Self.browser).status == 403)
            let foreign = Self.browser + ["Origin: https://evil.example"]
            #expect(try client.request("GET", path, fields: foreign).status == 403)
            let post = try client.request("POST", path, fields: Self.browser + ["Content-Length: 0"])
            #expect(post.status == 405 && post.fields["allow"] == "GET, HEAD")
        }
    }

    @Test func withoutPagesBelowDebugThereIsNone() async throws {
        try await withAdminListener { port in
            let client = try LoopbackClient(port: port)
            #expect(try client.request("GET", "/", fields: Self.browser).body.hasPrefix("/livez "))
            #expect(try client.request("GET", "/dashboard.js", fields: Self.browser).status == 404)
        }
    }

    @Test func nothingIsLoadedFromElsewhereAndNothingIsWrittenAsMarkup() {
        for file in [Dashboard.page, Dashboard.style, DashboardScript.text] {
            #expect(!file.contains("http:") && !file.contains("https:") && !file.contains("//cdn"))
            #expect(!file.contains("url(") && !file.contains("@import"))
        }
        for call in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"] {
            #expect(!DashboardScript.text.contains(call))
        }
        #expect(!Dashboard.page.contains(" style=") && !Dashboard.page.contains(" onclick="))
    }

    @Test func everyPlaceThatTheScriptFillsIsOnThePage() {
        let used = Set(DashboardScript.text.matches(of: #/(?:byId|meter)\("([a-z-]+)"/#).map { String($0.output.1) })
        let there = Dashboard.page.matches(of: #/ id="([a-z-]+)"/#).map { String($0.output.1) }
        #expect(used.count > 10 && used.isSubset(of: there))
        #expect(Set(there).count == there.count)
        for label in Dashboard.page.matches(of: #/aria-labelledby="([a-z-]+)"/#) {
            #expect(there.contains(String(label.output.1)))
        }
    }
}
