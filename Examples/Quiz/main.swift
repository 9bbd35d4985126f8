// A quiz: games that sleep in a file while nobody plays, riddles that are open for two minutes, a prize that is won once.
//
//     swift run QuizExample        # keeps its games in ./quiz.db; stop it, start it again, and they go on
//
//     call() {  # call TOOL ARGUMENTS
//         curl -s http://127.0.0.1:8080/mcp -H 'Content-Type: application/json' \
//             -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H "Mcp-Name: $1" \
//             -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'"$1"'","arguments":'"$2"',"_meta":{
//                 "io.modelcontextprotocol/protocolVersion":"2026-07-28",
//                 "io.modelcontextprotocol/clientCapabilities":{}}}}'
//     }
//     call create_game '{}'                                  # answers a handle, game_…
//     call draw '{"game":"game_…"}'
//     call answer '{"game":"game_…","riddle":"river","text":"a river"}'

import Torpor
import TorporHTTP
import TorporStorage

/// What is kept of a game as one value. New members get their place here, with what older games should have.
struct Game: Codable, Sendable {
    var points = 0
    var hasWon = false
}

struct Riddle: Codable, Sendable {
    var question: String
    var solution: String
}

struct Prize: Codable, Sendable { var number: Int }

let riddles = [
    "river": Riddle(question: "What runs and never walks?", solution: "river"),
    "towel": Riddle(question: "What gets wetter the more it dries?", solution: "towel"),
    "echo": Riddle(question: "What speaks without a mouth?", solution: "echo"),
]

struct Play: ToolInput {
    var game: StateHandle
    static let fields: [String: Field] = ["game": "What create_game answered."]
}

struct Answer: ToolInput {
    var game: StateHandle
    var riddle: String
    var text: String
    static let fields: [String: Field] = [
        "game": "What create_game answered.", "riddle": "The riddle's name, as draw tells it.",
        "text": Field("What it is.", length: 1...100),
    ]
}

struct Winner: ToolInput { var name: String }

/// Hands out prizes: something outside, which no state can undo.
actor PrizeOffice {
    private var count = 0

    func handOut() -> Prize {
        self.count += 1
        return Prize(number: self.count)
    }
}

let office = PrizeOffice()

let server = MCPServer(
    name: "quiz", version: "1.0.0", instructions: "Make a game with create_game. Draw riddles and answer them."
) {
    // A game is reached by its handle alone, by whoever made it. Brings create_game, destroy_game and list_games.
    State(
        Game.self, named: "game", initially: Game(), scope: .handle, memory: .kibibytes(64),
        retention: .seconds(604_800))
    // These lie within the game: they change with it, count for its limit, and go when it goes.
    StateMap(Riddle.self, named: "open_riddles", scope: .handle, within: "game")
    StateList(String.self, named: "moves", scope: .handle, within: "game")

    Tool("draw", "Draws a riddle. It is open for two minutes.") { (input: Play, call) in
        let open = try call.stateMap(Riddle.self, input.game)
        let drawn = Set(try await open.keys())
        guard let (name, riddle) = riddles.filter({ !drawn.contains($0.key) }).randomElement() else {
            throw ToolError("All riddles are open. Answer one of \(drawn.sorted().joined(separator: ", ")).")
        }
        // After two minutes it is no longer there, whether anybody looks or not.
        try await open.set(name, riddle, for: .seconds(120))
        return "\(name): \(riddle.question)"
    }

    Tool("answer", "Answers an open riddle. Each can be tried once.") { (input: Answer, call) in
        // All of this happens, or nothing; nobody else changes the game meanwhile.
        try await call.stateObject("game", input.game).update { game in
            guard let riddle = try game.entry(input.riddle, Riddle.self) else {
                throw ToolError("This riddle is not open. Draw one.")
            }
            try game.setEntry(input.riddle, Riddle?.none)
            let isRight = input.text.lowercased().contains(riddle.solution)
            var score = try game.get(Game.self)
            if isRight { score.points += 1 }
            try game.set(score)
            try game.append("\(input.riddle) \(isRight ? "solved" : "missed")")
            return isRight ? "Right: \(score.points) points." : "No."
        }
    }

    Tool("give_up", "Shows the solution of an open riddle and closes it.") { (input: Answer, call) in
        // Of several calls that take it, one gets it.
        guard let riddle = try await call.stateMap(Riddle.self, input.game).take(input.riddle) else {
            throw ToolError("This riddle is not open. Draw one.")
        }
        return riddle.solution
    }

    Tool("show_game", "Shows points and moves.", annotations: .readOnly) { (input: Play, call) in
        let game = try await call.state(Game.self, input.game).get()
        let moves = try await call.stateList(String.self, input.game).elements()
        return "\(game.points) points: " + moves.map(\.value).joined(separator: ", ")
    }

    Tool("claim_prize", "Claims the prize for three points.") { (input: Play, call) in
        let game = try call.state(Game.self, input.game)
        guard try await game.get().points >= 3 else { throw ToolError("A prize is for three points.") }
        // A client of 2026-07-28 makes its call again with the answer, and the handler runs from its beginning; this is
        // done in the first run alone. A step may change state before a question; what it throws as a ToolError was not
        // done.
        let prize = try await call.once("prize") {
            try await game.update { game in
                guard !game.hasWon else { throw ToolError("This game has had its prize.") }
                game.hasWon = true
            }
            return await office.handOut()
        }
        guard case .accepted(let winner) = try await call.ask("winner", .form("Who has won?", as: Winner.self)) else {
            return "Prize \(prize.number) is yours."
        }
        // All else that changes comes behind the question.
        try await call.stateList(String.self, input.game).append("\(winner.name) won prize \(prize.number)")
        return "Prize \(prize.number) goes to \(winner.name)."
    }
}

try await HTTPServer(server, state: try await StateService.sqlite("quiz.db")).run()
