package import TorporProtocol

/// Why a foreign server's answer cannot be given.
package struct UpstreamError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What the caller can do about it.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case answered, timedOut, ended, closed, endedAtProbe, refused, overloaded, tooLarge, protocolFault
            case sessionLost, unauthorized, unavailable
        }

        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The server answered with an error of its own, which ``UpstreamError/answer`` holds. Pass it on.
        package static let answered = Code(.answered)
        /// No answer came within the time limit. Whether the request was carried out is unknown.
        package static let timedOut = Code(.timedOut)
        /// The conversation ended while the request was under way. Whether it was carried out is unknown.
        package static let ended = Code(.ended)
        /// The conversation had ended before: nothing was sent. Open another one and send it there.
        package static let closed = Code(.closed)
        /// The server went away when it was asked which era it speaks. Start it again and open it as a legacy server.
        package static let endedAtProbe = Code(.endedAtProbe)
        /// Both sides have no revision in common, or the server does not take what was asked. Trying again is of no
        /// use.
        package static let refused = Code(.refused)
        /// A limit of this side was reached, and nothing was sent. Try again later.
        package static let overloaded = Code(.overloaded)
        /// The answer is larger than the limit; it was dropped. The request was carried out.
        package static let tooLarge = Code(.tooLarge)
        /// What the server sent is not what the protocol asks for.
        package static let protocolFault = Code(.protocolFault)
        /// The server has forgotten its session and a new one was of no help. Nothing was carried out.
        package static let sessionLost = Code(.sessionLost)
        /// The server asks for credentials, or for others. Nothing was carried out.
        package static let unauthorized = Code(.unauthorized)
        /// The server cannot be reached, or says that it cannot serve now.
        package static let unavailable = Code(.unavailable)

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// One sentence. It holds no payload, unless the server wrote it into an error of its own.
    package let message: String
    /// The server's own error, for ``Code/answered`` only.
    package let answer: MCPError?

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
        self.answer = nil
    }

    package init(answer: MCPError) {
        self.code = .answered
        self.message = answer.message
        self.answer = answer
    }

    package var description: String { "\(self.code): \(self.message)" }
}
