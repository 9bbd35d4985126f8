import Glibc
import Testing

@testable import TorporHTTP

@Suite struct TLSCertificateTests {
    @Test func aMissingFileIsNamed() throws {
        let files = try CertificateFiles()
        let noCertificate = #expect(throws: TLSCertificateError.self) {
            try TLSCertificate(certificateFile: "/nowhere/a.pem", keyFile: files.key)
        }
        #expect(
            noCertificate?.description
                == "certificate file /nowhere/a.pem cannot be opened: No such file or directory")
        let noKey = #expect(throws: TLSCertificateError.self) {
            try TLSCertificate(certificateFile: files.certificate, keyFile: "/nowhere/a.key")
        }
        #expect(noKey?.description == "key file /nowhere/a.key cannot be opened: No such file or directory")
    }

    @Test(arguments: ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"])
    func whatHoldsNoCertificateIsRefused(text: String) throws {
        let files = try CertificateFiles()
        try files.replace(certificate: text)
        let error = #expect(throws: TLSCertificateError.self) { try files.load() }
        #expect(error?.description.hasPrefix("certificate file \(files.certificate) holds no certificate") == true)
    }

    @Test(arguments: ["", "no key", SampleCertificate.first.certificate, SampleCertificate.encryptedKey])
    func whatHoldsNoKeyIsRefusedWithoutAskingForAPassphrase(text: String) throws {
        let files = try CertificateFiles()
        try files.replace(key: text)
        let error = #expect(throws: TLSCertificateError.self) { try files.load() }
        #expect(error?.description.hasPrefix("key file \(files.key) holds no private key") == true)
    }

    @Test func aKeyOfAnotherCertificateIsRefused() throws {
        let files = try CertificateFiles()
        try files.replace(key: SampleCertificate.second.key)
        let error = #expect(throws: TLSCertificateError.self) { try files.load() }
        #expect(error?.description.contains("does not belong to the first certificate") == true)
    }

    @Test func aKeyThatOthersMayReadIsRefusedAndACertificateIsNot() throws {
        let files = try CertificateFiles()
        chmod(files.certificate, 0o644)
        _ = try files.load()
        chmod(files.key, 0o644)
        let error = #expect(throws: TLSCertificateError.self) { try files.load() }
        #expect(error?.description.contains("chmod 600 \(files.key)") == true)
    }

    @Test func aChainIsTakenWhole() throws {
        let files = try CertificateFiles()
        try files.replace(
            certificate: SampleCertificate.first.certificate + "\n" + SampleCertificate.second.certificate)
        _ = try files.load()
    }
}
