import HTTPTypes

/// Answers requests to the admin listener. Does no IO: a request in, a response out.
struct AdminResponder: Sendable {
    struct Response: Equatable, Sendable {
        var status: HTTPResponse.Status
        var contentType = "text/plain; charset=utf-8"
        var allow: String?
        var body: String

        /// The fields that go with the body, its length included, also when a HEAD request leaves the body out.
        var fields: HTTPFields {
            var fields: HTTPFields = [
                .contentType: self.contentType,
                .contentLength: String(self.body.utf8.count),
                .cacheControl: "no-store",
                .xContentTypeOptions: "nosniff",
            ]
            if let allow {
                fields[.allow] = allow
            }
            return fields
        }
    }

    private let access: AdminAccess
    private let sources: AdminSources

    init(configuration: AdminConfiguration, sources: AdminSources) {
        self.access = AdminAccess(configuration)
        self.sources = sources
    }

    /// The response to `request`; the caller leaves out the body when the method is HEAD.
    func respond(to request: HTTPTypes.HTTPRequest) -> Response {
        // The first Host became the authority; what is left under that name is a second one.
        guard !request.headerFields.contains(where: { $0.name.canonicalName == "host" }) else {
            return Response(status: .badRequest, body: "more than one Host\n")
        }
        let origins = request.headerFields[values: .origin]
        if let reason = self.access.refusal(host: request.authority, origins: origins) {
            return Response(status: .forbidden, body: reason + "\n")
        }
        guard let page = self.page(at: request.path ?? "") else {
            return Response(status: .notFound, body: "nothing here; / lists what there is\n")
        }
        guard request.method == .get || request.method == .head else {
            return Response(status: .methodNotAllowed, allow: "GET, HEAD", body: "only GET and HEAD are answered\n")
        }
        return page()
    }

    private func page(at target: String) -> (() -> Response)? {
        switch target.prefix(while: { $0 != "?" }) {
        case "/": { Response(status: .ok, body: Self.contents) }
        case "/livez": { self.health(self.sources.liveness()) }
        case "/readyz": { self.health(self.sources.readiness()) }
        case "/metrics": { self.metrics() }
        default: nil
        }
    }

    private static let contents = """
        /livez    200 while the process makes progress, else 503 with reasons
        /readyz   200 while the process takes requests, else 503 with reasons
        /metrics  Prometheus text

        """

    private func health(_ report: HealthReport) -> Response {
        guard !report.isHealthy else { return Response(status: .ok, body: "ok\n") }
        return Response(status: .serviceUnavailable, body: report.reasons.map { $0 + "\n" }.joined())
    }

    private func metrics() -> Response {
        let contentType = "text/plain; version=0.0.4; charset=utf-8"
        return Response(status: .ok, contentType: contentType, body: self.sources.metricsText())
    }
}
