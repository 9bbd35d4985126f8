import Torpor

extension BenchServer {
    /// Tools that keep what they are told, to measure and to try state with: in the session, or in the object of a handle.
    @ServerBuilder static var stateTools: [any ServerComponent] {
        State(Int.self, named: "object", initially: 0, scope: .session, tools: [], createdBy: "create")
        StateMap(String.self, named: "values", scope: .session, within: "object")
        Tool(
            "create", "Makes an object for a counter and values, and answers its handle.",
            annotations: ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
        ) { call in Created(handle: try await call.createState("object").text) }
        Tool(
            "destroy", "Deletes an object with all that is in it.",
            annotations: ToolAnnotations(readOnly: false, destructive: true, idempotent: true, openWorld: false)
        ) { (input: Destruction, call) in
            try await call.destroyState("object", input.handle)
            return "destroyed"
        }
        Tool(
            "increment", "Adds to the counter of the session, or of an object, and answers its new value.",
            annotations: ToolAnnotations(readOnly: false, destructive: false, idempotent: false, openWorld: false)
        ) { (input: Increment, call) in
            let value = try await call.state(Int.self, input.handle).update { value in
                let (sum, overflows) = value.addingReportingOverflow(input.by)
                guard !overflows else { throw ToolError("The counter holds no number as large as that.") }
                value = sum
                return sum
            }
            return "\(value)"
        }
        Tool(
            "put", "Keeps a value under a key, in place of any other.",
            annotations: ToolAnnotations(readOnly: false, destructive: true, idempotent: true, openWorld: false)
        ) { (input: Put, call) in
            try await call.stateMap(String.self, input.handle).set(input.key, input.value)
            return "put \(input.value.utf8.count) bytes"
        }
        Tool("get", "Answers the value under a key.", annotations: .readOnly) { (input: Get, call) in
            guard let value = try await call.stateMap(String.self, input.handle).get(input.key) else {
                throw ToolError("Nothing is kept under this key. Keep something there with put.")
            }
            return value
        }
        Tool("size", "Answers how many values there are and what they take.", annotations: .readOnly) {
            (input: Whose, call) in
            let size = try await call.stateObject("object", input.handle).size
            return ObjectSize(values: size.values, bytes: size.bytes)
        }
    }

    private static let keyField = Field("1 to 400 bytes.", length: 1...400)
    private static let handleField: Field =
        "What create answered. Default: the session's own; from 2026-07-28 on needed."

    private struct Increment: ToolInput {
        var by: Int
        var handle: StateHandle?
        static let fields = ["by": "What to add; may be negative.", "handle": handleField]
    }

    private struct Put: ToolInput {
        var key: String
        var value: String
        var handle: StateHandle?
        static let fields = ["key": keyField, "value": "Any text.", "handle": handleField]
    }

    private struct Get: ToolInput {
        var key: String
        var handle: StateHandle?
        static let fields = ["key": keyField, "handle": handleField]
    }

    private struct Whose: ToolInput {
        var handle: StateHandle?
        static let fields = ["handle": handleField]
    }

    private struct Destruction: ToolInput {
        var handle: StateHandle
        static let fields: [String: Field] = ["handle": "What create answered."]
    }

    private struct Created: StructuredOutput {
        var handle: String
        static let fields: [String: Field] = ["handle": "Names the object in other calls."]
        var modelText: String? { self.handle }
    }

    private struct ObjectSize: StructuredOutput {
        var values: Int
        var bytes: Int
        static let fields: [String: Field] = [
            "values": "How many, the counter included.", "bytes": "Of keys and values.",
        ]
        var modelText: String? { "\(self.values) values, \(self.bytes) bytes" }
    }
}
