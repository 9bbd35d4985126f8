import Testing

@testable import TorporSoak

@Suite struct EndpointTests {
    @Test(arguments: [
        ("http://127.0.0.1:8000/mcp", "127.0.0.1", 8_000, "/mcp"), ("http://localhost", "localhost", 80, "/"),
        ("http://[::1]:9000/a/b?c=d#e", "::1", 9_000, "/a/b?c=d"),
        ("http://example.com?x=1", "example.com", 80, "/?x=1"),
    ])
    func theURLIsTakenApart(text: String, host: String, port: Int, path: String) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        #expect(endpoint.path == path)
    }

    @Test(arguments: [
        "", "127.0.0.1:8000", "ftp://x/", "http://", "http://:80/", "http://x:0/", "http://x:65536/", "http://x:y/",
        "http://user@x/", "http://x/a b", "http://x y/",
    ])
    func whatIsNoURLIsRefused(text: String) {
        #expect(throws: SoakError.self) { try Endpoint(text) }
    }

    @Test func encryptionIsRefusedWithAReason() {
        let error = #expect(throws: SoakError.self) { try Endpoint("https://example.com/mcp") }
        #expect(error?.code == .usage)
        #expect(error?.description.contains("TLS") == true)
    }

    @Test func onlyLoopbackIsLoopback() throws {
        for text in ["http://127.0.0.1/", "http://127.9.9.9/", "http://localhost:1/", "http://[::1]/"] {
            #expect(try Endpoint(text).isLoopback, "\(text)")
        }
        for text in [
            "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://127.evil.example.com/", "http://[::2]/",
        ] {
            #expect(try !Endpoint(text).isLoopback, "\(text)")
        }
    }

    @Test func theAuthorityHasBracketsAroundIPv6() throws {
        #expect(try Endpoint("http://[::1]:9/x").authority == "[::1]:9")
        #expect(try Endpoint("http://localhost/").authority == "localhost:80")
    }
}
