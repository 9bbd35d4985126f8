import NIOCore
import NIOHTTP1
import NIOPosix
import Torpor

/// Asks the admin port of a running server, one request a connection.
struct AdminClient: Sendable {
    /// What an answer that is kept may take, in bytes. A page of a thousand objects takes about 400 KB.
    private static let answerMax = 16 << 20

    private let host: String
    private let port: Int
    private let token: String?
    private let url: String

    /// - Parameters:
    ///   - url: `http://HOST:PORT`; the port is 9464 when there is none.
    ///   - tokenFile: A file as `--admin-token-file` of the server takes it; its first token is sent.
    init(url: String, tokenFile: String?) throws(AdminClientError) {
        guard let address = Self.address(of: url) else {
            throw AdminClientError(.usage, "--admin-url: \"\(url)\" is no http://HOST:PORT")
        }
        (self.host, self.port) = address
        self.url = url
        self.token = if let tokenFile { try Self.token(in: tokenFile) } else { nil }
    }

    private static func address(of url: String) -> (host: String, port: Int)? {
        guard url.hasPrefix("http://") else { return nil }
        var rest = url.dropFirst("http://".count)
        if rest.hasSuffix("/") { rest.removeLast() }
        guard !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else { return nil }
        var port = 9_464
        if let colon = rest.lastIndex(of: ":"), rest.last != "]" {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
            port = Int(number)
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        return rest.isEmpty ? nil : (String(rest), port)
    }

    private static func token(in path: String) throws(AdminClientError) -> String {
        let text: String
        do {
            text = try PrivateFile.read(path, sizeMax: .mebibytes(1))
        } catch {
            throw AdminClientError(.usage, "token file \(path) \(error)")
        }
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard parts.count == 2, !parts[0].hasPrefix("#") else { continue }
            if !parts[1].hasPrefix("sha256:") { return String(parts[1]) }
        }
        throw AdminClientError(
            .usage,
            "token file \(path) has no token that could be sent; those given as sha256: are known to the server alone")
    }

    /// Asks for JSON.
    func object(
        _ method: HTTPMethod, _ path: String, body: [UInt8] = []
    ) async throws(AdminClientError) -> JSONObject {
        var bytes: [UInt8] = []
        try await self.send(method, path, body: body) { part throws(AdminClientError) in
            guard bytes.count + part.readableBytes <= Self.answerMax else {
                throw AdminClientError(.refused, "\(self.url) answers more than \(Self.answerMax >> 20) MiB")
            }
            bytes.append(contentsOf: part.readableBytesView)
        }
        guard case .object(let object)? = try? JSONValue(parsing: bytes) else {
            throw AdminClientError(.refused, "\(self.url) is no admin port of torpor: it does not answer with JSON")
        }
        return object
    }

    /// Sends a request and hands on the body of its answer, part by part.
    /// - Throws: ``AdminClientError``: also for every answer but 200.
    func send(
        _ method: HTTPMethod, _ path: String, body: [UInt8] = [],
        _ receive: (ByteBuffer) async throws(AdminClientError) -> Void
    ) async throws(AdminClientError) {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(host: self.host, port: self.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                            wrappingChannelSynchronously: channel)
                    }
                }
            try await channel.executeThenClose { inbound, outbound in
                try await self.write(method, path, body, to: outbound)
                try await self.read(inbound, receive)
            }
        } catch let error as AdminClientError {
            throw error
        } catch is NIOConnectionError {
            throw AdminClientError(
                .noServer, "no server answers at \(self.url); is it running, and is this its admin port?")
        } catch {
            throw AdminClientError(.noServer, "the connection to \(self.url) broke: \(error)")
        }
    }

    private func write(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8],
        to outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    ) async throws {
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        var headers: HTTPHeaders = ["Host": "\(name):\(self.port)", "Connection": "close"]
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        if method != .GET { headers.add(name: "Content-Length", value: "\(body.count)") }
        var parts: [HTTPClientRequestPart] = [
            .head(.init(version: .http1_1, method: method, uri: path, headers: headers))
        ]
        if !body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
        try await outbound.write(contentsOf: parts + [.end(nil)])
    }

    private func read(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>,
        _ receive: (ByteBuffer) async throws(AdminClientError) -> Void
    ) async throws {
        var status = HTTPResponseStatus.ok
        var refusal: [UInt8] = []
        var hasEnded = false
        for try await part in inbound {
            switch part {
            case .head(let head): status = head.status
            case .body(let part) where status == .ok: try await receive(part)
            case .body(let part): refusal.append(contentsOf: part.readableBytesView.prefix(65_536 - refusal.count))
            case .end: hasEnded = true
            }
            if hasEnded { break }
        }
        guard hasEnded else { throw AdminClientError(.noServer, "\(self.url) closed the connection amid its answer") }
        guard status != .unauthorized else {
            throw AdminClientError(
                .refused,
                self.token == nil
                    ? "the server asks for a token: give --admin-token-file"
                    : "the server does not know the first token of --admin-token-file")
        }
        guard status == .ok else { throw AdminClientError(status: Int(status.code), refusal) }
    }
}

/// Why a request to an admin port did not succeed.
struct AdminClientError: Error, CustomStringConvertible, Equatable {
    enum Code: Int32 {
        /// The server refused, and says why.
        case refused = 1
        /// Nobody answers there, or not to the end.
        case noServer = 3
        /// The server has no such object.
        case unknown = 4
        /// What was given on the command line cannot be used.
        case usage = 64
    }

    let code: Code
    let description: String

    /// The status with which the program ends.
    var exitCode: Int32 { self.code.rawValue }

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    /// - Parameter body: JSON with a message, or text.
    init(status: Int, _ body: [UInt8]) {
        let json = try? JSONValue(parsing: body)
        var message = String(decoding: body, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        if case .string(let text)? = json?["message"] { message = text }
        if status == 404, json == nil {
            message =
                "the server has no such page: it is older, or its admin port is beyond loopback without --admin-token-file"
        }
        self.init(status == 404 && json != nil ? .unknown : .refused, message)
    }
}
