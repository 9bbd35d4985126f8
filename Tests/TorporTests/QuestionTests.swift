import Crypto
import Testing
import Torpor
import TorporCore

/// What is asked, as each revision can ask it; and what a client carries between the rounds.
@Suite struct QuestionTests {
    private func schema(_ field: FormField, _ revision: ProtocolRevision = .v2026_07_28) -> JSONValue? {
        let params = Question.form("?", [field]).params(revision)
        return params["requestedSchema"]?["properties"]?[field.name]
    }

    @Test func fieldsBecomeTheSchemaOfTheirRevision() {
        #expect(
            self.schema(.text("t", "Why.", title: "T", default: "x", format: .dateTime, minLength: 1, maxLength: 9))
                == [
                    "type": "string", "title": "T", "description": "Why.", "format": "date-time", "minLength": 1,
                    "maxLength": 9, "default": "x",
                ])
        #expect(
            self.schema(.integer("i", default: 3, range: 1...5))
                == ["type": "integer", "minimum": 1, "maximum": 5, "default": 3])
        #expect(self.schema(.number("n", default: 95.5)) == ["type": "number", "default": 95.5])
        #expect(self.schema(.boolean("b", default: true)) == ["type": "boolean", "default": true])
        #expect(
            self.schema(.choice("c", ["a", "b"], default: "a")) == [
                "type": "string", "enum": ["a", "b"], "default": "a",
            ])
        #expect(
            self.schema(.choice("c", [.init("a", title: "A"), "b"]))
                == ["type": "string", "oneOf": [["const": "a", "title": "A"], ["const": "b", "title": "b"]]])
        #expect(
            self.schema(.choice("c", [.init("a", title: "A"), "b"], style: .enumNames))
                == ["type": "string", "enum": ["a", "b"], "enumNames": ["A", "b"]])
        #expect(
            self.schema(.choices("m", ["a", "b"], default: ["b"], count: 1...2))
                == [
                    "type": "array", "minItems": 1, "maxItems": 2, "items": ["type": "string", "enum": ["a", "b"]],
                    "default": ["b"],
                ])
        #expect(
            self.schema(.choices("m", [.init("a", title: "A")]))
                == ["type": "array", "items": ["anyOf": [["const": "a", "title": "A"]]]])
    }

    @Test func olderRevisionsAreAskedWithWhatTheyKnow() {
        #expect(self.schema(.text("t", default: "x"), .v2025_06_18) == ["type": "string"])
        #expect(self.schema(.boolean("b", default: true), .v2025_06_18) == ["type": "boolean", "default": true])
        #expect(
            self.schema(.choice("c", [.init("a", title: "A")], default: "a"), .v2025_06_18)
                == ["type": "string", "enum": ["a"], "enumNames": ["A"]])
        #expect(Question.form("?", [.choices("m", ["a"])]).since == .v2025_11_25)
        #expect(Question.form("?", [.text("t")]).params(.v2025_06_18)["mode"] == nil)
        #expect(Question.form("?", [.text("t")]).params(.v2025_11_25)["mode"] == "form")
    }

    @Test func aFormSaysWhatIsRequired() {
        let params = Question.form("?", [.text("a"), .text("b", required: false)]).params(.v2026_07_28)
        #expect(params["requestedSchema"]?["required"] == ["a"])
        #expect(params["message"] == "?")
    }

    @Test func aPageIsAskedForAsItsRevisionDoes() {
        let page = Question.page("Pay here.", url: "https://pay.example.com/1")
        #expect(
            page.params(.v2026_07_28) == ["mode": "url", "message": "Pay here.", "url": "https://pay.example.com/1"])
        #expect(page.params(.v2025_11_25)["elicitationId"] != nil)
        #expect(page.needs == .elicitationURL && page.since == .v2025_11_25)
    }

    @Test func aModelIsAskedWithItsToolsAndWishes() throws {
        var options = SamplingOptions(maxTokens: 50)
        options.systemPrompt = "Be brief."
        options.temperature = 0.5
        options.stopSequences = ["."]
        options.modelHints = ["small"]
        options.speedPriority = 1
        options.tools = [SamplingTool("look", "Looks.", inputSchema: JSONSchema(["type": "object"]))]
        options.toolChoice = .required
        let question = Question.sample(
            [
                .user(.text("Look!"), .image([1], mimeType: "image/png")),
                .assistant(.toolUse(id: "1", name: "look", input: [:])),
                .user(.toolResult(id: "1", text: "A cat.")),
            ], options)
        let params = question.params(.v2025_11_25)
        #expect(params["maxTokens"] == 50 && params["systemPrompt"] == "Be brief." && params["stopSequences"] == ["."])
        #expect(params["modelPreferences"] == ["hints": [["name": "small"]], "speedPriority": 1])
        #expect(params["tools"]?[0]?["name"] == "look" && params["toolChoice"] == ["mode": "required"])
        #expect(params["messages"]?[0]?["content"]?[1] == ["type": "image", "data": "AQ==", "mimeType": "image/png"])
        #expect(params["messages"]?[1]?["content"]?["type"] == "tool_use")
        #expect(params["messages"]?[2]?["content"]?["toolUseId"] == "1")
        #expect(question.needs == [.sampling, .samplingTools] && question.since == .v2025_11_25)
        let answer = try question.read([
            "role": "assistant", "model": "m", "stopReason": "toolUse",
            "content": [
                ["type": "text", "text": "A "], ["type": "tool_use", "id": "2", "name": "look", "input": [:]],
            ],
        ])
        #expect(
            answer.text == "A " && answer.model == "m" && answer.stopReason == "toolUse" && answer.content.count == 2)
        #expect(throws: UnusableAnswer.self) { try question.read(["content": ["type": "smell"]]) }
    }

    // MARK: What a client carries

    private let keys = SealingKeys([SymmetricKey(data: [UInt8](repeating: 9, count: 32))])
    private var state: RequestState {
        RequestState(
            run: 1, expiry: WallTime(milliseconds: 2), owner: OwnerDigest(bits: 3), request: 4,
            answers: ["name": ["action": "accept"]])
    }

    @Test func aRequestStateThatWasChangedAnywhereIsRefused() throws {
        let sealed = try #require(self.state.sealed(by: self.keys, salt: 5))
        #expect(RequestState.open(sealed, with: self.keys) == self.state)
        let text = Array(sealed.utf8)
        for position in text.indices {
            var changed = text
            changed[position] = text[position] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            #expect(RequestState.open(String(decoding: changed, as: UTF8.self), with: self.keys) == nil)
            #expect(RequestState.open(String(decoding: text[..<position], as: UTF8.self), with: self.keys) == nil)
        }
        #expect(RequestState.open(sealed, with: .perProcess()) == nil)
    }

    @Test func aSessionIDIsNoRequestStateAndTheOtherWayRound() throws {
        let token = SessionToken(
            id: 1, created: WallTime(milliseconds: 0), revision: .v2025_11_25, capabilities: [],
            owner: OwnerDigest(nil),
            store: 0, expiry: .distantFuture)
        #expect(RequestState.open(token.sealed(by: self.keys), with: self.keys) == nil)
        let sealed = try #require(self.state.sealed(by: self.keys, salt: 5))
        #expect(SessionToken.open(Array(sealed.utf8), with: self.keys, lifetime: .seconds(1)) == nil)
    }

    @Test func whatIsTooMuchToCarryIsNotSealed() {
        let long = RequestState(
            run: 1, expiry: .distantFuture, owner: OwnerDigest(nil), request: 0,
            answers: ["text": .string(String(repeating: "x", count: 50_000))])
        #expect(long.sealed(by: self.keys, salt: 1) == nil)
    }
}
