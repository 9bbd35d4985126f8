import Torpor
import TorporHTTP

/// What `torpor serve` reads from the files that its settings name, and reads again when they change.
struct ServeFiles {
    private(set) var authentication = Authentication.none
    private(set) var adminTokens: TokenFile?
    private(set) var keys = SealingKeys.perProcess()
    private(set) var certificate: TLSCertificate?
    private var watches: [FileReloader.Watch] = []
    private var keyFile: (file: KeyFile, version: FileVersion)?

    /// Reads all files; makes the key file when there is none.
    /// - Throws: an error that names the file at fault.
    init(_ configuration: ServeConfiguration) throws {
        if let path = configuration.tokenFilePath {
            let version = FileVersion([path])
            let file = try TokenFile(path: path)
            self.authentication = .tokens(file)
            self.watches.append(.init(version) { try file.reload() })
        }
        if let path = configuration.adminTokenFilePath {
            let version = FileVersion([path])
            let file = try TokenFile(path: path)
            self.adminTokens = file
            self.watches.append(.init(version) { try file.reload() })
        }
        if let files = configuration.tlsFiles {
            let version = FileVersion([files.certificate, files.key])
            let certificate = try TLSCertificate(certificateFile: files.certificate, keyFile: files.key)
            self.certificate = certificate
            self.watches.append(.init(version) { try certificate.reload() })
        }
        if let file = configuration.keyFile {
            // Made first, if need be, so that its making is no change.
            _ = try file.loadOrCreate()
            self.keyFile = (file, FileVersion([file.path]))
            self.keys = try file.load()
        }
    }

    /// The files to watch, and what to do when one has changed.
    func watches(replacingKeysOf http: HTTPServer) -> [FileReloader.Watch] {
        guard let (file, version) = self.keyFile else { return self.watches }
        return self.watches + [.init(version) { http.replaceKeys(try file.load()) }]
    }
}
