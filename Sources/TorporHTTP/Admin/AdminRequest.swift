import HTTPTypes
import Torpor
import TorporCore
import TorporJSON

/// What is asked of the pages below `/debug`.
enum AdminRequest: Equatable, Sendable {
    case overview
    case memory
    case contents
    case list(StateOperations.Listing)
    case show(StateObjectID)
    case export(StateObjectID)
    case evict(StateObjectID)
    case evictAll
    case delete(StateObjectID)
    case restore(replaces: Bool)
    case heap
    /// - Parameter sampleBytes: How far apart samples lie; `nil` for what is best.
    case startHeapProfile(sampleBytes: Int?)
    case dumpHeapProfile
    case stopHeapProfile

    /// Why a target below `/debug` is answered with an error.
    enum Refusal: Error, Equatable {
        case notFound
        /// It takes another method.
        case method(allowed: String)
        /// A parameter or an id is not what it should be.
        case parameter(String)
    }

    /// - Parameter target: The path and perhaps a query.
    init(_ method: HTTPTypes.HTTPRequest.Method, _ target: String) throws(Refusal) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var parameters = try Self.parameters(parts.count == 2 ? parts[1] : "")
        let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        let request: AdminRequest
        var isChange = false
        switch (path.count, path.count > 1 ? path[1] : "", path.count > 2 ? path[2] : "", path.count > 3 ? path[3] : "")
        {
        case (2, "overview", _, _): request = .overview
        case (2, "memory", _, _): request = .memory
        case (2, "state", _, _): request = .contents
        case (2, "heap", _, _): request = .heap
        case (3, "heap", "start", _):
            request = .startHeapProfile(sampleBytes: try Self.count(&parameters, "sample"))
            isChange = true
        case (3, "heap", "dump", _):
            request = .dumpHeapProfile
            isChange = true
        case (3, "heap", "stop", _):
            request = .stopHeapProfile
            isChange = true
        case (2, "sessions", _, _): request = .list(try Self.listing(&parameters))
        case (3, "sessions", "import", _):
            request = .restore(replaces: try Self.flag(&parameters, "replace"))
            isChange = true
        case (3, "sessions", "evict", _):
            request = .evictAll
            isChange = true
        case (3, "sessions", let id, _): request = .show(try Self.id(id))
        case (4, "sessions", let id, "export"): request = .export(try Self.id(id))
        case (4, "sessions", let id, "evict"):
            request = .evict(try Self.id(id))
            isChange = true
        case (4, "sessions", let id, "delete"):
            request = .delete(try Self.id(id))
            isChange = true
        default: throw .notFound
        }
        guard method == (isChange ? .post : .get) else { throw .method(allowed: isChange ? "POST" : "GET") }
        if let unknown = parameters.keys.sorted().first { throw .parameter("there is no parameter \(unknown) here") }
        self = request
    }

    private static func id(_ text: String) throws(Refusal) -> StateObjectID {
        guard let id = StateObjectID(text) else { throw .parameter("an id has 32 hexadecimal digits") }
        return id
    }

    /// Names and values are plain; what would have to be escaped is none of them.
    private static func parameters(_ query: Substring) throws(Refusal) -> [String: String] {
        var parameters: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, parameters.updateValue(sides[1], forKey: sides[0]) == nil else {
                throw .parameter("parameters are name=value, each given once")
            }
        }
        return parameters
    }

    private static func flag(_ parameters: inout [String: String], _ name: String) throws(Refusal) -> Bool {
        guard let text = parameters.removeValue(forKey: name) else { return false }
        guard let flag = Bool(text) else { throw .parameter("\(name) is true or false") }
        return flag
    }

    private static func count(_ parameters: inout [String: String], _ name: String) throws(Refusal) -> Int? {
        guard let text = parameters.removeValue(forKey: name) else { return nil }
        guard let count = Int(text), count > 0 else { throw .parameter("\(name) is a number above 0") }
        return count
    }

    private static func listing(_ parameters: inout [String: String]) throws(Refusal) -> StateOperations.Listing {
        var listing = StateOperations.Listing()
        if let text = parameters.removeValue(forKey: "after") { listing.after = try self.id(text) }
        if let text = parameters.removeValue(forKey: "kind") {
            guard let kind = ObjectKind.allCases.first(where: { "\($0)" == text }) else {
                throw .parameter("kind is session, handle or principal")
            }
            listing.kind = kind
        }
        listing.name = parameters.removeValue(forKey: "name")
        if let text = parameters.removeValue(forKey: "limit") {
            guard let limit = Int(text), (1...StateOperations.pageMax).contains(limit) else {
                throw .parameter("limit is 1 to \(StateOperations.pageMax)")
            }
            listing.limit = limit
        }
        return listing
    }
}
