import AsyncHTTPClient
import NIOHTTP1
import TorporUpstream

extension UpstreamError {
    /// Why an exchange came to nothing.
    /// - Parameter hasBegun: Whether the answer had.
    init(transport error: any Error, hasBegun: Bool) {
        if let error = error as? HTTPClientError {
            switch error {
            case .getConnectionFromPoolTimeout:
                self.init(.overloaded, "All connections to the server are in use. Try again.")
                return
            case .connectTimeout:
                self.init(.unavailable, "The server does not take a connection in time.")
                return
            default: break
            }
        }
        if hasBegun {
            self.init(.ended, "The connection broke before the answer was complete.")
        } else {
            self.init(.unavailable, "The server cannot be reached, or broke the connection off.")
        }
    }

    /// What a status means that is no success.
    init(status: HTTPResponseStatus) {
        let code = status.code
        switch code {
        case 401, 403:
            self.init(.unauthorized, "The server answers with status \(code): it wants credentials, or others.")
        case 408, 429, 502, 503, 504:
            self.init(.unavailable, "The server answers with status \(code): it cannot serve now.")
        case 300...399:
            self.init(.refused, "The server answers with status \(code); give the URL that it leads to.")
        default: self.init(.refused, "The server answers with status \(code).")
        }
    }
}
