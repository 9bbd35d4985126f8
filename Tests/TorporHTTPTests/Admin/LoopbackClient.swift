import Glibc

/// A blocking HTTP/1.1 client over one loopback connection, just enough to see what a listener really sends.
final class LoopbackClient: Sendable {
    struct Failure: Error {
        var what: String
        var errno: Int32
    }

    struct Response {
        var status: Int
        /// By name in lower case.
        var fields: [String: String]
        var body: String
    }

    private let socketDescriptor: Int32

    /// - Throws: ``Failure`` with `ECONNREFUSED` when nobody listens on `port`.
    init(port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(what: "socket", errno: errno) }
        self.socketDescriptor = descriptor
        // A listener that does not answer fails the test instead of holding it up.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(what: "connect", errno: errno) }
    }

    deinit {
        close(self.socketDescriptor)
    }

    /// Sends a request and reads the response, as long as its `Content-Length` or its chunks say.
    func request(
        _ method: String,
        _ target: String,
        host: String? = "localhost",
        fields: [String] = [],
        body: String? = nil
    ) throws -> Response {
        var lines = ["\(method) \(target) HTTP/1.1"] + (host.map { ["Host: \($0)"] } ?? []) + fields
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        try self.write(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return try self.readResponse(hasBody: method != "HEAD")
    }

    func write(_ text: String) throws {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                send(self.socketDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send", errno: errno) }
            bytes = bytes.dropFirst(count)
        }
    }

    /// Says that no request will follow; responses can still be read.
    func finishSending() {
        shutdown(self.socketDescriptor, Int32(SHUT_WR))
    }

    /// Whether something has arrived that was not read yet.
    var hasInput: Bool {
        var event = pollfd(fd: self.socketDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, 0) > 0
    }

    func readResponse(hasBody: Bool) throws -> Response {
        var head = ""
        while !head.hasSuffix("\r\n\r\n") {
            head += try self.read(count: 1)
        }
        // "\r\n" is one character.
        var lines = head.split(separator: "\r\n")
        guard let status = lines.removeFirst().split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Failure(what: "no status: \(head)", errno: 0)
        }
        var fields: [String: String] = [:]
        for line in lines {
            let name = line.prefix { $0 != ":" }
            fields[name.lowercased()] = String(line.dropFirst(name.count + 1).drop { $0 == " " })
        }
        if hasBody, fields["transfer-encoding"] == "chunked" {
            return Response(status: status, fields: fields, body: try self.readChunks())
        }
        let count = hasBody ? fields["content-length"].flatMap { Int($0) } ?? 0 : 0
        return Response(status: status, fields: fields, body: try self.read(count: count))
    }

    private func readChunks() throws -> String {
        // Chunks may end amid a character.
        var bytes: [UInt8] = []
        while true {
            var size = ""
            while !size.hasSuffix("\r\n") { size += try self.read(count: 1) }
            guard let count = Int(size.dropLast(), radix: 16) else {
                throw Failure(what: "no chunk: \(size)", errno: 0)
            }
            bytes += try self.readBytes(count: count)
            _ = try self.read(count: 2)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        }
    }

    /// Waits until the other side closes; `false` when it sent something instead.
    func isClosedByPeer() throws -> Bool {
        var byte: UInt8 = 0
        let count = recv(self.socketDescriptor, &byte, 1, 0)
        // A reset says so too: bytes that were never read go with the connection.
        guard count >= 0 || errno == ECONNRESET else { throw Failure(what: "recv", errno: errno) }
        return count <= 0
    }

    private func read(count: Int) throws -> String { String(decoding: try self.readBytes(count: count), as: UTF8.self) }

    private func readBytes(count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let room = count - bytes.count
            let chunk = try [UInt8](unsafeUninitializedCapacity: room) { buffer, initialized in
                let received = recv(self.socketDescriptor, buffer.baseAddress, room, 0)
                guard received > 0 else { throw Failure(what: "recv", errno: received == 0 ? 0 : errno) }
                initialized = received
            }
            bytes += chunk
        }
        return bytes
    }
}
