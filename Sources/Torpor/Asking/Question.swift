/// Something that a handler asks the client, or the person behind it: a form, a visit to a page, a sampled message, its
/// roots.
///
///     switch try await call.ask("confirm", .form("Delete 3 rows?", [.boolean("sure", "Really?")])) {
///     case .accepted(let content): …
///     case .declined, .cancelled: return "Nothing was deleted."
///     }
///
/// A question has a key, unique in its handler. In the legacy era the handler waits for the answer; from 2026-07-28 on
/// the run ends there, and the handler runs again from its beginning once the answer has come (see ``Call/ask(_:_:)``).
public struct Question<Answer: Sendable>: Sendable {
    package let method: ClientMethod
    /// What the client must have declared to be asked.
    package let needs: ClientCapabilities
    /// The oldest revision that can carry the question.
    package let since: ProtocolRevision
    /// The request's parameters, as a revision knows them.
    package let params: @Sendable (ProtocolRevision) -> JSONObject
    /// Makes an answer of the client's result.
    /// - Throws: ``UnusableAnswer`` with what is wrong about it.
    package let read: @Sendable (JSONValue) throws -> Answer
}

/// What a server may ask of a client.
package enum ClientMethod: String, Sendable {
    case elicit = "elicitation/create"
    case sample = "sampling/createMessage"
    case listRoots = "roots/list"
}

/// What a client answered does not fit the question.
package struct UnusableAnswer: Error {
    package let reason: String
}

/// What a person made of a question.
public enum UserAnswer<Content: Sendable>: Sendable {
    /// They agreed, and filled in what was asked for. For a page: they agreed to open it, no more.
    case accepted(Content)
    /// They said no.
    case declined
    /// They closed the question without an answer.
    case cancelled
}

extension UserAnswer: Equatable where Content: Equatable {}

extension UserAnswer {
    init(_ result: JSONValue, _ content: (JSONValue) throws -> Content) throws {
        switch result["action"] {
        case "accept": self = .accepted(try content(result["content"] ?? [:]))
        case "decline": self = .declined
        case "cancel": self = .cancelled
        default: throw UnusableAnswer(reason: "action must be accept, decline or cancel")
        }
    }
}

// MARK: - Forms and pages

extension Question where Answer == UserAnswer<JSONObject> {
    /// Asks the user to fill in a form. From 2025-06-18, for clients that show forms.
    ///
    /// Never ask for passwords, keys or payment data in a form (2025-11-25, elicitation); send the user to a page of
    /// your own instead. What comes back has been checked against the fields.
    public static func form(_ message: String, _ fields: [FormField]) -> Question {
        let form = Form(fields)
        return Question(
            method: .elicit, needs: .elicitationForm, since: form.since, params: form.params(message),
            read: { result in
                try UserAnswer(result) { content in
                    try form.check(content)
                    guard case .object(let object) = content else {
                        throw UnusableAnswer(reason: "content must be an object")
                    }
                    return object
                }
            })
    }
}

extension Question {
    /// Asks the user to fill in a form with the fields of a type: texts, numbers, Booleans and `CaseIterable` enums.
    ///
    ///     struct Contact: ToolInput { var name: String; var age: Int? }
    ///     let answer = try await call.ask("contact", .form("Who are you?", as: Contact.self))
    ///
    /// - Precondition: The type's schema is an object of such fields, none of them nested.
    public static func form<Content: ToolInput>(_ message: String, as type: Content.Type) -> Question
    where Answer == UserAnswer<Content> {
        let form = Form(fieldsOf: type)
        return Question(
            method: .elicit, needs: .elicitationForm, since: form.since, params: form.params(message),
            read: { result in
                try UserAnswer(result) { content in
                    try form.check(content)
                    let bytes = Array(content.text.utf8)
                    do {
                        return try JSONBytesDecoder.decode(type, from: bytes, in: 0..<bytes.count)
                    } catch let error as DecodingError {
                        throw UnusableAnswer(reason: "content does not fit: \(error)")
                    }
                }
            })
    }
}

extension Question where Answer == UserAnswer<Void> {
    /// Asks the user to open a page, for what must not go through the client: secrets, payments, foreign consent. From
    /// 2025-11-25, for clients that open pages.
    ///
    /// The URL carries no credentials and nothing personal, and the page itself makes sure that whoever opens it is the
    /// caller (2026-07-28, elicitation, URL mode). Accepting means that the user agreed to go there, not that they are
    /// done.
    /// - Precondition: `url` begins with `https://`, or with `http://` for a page of this machine.
    public static func page(_ message: String, url: String) -> Question {
        precondition(
            url.hasPrefix("https://") || url.hasPrefix("http://localhost") || url.hasPrefix("http://127.0.0.1"),
            "a page that users are sent to has an https: URL")
        return Question(
            method: .elicit, needs: .elicitationURL, since: .v2025_11_25,
            params: { revision in
                var params: JSONObject = ["mode": "url", "message": .string(message), "url": .string(url)]
                // Names the elicitation up to 2025-11-25, which later revisions do by the question's key.
                if revision.era == .legacy {
                    params["elicitationId"] = .string(String(UInt64.random(in: .min ... .max), radix: 36))
                }
                return params
            },
            read: { result in try UserAnswer(result) { _ in } })
    }
}

// MARK: - Roots

/// A folder or file that the user has opened to the server. A hint, not a permission.
public struct Root: Sendable, Hashable {
    /// A `file:` URI.
    public let uri: String
    public let name: String?
}

extension Question where Answer == [Root] {
    /// Asks the client for the folders it works in. Deprecated by the protocol from 2026-07-28 on, and still served.
    public static var roots: Question {
        Question(
            method: .listRoots, needs: .roots, since: .v2024_11_05, params: { _ in [:] },
            read: { result in
                guard case .array(let roots)? = result["roots"] else {
                    throw UnusableAnswer(reason: "roots must be an array")
                }
                return try roots.map { root in
                    guard case .string(let uri)? = root["uri"] else {
                        throw UnusableAnswer(reason: "each root needs a uri")
                    }
                    if case .string(let name)? = root["name"] { return Root(uri: uri, name: name) }
                    return Root(uri: uri, name: nil)
                }
            })
    }
}
