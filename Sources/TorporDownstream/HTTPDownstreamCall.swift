import Torpor
import TorporJSON

/// Makes HTTP requests to a downstream, each within its ``DownstreamLimits``.
///
/// **Paths** are given as segments, each of which is encoded: what a model wrote cannot leave its segment.
///
/// **Answers** below status 500 are returned, whatever they are, but for 429. A status of 500 and above, and a failure
/// to reach the downstream, count for its breaker; 429 does not. Both are tried again where the request may be made
/// twice, after what `Retry-After` says in seconds, unless that is longer than ``DownstreamLimits/Retries/pauseMax``.
/// Redirects are not followed, since a request's headers are for nobody else.
///
/// Every request throws, beside what ``DownstreamCall/run(isRetryable:judge:_:)`` does, a ``DownstreamError`` with
/// ``DownstreamError/Code/failed``: the downstream could not be reached, or has answered 500 or above;
/// ``DownstreamError/Code/refused``: it has answered 429; ``DownstreamError/Code/tooLarge``: the response is larger
/// than ``HTTPDownstream/responseMax``; or a ``ToolError``: a segment of the path is empty, `.` or `..`. Nothing was
/// sent then.
public struct HTTPDownstreamCall: Sendable {
    let downstream: DownstreamCall
    let api: HTTPDownstream

    /// Reads. Tried again after a failure.
    /// - Parameters:
    ///   - path: Segments after the API's own path.
    ///   - query: Names and values, encoded in this order.
    ///   - headers: In addition to the API's own; of one name these count.
    public func get(
        _ path: String..., query: KeyValuePairs<String, String> = [:], headers: [String: String] = [:]
    ) async throws -> HTTPDownstreamResponse {
        try await self.request("GET", path, query: query, headers: headers, isRetryable: true)
    }

    /// Posts a value as JSON.
    /// - Parameter isRetryable: Whether it may be made twice and have the effect of once, say because a header names
    ///   it. Default `false`.
    public func post(
        _ path: String..., json value: some Encodable, headers: [String: String] = [:], isRetryable: Bool = false
    ) async throws -> HTTPDownstreamResponse {
        try await self.request("POST", path, headers: headers, json: value, isRetryable: isRetryable)
    }

    /// Puts a value as JSON. Tried again after a failure.
    public func put(
        _ path: String..., json value: some Encodable, headers: [String: String] = [:]
    ) async throws -> HTTPDownstreamResponse {
        try await self.request("PUT", path, headers: headers, json: value, isRetryable: true)
    }

    /// Patches by a value as JSON. See ``post(_:json:headers:isRetryable:)``.
    public func patch(
        _ path: String..., json value: some Encodable, headers: [String: String] = [:], isRetryable: Bool = false
    ) async throws -> HTTPDownstreamResponse {
        try await self.request("PATCH", path, headers: headers, json: value, isRetryable: isRetryable)
    }

    /// Deletes. Tried again after a failure.
    public func delete(
        _ path: String..., query: KeyValuePairs<String, String> = [:], headers: [String: String] = [:]
    ) async throws -> HTTPDownstreamResponse {
        try await self.request("DELETE", path, query: query, headers: headers, isRetryable: true)
    }

    private func request(
        _ method: String, _ path: [String], headers: [String: String], json value: some Encodable, isRetryable: Bool
    ) async throws -> HTTPDownstreamResponse {
        var headers = headers
        if !headers.keys.contains(where: { $0.lowercased() == "content-type" }) {
            headers["content-type"] = "application/json"
        }
        return try await self.request(
            method, path, headers: headers, body: try JSONBytesEncoder.encode(value), isRetryable: isRetryable)
    }

    /// Makes any request.
    /// - Parameters:
    ///   - method: In capitals.
    ///   - body: Sent as it is, with each try.
    ///   - isRetryable: Whether it may be made twice and have the effect of once.
    public func request(
        _ method: String, _ path: [String] = [], query: KeyValuePairs<String, String> = [:],
        headers: [String: String] = [:], body: [UInt8]? = nil, isRetryable: Bool
    ) async throws -> HTTPDownstreamResponse {
        let name = self.downstream.name
        guard let target = RequestTarget.url(self.api.base, path, query) else {
            throw ToolError("\(name) has nothing at such a path.")
        }
        let request = HTTPDownstreamClient.Request(
            method: method, url: target, headers: [self.api.headers, headers], body: body,
            responseMax: self.api.responseMax.bytes)
        do {
            return try await self.downstream.run(
                isRetryable: isRetryable, judge: { Self.verdict(of: $0) }
            ) {
                try await self.api.client.execute(request, of: name)
            }
        } catch let failure as HTTPFailure {
            throw failure.error(of: name)
        } catch let error where error is DownstreamError || error is CancellationError {
            throw error
        } catch {
            throw DownstreamError(
                .failed, of: name, "\(name) cannot be reached. Whether the request took effect is not known.",
                underlying: error)
        }
    }

    private static func verdict(of error: any Error) -> DownstreamVerdict {
        switch error {
        case let failure as HTTPFailure:
            failure.status >= 500
                ? .failed(retryAfter: failure.retryAfter) : .refused(retryAfter: failure.retryAfter ?? .zero)
        case is DownstreamError: .refused()
        default: .failed()
        }
    }
}

/// An answer that is no answer to a request: 429, or 500 and above.
struct HTTPFailure: Error {
    let status: Int
    /// What the answer says; `nil` when it does not.
    let retryAfter: Duration?

    func error(of name: String) -> DownstreamError {
        let advice = self.retryAfter.map { " Try again in \($0.secondsText)." } ?? ""
        return self.status == 429
            ? DownstreamError(
                .refused, of: name, "\(name) gets more requests than it takes (HTTP 429).\(advice)",
                retryAfter: self.retryAfter)
            : DownstreamError(
                .failed, of: name,
                "\(name) failed (HTTP \(self.status)). Whether the request took effect is not known.\(advice)",
                retryAfter: self.retryAfter)
    }
}
