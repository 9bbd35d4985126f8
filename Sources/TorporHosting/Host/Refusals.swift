import TorporCore
import TorporJSON
import TorporProtocol

extension Refusal {
    /// What a call is answered that reached no child. It had no effect.
    init(_ refusal: HostRefusal, at server: String, _ failure: String?) {
        let seconds = refusal.retryAfter.map { max(1, Int($0.components.seconds)) }
        let what: String =
            switch refusal.reason {
            case .queueFull, .accountQueueFull: "too many calls wait for \(server)"
            case .heldFull, .accountHeldFull: "too many calls of \(server) wait for answers of their clients"
            case .wakingTooLong: "\(server) took too long to start"
            case .noRoom: "as many processes of \(server) run as may, and each is busy"
            case .memory: "memory is too short to start another process of \(server)"
            case .busy: "the process of \(server) that is for this client is busy"
            case .stoppingTooLong: "the process of \(server) that was for this client took too long to stop"
            case .startFailed:
                "\(server) cannot be started: \(failure.map(Self.withoutEnd) ?? "it failed, or ended soon after, several times in a row")"
            case .failing: "\(server) cannot be started: its starts fail, and the server's log says why"
            case .draining: "the server is stopping"
            }
        let isForAccount = [.accountQueueFull, .accountHeldFull].contains(refusal.reason)
        self.init(
            isForAccount ? 429 : 503, .internalError, "The call was not made: \(what). Try again.",
            data: ["reason": .string(refusal.reason.rawValue)], retryAfterSeconds: seconds ?? 1)
    }

    /// A text that goes on.
    private static func withoutEnd(_ text: String) -> String {
        var text = text[...]
        while text.last == "." || text.last == " " { text.removeLast() }
        return String(text)
    }

    /// A call's child is lost, and nobody knows what the call has done.
    static func childGone(_ server: String) -> Refusal {
        Refusal(
            200, .internalError, "The process of \(server) ended before it answered. What the call did is not known.")
    }
}
