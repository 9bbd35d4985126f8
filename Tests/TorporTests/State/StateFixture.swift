import Torpor
import TorporTesting

struct Line: Codable, Sendable, Equatable {
    var sku: String
    var count: Int
}

struct Basket: Codable, Sendable, Equatable {
    var note = ""
    var lines: [Line] = []
}

/// A shop that keeps a basket by handle, a counter in the session, settings of a user, and notes.
func shop() -> MCPServer {
    MCPServer(name: "shop", version: "1") {
        State(Basket.self, named: "basket", initially: Basket(), scope: .handle, memory: .kibibytes(4))
        StateMap(Line.self, named: "extras", scope: .handle, within: "basket")
        State(Int.self, named: "counter", initially: 0, scope: .session)
        State(String.self, named: "greeting", initially: "hello", scope: .principal, tools: [])
        StateMap(String.self, named: "notes", scope: .principal)
        StateList(String.self, named: "log", scope: .session, tools: [])
        Tool("add_item", "Puts an item into a basket.") { (input: AddItem, call) in
            try await call.state(Basket.self, input.basket).update { basket in
                basket.lines.append(Line(sku: input.sku, count: input.count))
            }
            return "\(input.sku) added"
        }
        Tool("show_basket", "Shows a basket.") { (input: Named, call) in
            let basket = try await call.state(Basket.self, input.basket).get()
            return basket.lines.map { "\($0.count) \($0.sku)" }.joined(separator: ", ")
        }
        Tool("move", "Moves lines to the extras, or fails half way.") { (input: Move, call) in
            try await call.stateObject("basket", input.basket).update { object in
                var basket = try object.get(Basket.self)
                for line in basket.lines { try object.setEntry(line.sku, line) }
                basket.lines = []
                try object.set(basket)
                if input.fails { throw ToolError("half way") }
            }
            return try await call.stateMap(Line.self, input.basket).keys().joined(separator: ",")
        }
        Tool("count", "Counts.") { (input: Count, call) in
            "\(try await call.state(Int.self, input.handle).update { value in value += input.by; return value })"
        }
        Tool("greet", "Greets, and remembers how.") { (input: Greet, call) in
            let greeting = try call.state(String.self)
            if let text = input.text { try await greeting.set(text) }
            return try await greeting.get()
        }
        Tool("log", "Writes to the log.") { (input: Text, call) in
            let log = try call.stateList(String.self)
            try await log.append(input.text)
            return try await log.elements().map { "\($0.number) \($0.value)" }.joined(separator: ", ")
        }
        Tool("change_then_ask", "Asks when it is too late.") { (input: Count, call) in
            _ = try await call.state(Int.self, input.handle).update { $0 += 1 }
            return try await call.ask("roots", .roots).isEmpty ? "none" : "some"
        }
        Tool("say_then_count", "Logs what it has counted.") { (input: Count, call) in
            let value = try await call.state(Int.self, input.handle).update { value in
                value += input.by; return value
            }
            try await call.log(.error, "counted \(value)")
            return "\(value)"
        }
    }
}

private struct AddItem: ToolInput {
    var basket: StateHandle?
    var sku: String
    var count: Int
}
private struct Named: ToolInput { var basket: StateHandle? }
private struct Move: ToolInput {
    var basket: StateHandle
    var fails: Bool
}
private struct Count: ToolInput {
    var by: Int
    var handle: StateHandle?
}
private struct Greet: ToolInput { var text: String? }
private struct Text: ToolInput { var text: String }
