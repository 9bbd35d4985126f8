import Glibc
import NIOCore
import NIOSSL
import Torpor

@testable import TorporHTTP

/// A self-signed certificate for localhost and 127.0.0.1, made for these tests and valid until 2120.
struct SampleCertificate: Sendable {
    let certificate: String
    let key: String

    static let first = SampleCertificate(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBcjCCARmgAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA90b3Jwb3Ig
            dGVzdCBvbmUwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
            BgNVBAMMD3RvcnBvciB0ZXN0IG9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
            BFZtBeh7/h/r1YhHXfna7izjaWFKoJKFqKgTI0AbrXO6/2PfOAQoghS/liEnhJrM
            acna9rAULePCMN4BR1NAS5+jTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMw
            EYIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQWBBRjuyOVYwnxzTji4KoWPxsbIu7X
            ajAKBggqhkjOPQQDAgNHADBEAiAv4xpTxA/wrl8L1ipevKsN4QjVMz6HHA/19IZj
            L3xEkQIgSyT4tbv+Auf6IgeXMk55SeN3XU0XUjV7R0iZn05HZrI=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqDY/adTyAfAwMnE+
            uRJTEubSuSdT4FH66wDn/VDscHKhRANCAARWbQXoe/4f69WIR1352u4s42lhSqCS
            haioEyNAG61zuv9j3zgEKIIUv5YhJ4SazGnJ2vawFC3jwjDeAUdTQEuf
            -----END PRIVATE KEY-----
            """)

    static let second = SampleCertificate(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBczCCARmgAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA90b3Jwb3Ig
            dGVzdCB0d28wIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
            BgNVBAMMD3RvcnBvciB0ZXN0IHR3bzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
            BN+ZqEEXYVgvF/mqRAamna7PkjybaOu83+z/i4/VsBLGy3VN7FHv98bFvIWL+d/k
            HJDRzTBUcl3QqkVUF0JfKvqjTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMw
            EYIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQWBBRO/hP41jfUj5ex4khAt5v83rM0
            /DAKBggqhkjOPQQDAgNIADBFAiEAvu13uyv2j/Bd0mtx9zOSYjY7/Bxf+B9FvKQI
            ZD8IwKoCIH5bnwNusn4ZQb3S8IYhAXnSWTFrk64GJsR8z8R8i2B5
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggNnP41LUQ+ULCeId
            C7TcDsXK4QckA66/WR2gqoLzO1ChRANCAATfmahBF2FYLxf5qkQGpp2uz5I8m2jr
            vN/s/4uP1bASxst1TexR7/fGxbyFi/nf5ByQ0c0wVHJd0KpFVBdCXyr6
            -----END PRIVATE KEY-----
            """)

    /// The key of ``first`` under the passphrase `secret`.
    static let encryptedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjxPCCOWKNMsAICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEEX5h7KDf8zk+EOtBgKg0csEgZCK
        RNjmUt4M+dqkzUF9xGfzH1erGhCaPPHtLKmjV9frL2cZX/+F3cCq+cjxNVVs8bl1
        kytLvT5PSJqxtTswYL//K3UlZzCCSVxCdBY5Q4SwsTnUgLjIw0R3xBk6XA5agPd/
        D8q1TvT8z5Bt8WlFZ9Tzp8eDgsjDaOI0KEruYnhstjgS4zSU3fPod9lXizNjgrA=
        -----END ENCRYPTED PRIVATE KEY-----
        """

    /// What the certificate is told apart by.
    var bytes: [UInt8] {
        get throws { try NIOSSLCertificate(bytes: Array(self.certificate.utf8), format: .pem).toDERBytes() }
    }
}

/// The files of a certificate, in a folder that goes when it is no longer needed.
final class CertificateFiles: Sendable {
    private let folder: String
    var certificate: String { "\(self.folder)/certificate.pem" }
    var key: String { "\(self.folder)/key.pem" }

    init(_ sample: SampleCertificate = .first) throws {
        self.folder = "/tmp/torpor-certificate-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        guard mkdir(self.folder, 0o700) == 0 else { throw TLSCertificateError(description: "no folder") }
        try self.replace(certificate: sample.certificate, key: sample.key)
    }

    deinit {
        unlink(self.certificate)
        unlink(self.key)
        rmdir(self.folder)
    }

    func replace(certificate: String? = nil, key: String? = nil) throws {
        if let certificate { try PrivateFile.write(certificate, to: self.certificate, mayReplace: true) }
        if let key { try PrivateFile.write(key, to: self.key, mayReplace: true) }
    }

    func load() throws -> TLSCertificate { try TLSCertificate(certificateFile: self.certificate, keyFile: self.key) }
}

/// What a client is that trusts both sample certificates.
func sampleClientContext(
    protocols: [String] = [], _ change: (inout TLSConfiguration) -> Void = { _ in }
) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(
        try [SampleCertificate.first, .second].map {
            try NIOSSLCertificate(bytes: Array($0.certificate.utf8), format: .pem)
        })
    configuration.applicationProtocols = protocols
    change(&configuration)
    return try NIOSSLContext(configuration: configuration)
}
