import HTTPTypes
import TorporCore

/// Answers requests to the admin listener. Does no IO: a request in, a response out.
struct AdminResponder: Sendable {
    struct Response: Equatable, Sendable {
        var status: HTTPResponse.Status
        var contentType = "text/plain; charset=utf-8"
        var allow: String?
        /// In seconds.
        var retryAfter: Int?
        /// Whether a bearer token is asked for.
        var challenges = false
        /// For what a browser shows or runs; no other page may have it in a frame then.
        var contentSecurityPolicy: String?
        var body: String

        /// The fields that go with the body, its length included, also when a HEAD request leaves the body out.
        var fields: HTTPFields {
            var fields: HTTPFields = [
                .contentType: self.contentType,
                .contentLength: String(self.body.utf8.count),
                .cacheControl: "no-store",
                .xContentTypeOptions: "nosniff",
            ]
            if let allow { fields[.allow] = allow }
            if let retryAfter { fields[.retryAfter] = String(retryAfter) }
            if self.challenges { fields[.wwwAuthenticate] = "Bearer" }
            if let contentSecurityPolicy {
                fields[.contentSecurityPolicy] = contentSecurityPolicy
                fields[Self.frameOptions] = "DENY"
                fields[Self.referrerPolicy] = "no-referrer"
            }
            return fields
        }

        private static let frameOptions = HTTPTypes.HTTPField.Name("X-Frame-Options")!
        private static let referrerPolicy = HTTPTypes.HTTPField.Name("Referrer-Policy")!

        /// The fields of an export, whose length is not known beforehand.
        static var lineFields: HTTPFields {
            [
                .contentType: "application/jsonl", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
            ]
        }

        static let notFound = Response(status: .notFound, body: "nothing here; / lists what there is\n")
    }

    enum Answer: Equatable, Sendable {
        case response(Response)
        /// To be carried out; it may take a while.
        case ask(AdminRequest)
    }

    private let access: AdminAccess
    private let sources: AdminSources
    private let tokens: TokenFile?
    /// Whether there are pages below `/debug` here.
    private let offersDebug: Bool

    init(configuration: AdminConfiguration, sources: AdminSources) {
        self.access = AdminAccess(configuration)
        self.sources = sources
        self.tokens = configuration.tokens
        self.offersDebug =
            sources.operations != nil && (configuration.tokens != nil || AdminAccess.isLoopback(configuration.host))
    }

    /// What `request` is answered; the caller leaves out the body when the method is HEAD.
    func answer(to request: HTTPTypes.HTTPRequest) -> Answer {
        if let refusal = self.refusal(of: request) { return .response(refusal) }
        let target = request.path ?? ""
        guard self.offersDebug, target.hasPrefix("/debug/") else { return .response(self.plainAnswer(to: request)) }
        if let refusal = self.debugRefusal(of: request) { return .response(refusal) }
        do {
            return .ask(try AdminRequest(request.method, target))
        } catch {
            switch error {
            case .notFound: return .response(.notFound)
            case .method(let allowed):
                return .response(
                    Response(status: .methodNotAllowed, allow: allowed, body: "only \(allowed) is answered\n"))
            case .parameter(let reason): return .response(.error(.badRequest, "malformed", reason))
            }
        }
    }

    /// Why nobody is answered who asks so.
    private func refusal(of request: HTTPTypes.HTTPRequest) -> Response? {
        // The first Host became the authority; what is left under that name is a second one.
        guard !request.headerFields.contains(where: { $0.name.canonicalName == "host" }) else {
            return Response(status: .badRequest, body: "more than one Host\n")
        }
        let origins = request.headerFields[values: .origin]
        if let reason = self.access.refusal(host: request.authority, origins: origins) {
            return Response(status: .forbidden, body: reason + "\n")
        }
        return nil
    }

    /// Why state is not shown to whoever asks so, or not changed for them.
    private func debugRefusal(of request: HTTPTypes.HTTPRequest) -> Response? {
        // A browser tells for which page it asks. An Origin that is not this listener has been refused before.
        if let site = Self.fetchSite.flatMap({ request.headerFields[$0] }), site != "same-origin", site != "none" {
            return Response(status: .forbidden, body: "asked for by a page of another site\n")
        }
        guard let tokens else { return nil }
        let credentials = request.headerFields[values: .authorization]
        guard credentials.count == 1, credentials[0].lowercased().hasPrefix("bearer "),
            tokens.principal(of: credentials[0].utf8.dropFirst("bearer ".utf8.count)) != nil
        else {
            return Response(
                status: .unauthorized, challenges: true, body: "a bearer token of --admin-token-file is needed\n")
        }
        return nil
    }

    private static let fetchSite = HTTPTypes.HTTPField.Name("Sec-Fetch-Site")

    private func plainAnswer(to request: HTTPTypes.HTTPRequest) -> Response {
        guard let page = self.page(at: request.path ?? "", isBrowser: Dashboard.isWanted(by: request)) else {
            return .notFound
        }
        guard request.method == .get || request.method == .head else {
            return Response(status: .methodNotAllowed, allow: "GET, HEAD", body: "only GET and HEAD are answered\n")
        }
        return page()
    }

    private func page(at target: String, isBrowser: Bool) -> (() -> Response)? {
        let path = target.prefix { $0 != "?" }
        if self.offersDebug, path != "/" || isBrowser, let file = Dashboard.file(at: path) { return { file } }
        return switch path {
        case "/": { Response(status: .ok, body: Self.contents + (self.offersDebug ? Self.debugContents : "")) }
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

    private static let debugContents = """
        /debug/overview  what a dashboard shows; browsers get that dashboard at /
        /debug/memory    where memory is: ledger, arena, process, tables with their bounds
        /debug/state     largest state objects in memory, and values that are there several times
        /debug/sessions  stored state objects; ?after=ID&limit=100&kind=KIND&name=NAME
            GET  /debug/sessions/ID, /debug/sessions/ID/export
            POST /debug/sessions/ID/evict, /debug/sessions/ID/delete
            POST /debug/sessions/evict (all that nobody uses), /debug/sessions/import?replace=true
        /debug/heap      whether a heap profile is being taken
            POST /debug/heap/start?sample=BYTES, /debug/heap/dump, /debug/heap/stop

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
