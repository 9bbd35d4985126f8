/// What an agent does with a session, in the scenario `sessions`.
enum Behaviour: String, Sendable, CaseIterable {
    /// Calls, and goes without a word, as most clients do.
    case vanish
    /// Calls, and ends the session with DELETE.
    case polite
    /// Opens a session for a single call and forgets it, as some hosted assistants do.
    case sessionPerCall
    /// Calls, goes, comes back on another connection, and calls again.
    case comeBack
    /// Calls, and cancels the call.
    case cancel
    /// Listens to the stream of the session, and vanishes with a reset.
    case listen

    /// How often each occurs among a hundred.
    var weight: Int {
        switch self {
        case .vanish: 35
        case .polite: 20
        case .sessionPerCall: 15
        case .comeBack: 10
        case .cancel: 10
        case .listen: 10
        }
    }

    /// Draws one by the weights.
    static func draw(using generator: inout some RandomNumberGenerator) -> Behaviour {
        var rest = Int.random(in: 0..<self.allCases.reduce(0) { $0 + $1.weight }, using: &generator)
        for behaviour in self.allCases {
            if rest < behaviour.weight { return behaviour }
            rest -= behaviour.weight
        }
        preconditionFailure("the draw lies below the sum of the weights")
    }
}
