import NIOSSL

/// A self-signed certificate for localhost and 127.0.0.1, made for these tests and valid until 2119.
enum StubCertificate {
    static func server() throws -> TLSConfiguration {
        .makeServerConfiguration(
            certificateChain: [.certificate(try self.certificate())],
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(self.key.utf8), format: .pem)))
    }

    /// Trusts the certificate, and no other.
    static func client() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates([try self.certificate()])
        return configuration
    }

    private static func certificate() throws -> NIOSSLCertificate {
        try NIOSSLCertificate(bytes: Array(self.text.utf8), format: .pem)
    }

    private static let text = """
        -----BEGIN CERTIFICATE-----
        MIIBsTCCAVegAwIBAgIUewuT3MvzSBbfEWWw+DCOnZ74OGowCgYIKoZIzj0EAwIw
        HzEdMBsGA1UEAwwUdG9ycG9yIHVwc3RyZWFtIHRlc3QwIBcNMjYxMTIxMjExNzQ0
        WhgPMjExOTEyMjQyMTE3NDRaMB8xHTAbBgNVBAMMFHRvcnBvciB1cHN0cmVhbSB0
        ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEN+YfI+9Q3pVR907IROXy49B8
        ZbX/Dx4X1y7PuIMQmDFpfNo27AFKWSf3tltc07NP+DzS389V9eOZ7gFS71X6OqNv
        MG0wHQYDVR0OBBYEFFX/vvh05kFqnu+Gh/O+DiNddiRKMB8GA1UdIwQYMBaAFFX/
        vvh05kFqnu+Gh/O+DiNddiRKMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJ
        bG9jYWxob3N0hwR/AAABMAoGCCqGSM49BAMCA0gAMEUCIQDEU4gcnGoRQZp1Oc/f
        ghhx02hHHgu7xPsKxI6IjPUBnwIgRVrgf/2aGIlMHRA8VrtK5DnuAid9+gIen8+W
        hYhFswE=
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsebZW/wybT30mohd
        gyhrEW54Mm4ywp4FBMMhWOJKHeOhRANCAAQ35h8j71DelVH3TshE5fLj0Hxltf8P
        HhfXLs+4gxCYMWl82jbsAUpZJ/e2W1zTs0/4PNLfz1X145nuAVLvVfo6
        -----END PRIVATE KEY-----
        """
}
