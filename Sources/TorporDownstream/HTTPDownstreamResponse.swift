import Torpor
import TorporJSON

/// What a downstream has answered to a request: any status below 500 but 429.
public struct HTTPDownstreamResponse: Sendable {
    public let status: Int
    /// In the order in which they came.
    public let headers: [(name: String, value: String)]
    public let body: [UInt8]
    let downstream: String

    /// The first header of that name, in whatever case.
    public func header(_ name: String) -> String? {
        let name = name.lowercased()
        return self.headers.first { $0.name.lowercased() == name }?.value
    }

    /// The body as text; what is no UTF-8 is replaced.
    public var text: String { String(decoding: self.body, as: UTF8.self) }

    /// The body of an answer of success, decoded from JSON.
    /// - Throws: ``DownstreamError/Code/refused`` when the status is not 200 to 299,
    ///   ``DownstreamError/Code/unreadable`` when the body is no such JSON.
    public func json<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        guard (200..<300).contains(self.status) else {
            throw DownstreamError(
                .refused, of: self.downstream, "\(self.downstream) refused the request (HTTP \(self.status)).")
        }
        do {
            return try JSONBytesDecoder.decode(type, from: self.body)
        } catch {
            throw DownstreamError(
                .unreadable, of: self.downstream, "\(self.downstream) answered something other than was expected.",
                underlying: error)
        }
    }
}
