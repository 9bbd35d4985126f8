import Testing

@testable import TorporHTTP

@Suite struct AdminAccessTests {
    private func isAnswered(
        _ host: String?,
        origins: [String] = [],
        listeningOn address: String = "127.0.0.1",
        allowing allowedHosts: [String] = []
    ) -> Bool {
        AdminAccess(AdminConfiguration(host: address, allowedHosts: allowedHosts))
            .refusal(host: host, origins: origins) == nil
    }

    @Test(arguments: [
        "localhost", "LocalHost:9464", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535",
    ])
    func loopbackNamesAreAnsweredWithAnyPort(host: String) {
        #expect(self.isAnswered(host))
    }

    @Test(arguments: [
        nil, "", "evil.example", "evil.example:9464", "localhost.evil.example", "localhost:", "localhost:x",
        "localhost:65536", "localhost:+1", "localhost:1:2", "localhost@evil.example", "evil.example@localhost",
        "127.0.0.2", "::1", "[::1",
        "[::1]x", "[::1]x:1", "localhost.", " localhost",
    ])
    func anyOtherHostIsRefusedOnLoopback(host: String?) {
        #expect(!self.isAnswered(host))
    }

    @Test func anotherLoopbackAddressIsAnsweredByItsOwnName() {
        #expect(self.isAnswered("127.0.0.2:9464", listeningOn: "127.0.0.2"))
        #expect(!self.isAnswered("127.0.0.3:9464", listeningOn: "127.0.0.2"))
    }

    @Test func anAllowedHostIsAnsweredWithItsPortOrWithoutOneWithAny() {
        let allowed = ["Torpor.Example", "metrics.example:80"]
        #expect(self.isAnswered("torpor.example:1234", allowing: allowed))
        #expect(self.isAnswered("metrics.EXAMPLE:80", allowing: allowed))
        #expect(!self.isAnswered("metrics.example", allowing: allowed))
        #expect(!self.isAnswered("metrics.example:81", allowing: allowed))
    }

    @Test func beyondLoopbackEveryHostIsAnsweredUnlessSomeAreAllowed() {
        #expect(self.isAnswered("10.0.0.7:9464", listeningOn: "0.0.0.0"))
        #expect(self.isAnswered(nil, listeningOn: "0.0.0.0"))
        #expect(self.isAnswered("torpor.example", listeningOn: "0.0.0.0", allowing: ["torpor.example"]))
        #expect(self.isAnswered("localhost:1", listeningOn: "0.0.0.0", allowing: ["torpor.example"]))
        #expect(!self.isAnswered("10.0.0.7:9464", listeningOn: "0.0.0.0", allowing: ["torpor.example"]))
        #expect(!self.isAnswered(nil, listeningOn: "0.0.0.0", allowing: ["torpor.example"]))
    }

    @Test(arguments: ["http://localhost:9464", "HTTP://LOCALHOST:9464"])
    func theListenersOwnLoopbackOriginIsAnswered(origin: String) {
        #expect(self.isAnswered("localhost:9464", origins: [origin]))
        #expect(self.isAnswered("localhost:9464", origins: [origin], listeningOn: "::"))
    }

    @Test(arguments: [
        "null", "", "https://localhost:9464", "http://localhost", "http://localhost:3000", "http://127.0.0.1:9464",
        "http://evil.example", "http://localhost:9464/", "http://localhost:9464 http://evil.example",
    ])
    func anyOtherOriginIsRefused(origin: String) {
        #expect(!self.isAnswered("localhost:9464", origins: [origin]))
        #expect(!self.isAnswered("localhost:9464", origins: ["http://localhost:9464", origin]))
    }

    @Test func noOriginButLoopbackIsAnsweredBeyondLoopback() {
        #expect(!self.isAnswered("torpor.example", origins: ["http://torpor.example"], listeningOn: "0.0.0.0"))
        #expect(!self.isAnswered(nil, origins: ["http://localhost"], listeningOn: "0.0.0.0"))
    }

    @Test(arguments: [
        ("localhost", true), ("LOCALHOST", true), ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true),
        ("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("127.0.0", false), ("127.0.0.256", false),
        ("127.0.0.1.example", false), ("torpor.example", false),
    ])
    func loopbackIsToldFromTheRest(host: String, isLoopback: Bool) {
        #expect(AdminAccess.isLoopback(host) == isLoopback)
    }
}
