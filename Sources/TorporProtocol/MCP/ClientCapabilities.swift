package import TorporJSON

/// What a client said it can do: in `initialize` (legacy) or on the request itself (modern).
public struct ClientCapabilities: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Answers `roots/list`.
    public static let roots = ClientCapabilities(rawValue: 1 << 0)
    /// Answers `sampling/createMessage`.
    public static let sampling = ClientCapabilities(rawValue: 1 << 1)
    /// Lets a sampled model use tools.
    public static let samplingTools = ClientCapabilities(rawValue: 1 << 2)
    /// Includes context in sampling.
    public static let samplingContext = ClientCapabilities(rawValue: 1 << 3)
    /// Shows forms to its user.
    public static let elicitationForm = ClientCapabilities(rawValue: 1 << 4)
    /// Sends its user to a URL.
    public static let elicitationURL = ClientCapabilities(rawValue: 1 << 5)
    /// Tells when its roots change, in the legacy era.
    package static let rootsListChanged = ClientCapabilities(rawValue: 1 << 6)

    /// Reads a `ClientCapabilities` object that the scanner has validated. Unknown members are ignored.
    package init(_ slice: JSONSlice, in bytes: Span<UInt8>) {
        guard slice.kind == .object, slice.range.count > 2,
            case .object(let members) = JSONValue(in: bytes, slice.range)
        else {
            self = []
            return
        }
        var found: ClientCapabilities = []
        if case .object(let roots)? = members["roots"] {
            found.insert(.roots)
            if roots["listChanged"] == true { found.insert(.rootsListChanged) }
        }
        if case .object(let sampling)? = members["sampling"] {
            found.insert(.sampling)
            if sampling["tools"]?.isObject == true { found.insert(.samplingTools) }
            if sampling["context"]?.isObject == true { found.insert(.samplingContext) }
        }
        if case .object(let elicitation)? = members["elicitation"] {
            // An empty object means forms only (2025-11-25, elicitation, capabilities).
            if elicitation["form"]?.isObject == true || elicitation["url"]?.isObject != true {
                found.insert(.elicitationForm)
            }
            if elicitation["url"]?.isObject == true { found.insert(.elicitationURL) }
        }
        self = found
    }
}

extension ClientCapabilities {
    /// The capabilities as a `ClientCapabilities` object, for `-32021`.
    package var json: JSONObject {
        var object = JSONObject()
        if !self.isDisjoint(with: [.roots, .rootsListChanged]) {
            object["roots"] = self.contains(.rootsListChanged) ? ["listChanged": true] : [:]
        }
        if !self.isDisjoint(with: [.sampling, .samplingTools, .samplingContext]) {
            var sampling = JSONObject()
            if self.contains(.samplingTools) { sampling["tools"] = [:] }
            if self.contains(.samplingContext) { sampling["context"] = [:] }
            object["sampling"] = .object(sampling)
        }
        if !self.isDisjoint(with: [.elicitationForm, .elicitationURL]) {
            var elicitation = JSONObject()
            if self.contains(.elicitationForm) { elicitation["form"] = [:] }
            if self.contains(.elicitationURL) { elicitation["url"] = [:] }
            object["elicitation"] = .object(elicitation)
        }
        return object
    }

    /// The capabilities in words.
    package var names: String {
        [
            (ClientCapabilities.roots, "roots"), (.sampling, "sampling"), (.samplingTools, "sampling with tools"),
            (.samplingContext, "sampling with context"), (.elicitationForm, "elicitation by form"),
            (.elicitationURL, "elicitation by URL"),
        ].filter { self.contains($0.0) }.map(\.1).joined(separator: ", ")
    }
}

extension JSONValue {
    fileprivate var isObject: Bool {
        if case .object = self { true } else { false }
    }
}
