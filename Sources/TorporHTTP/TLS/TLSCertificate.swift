import NIOCore
import NIOSSL
import Synchronization
import Torpor
import TorporCore

/// The certificate and the private key that a listener proves itself with, from two PEM files.
///
///     var configuration = HTTPConfiguration()
///     configuration.tls = try TLSCertificate(certificateFile: "server.pem", keyFile: "server.key")
///
/// The certificate file holds the server's certificate first, then those that lead to a root. The key file is mode 0600
/// and its key has no passphrase. ``reload()`` takes renewed files into use without a restart.
public final class TLSCertificate: Sendable {
    /// The largest file that is read.
    private static let fileMax = ByteCount.mebibytes(1)
    /// How long a client may take to agree to the end of a connection.
    private static let shutdownTimeout = TimeAmount.seconds(1)

    public let certificateFile: String
    public let keyFile: String
    private let current: Mutex<NIOSSLContext>

    /// Reads both files.
    /// - Throws: ``TLSCertificateError`` that names the file at fault.
    public init(certificateFile: String, keyFile: String) throws(TLSCertificateError) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.current = Mutex(try Self.load(certificateFile, keyFile))
    }

    /// Reads both files again, for connections that begin from now on. Those that are open go on under the certificate
    /// they began with.
    /// - Throws: ``TLSCertificateError``; then what was read before stays in force.
    public func reload() throws(TLSCertificateError) {
        let context = try Self.load(self.certificateFile, self.keyFile)
        self.current.withLock { $0 = context }
    }

    /// What a connection that begins now is made with.
    var context: NIOSSLContext { self.current.withLock { $0 } }

    private static func load(_ certificateFile: String, _ keyFile: String) throws(TLSCertificateError) -> NIOSSLContext
    {
        let chain = try self.certificates(certificateFile)
        let key = try self.privateKey(keyFile)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["h2", "http/1.1"]
        configuration.shutdownTimeout = self.shutdownTimeout
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TLSCertificateError(
                description: "the key of \(keyFile) does not belong to the first certificate of \(certificateFile)")
        }
    }

    private static func certificates(_ path: String) throws(TLSCertificateError) -> [NIOSSLCertificate] {
        let text: String
        do {
            text = try PrivateFile.read(path, sizeMax: self.fileMax, isSecret: false)
        } catch {
            throw TLSCertificateError(description: "certificate file \(path) \(error)")
        }
        guard let chain = try? NIOSSLCertificate.fromPEMBytes(Array(text.utf8)), !chain.isEmpty else {
            throw TLSCertificateError(
                description: "certificate file \(path) holds no certificate in PEM, or a faulty one")
        }
        return chain
    }

    private static func privateKey(_ path: String) throws(TLSCertificateError) -> NIOSSLPrivateKey {
        let text: String
        do {
            text = try PrivateFile.read(path, sizeMax: self.fileMax)
        } catch {
            throw TLSCertificateError(description: "key file \(path) \(error)")
        }
        // Without a passphrase at hand none is asked for at the terminal.
        let key = try? NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) { $0([UInt8]()) }
        guard let key else {
            throw TLSCertificateError(
                description: "key file \(path) holds no private key in PEM, a faulty one, or one with a passphrase")
        }
        return key
    }
}

/// Why a certificate or its key cannot be used, and what to do.
public struct TLSCertificateError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
