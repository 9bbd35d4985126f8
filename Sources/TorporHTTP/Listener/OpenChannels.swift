import Synchronization
import Torpor
import TorporCore
import TorporProtocol

/// A stream of the transport of 2024-11-05, and the name by which POSTs find it.
struct OpenChannel: Sendable {
    let name: UInt128
    let channel: MessageChannel

    /// Where its client posts: the data of the stream's first event.
    var address: String { "\(Endpoint.sseMessagesPath)?session=\(String(self.name, radix: 36))" }
}

/// The open streams of the transport of 2024-11-05. Each lives as long as its connection.
final class OpenChannels: Sendable {
    private let dispatcher: Dispatcher
    private let channels = Mutex<[UInt128: MessageChannel]>([:])

    init(dispatcher: Dispatcher) { self.dispatcher = dispatcher }

    func open(principal: Principal?) throws(Refusal) -> OpenChannel {
        let open = OpenChannel(
            name: UInt128.random(in: .min ... .max), channel: try self.dispatcher.openChannel(principal: principal))
        self.channels.withLock { $0[open.name] = open.channel }
        return open
    }

    /// The channel that a POST names in its query; `nil` when there is none, or it is another principal's.
    func channel(of request: HTTPRequest, principal: Principal?) -> MessageChannel? {
        let query = request.bytes[request.head.path.upperBound..<request.head.target.upperBound]
        let prefix = "?session="
        guard query.starts(with: prefix.utf8),
            let name = UInt128(String(decoding: query.dropFirst(prefix.utf8.count), as: UTF8.self), radix: 36),
            let channel = self.channels.withLock({ $0[name] }), channel.principal == principal
        else { return nil }
        return channel
    }

    /// Its connection has gone: its calls are cancelled, its questions stay without an answer.
    func close(_ open: OpenChannel) {
        guard self.channels.withLock({ $0.removeValue(forKey: open.name) }) != nil else { return }
        self.dispatcher.close(open.channel)
    }
}
