package import TorporJSON

/// Whose call a request is: calls of one party may answer each other's questions, calls of others may not.
package struct UpstreamParty: Hashable, Sendable {
    package let name: String

    package init(_ name: String) { self.name = name }
}

/// Takes part in a request: hears what the server says before its answer, and answers what it asks.
///
/// Its methods are called one after the other in the task that makes the request, in the order in which the server sent
/// the messages; ``ask(_:_:)`` runs beside them. The answer waits for what came before it.
package protocol UpstreamObserver: Sendable {
    /// Whose request it is.
    var party: UpstreamParty { get }
    /// Whether the server is asked to tell how far it has come.
    var wantsProgress: Bool { get }
    /// The parameters of `notifications/progress`, without the token, which is ours.
    func progress(_ params: JSONObject) async
    /// The parameters of `notifications/message`.
    func log(_ params: JSONObject) async
    /// A legacy server asks during the call: `sampling/createMessage`, `elicitation/create` or `roots/list`.
    ///
    /// Cancelled when the call ends first, or when the server takes the question back.
    /// - Throws: an `MCPError` is passed on to the server as it is; of any other error it hears only that there was
    ///   one.
    func ask(_ method: String, _ params: JSONObject) async throws -> JSONObject
}

/// The lists that a server offers.
package enum UpstreamList: Sendable, Hashable, CaseIterable {
    case tools, prompts, resources, resourceTemplates

    /// The method that gives a page of it.
    package var method: String {
        switch self {
        case .tools: "tools/list"
        case .prompts: "prompts/list"
        case .resources: "resources/list"
        case .resourceTemplates: "resources/templates/list"
        }
    }

    /// The member of the result that holds the page.
    var member: String {
        switch self {
        case .tools: "tools"
        case .prompts: "prompts"
        case .resources: "resources"
        case .resourceTemplates: "resourceTemplates"
        }
    }
}

/// What happens to a server without belonging to a request.
package enum UpstreamEvent: Sendable, Equatable {
    /// A list has changed, or may have while nobody could tell.
    case listChanged(UpstreamList)
    /// The resource has changed that was subscribed to, or one below it.
    case updated(uri: String)
    /// The parameters of a `notifications/message` that belong to no call, or to none that can be told.
    case log(JSONObject)
    /// Any other notification: its method and its parameters.
    case notification(String, JSONObject)
    /// The server had forgotten its session, and another one was begun: log level and subscriptions are lost.
    case renewed
    /// The conversation has ended by itself. The last event.
    case ended(UpstreamError)
}
