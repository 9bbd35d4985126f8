import HTTPTypes

/// A page for people: what `/debug/overview` tells, live, with the last minutes as curves.
///
/// Three plain files, written down here as text, so that a program without files beside it can serve them. They refer to
/// nothing outside of the listener. They hold no data either: the script asks for that, with a token where one is needed.
enum Dashboard {
    /// What a browser lets the page do: load the two other files and ask this listener; nothing from elsewhere, nothing
    /// written into the page itself, and no other page around it.
    static let contentSecurityPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """

    /// - Parameter path: Without a query.
    static func file(at path: Substring) -> AdminResponder.Response? {
        switch path {
        case "/": self.file(self.page, "text/html")
        case "/dashboard.css": self.file(self.style, "text/css")
        case "/dashboard.js": self.file(DashboardScript.text, "text/javascript")
        default: nil
        }
    }

    private static func file(_ text: String, _ type: String) -> AdminResponder.Response {
        AdminResponder.Response(
            status: .ok, contentType: "\(type); charset=utf-8", contentSecurityPolicy: self.contentSecurityPolicy,
            body: text)
    }

    /// Whether a request for the list of pages is one of a browser, which gets the dashboard.
    static func isWanted(by request: HTTPTypes.HTTPRequest) -> Bool {
        request.headerFields[values: .accept].contains { $0.lowercased().contains("text/html") }
    }
}
