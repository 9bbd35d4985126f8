/// The methods a client may send, of both eras.
package enum RequestMethod: UInt8, Sendable, CaseIterable {
    case toolsCall, toolsList
    case resourcesList, resourceTemplatesList, resourcesRead
    case promptsList, promptsGet
    case complete
    case discover, listen
    case initialize, ping
    case setLevel, subscribe, unsubscribe
    case initialized, cancelled, rootsListChanged
    /// Known to some revision, or to none: not served.
    case other

    package var name: StaticString {
        switch self {
        case .toolsCall: "tools/call"
        case .toolsList: "tools/list"
        case .resourcesList: "resources/list"
        case .resourceTemplatesList: "resources/templates/list"
        case .resourcesRead: "resources/read"
        case .promptsList: "prompts/list"
        case .promptsGet: "prompts/get"
        case .complete: "completion/complete"
        case .discover: "server/discover"
        case .listen: "subscriptions/listen"
        case .initialize: "initialize"
        case .ping: "ping"
        case .setLevel: "logging/setLevel"
        case .subscribe: "resources/subscribe"
        case .unsubscribe: "resources/unsubscribe"
        case .initialized: "notifications/initialized"
        case .cancelled: "notifications/cancelled"
        case .rootsListChanged: "notifications/roots/list_changed"
        case .other: "_OTHER"
        }
    }

    /// The methods that a slice may name, the most frequent first.
    private static let named = RequestMethod.allCases.filter { $0 != .other }

    package init(_ slice: JSONSlice, in bytes: Span<UInt8>) {
        for method in Self.named where slice.equals(method.name, in: bytes) {
            self = method
            return
        }
        self = .other
    }

    /// The parameter that the header `Mcp-Name` mirrors, if the method has one (2026-07-28, transports, request
    /// headers).
    package var mirrorsName: Bool { self == .toolsCall || self == .promptsGet || self == .resourcesRead }
}
