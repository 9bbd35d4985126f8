import Glibc
import NIOCore

/// Why the admin listener cannot listen.
package struct AdminListenerError: Error, Sendable {
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        fileprivate enum Value: String { case portInUse, permissionDenied, addressUnavailable, systemError }
        fileprivate let value: Value
        private init(_ value: Value) { self.value = value }
        /// Another socket listens on that port. Choose another port, or stop the process that has it.
        package static let portInUse = Code(.portInUse)
        /// The port is one that this user may not listen on, as a rule one below 1024. Choose another port.
        package static let permissionDenied = Code(.permissionDenied)
        /// The host is no address of this machine, or its name has none. Choose another host.
        package static let addressUnavailable = Code(.addressUnavailable)
        /// The system refused for another reason, told in `underlying`.
        package static let systemError = Code(.systemError)
        package var description: String { self.value.rawValue }
    }

    package let code: Code
    package let host: String
    package let port: Int
    package let underlying: any Error

    init(host: String, port: Int, underlying: any Error) {
        self.host = host
        self.port = port
        self.underlying = underlying
        switch underlying {
        case let error as IOError:
            switch error.errnoCode {
            case EADDRINUSE: self.code = .portInUse
            case EACCES, EPERM: self.code = .permissionDenied
            case EADDRNOTAVAIL, EAFNOSUPPORT: self.code = .addressUnavailable
            default: self.code = .systemError
            }
        case is SocketAddressError.UnknownHost, is SocketAddressError: self.code = .addressUnavailable
        default: self.code = .systemError
        }
    }
}

extension AdminListenerError: CustomStringConvertible {
    package var description: String {
        let address = self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
        let reason =
            switch self.code.value {
            case .portInUse: "another process listens there; choose another port with --admin-port, or 0 to turn it off"
            case .permissionDenied: "not permitted; choose a port of 1024 or above with --admin-port"
            case .addressUnavailable:
                "this machine has no such address; listen on another host, or turn it off with --admin-port 0"
            case .systemError: "\(self.underlying); choose another port with --admin-port, or 0 to turn it off"
            }
        return "the admin listener cannot listen on \(address): \(reason)"
    }
}
