import Crypto
package import Torpor
import TorporCore
import TorporJSON

extension FuzzTarget {
    /// Of all texts only those that were sealed open as a request's state, and they open to what was sealed.
    static let requestState = FuzzTarget(
        "request-state", lengthMax: 400, dictionary: ["A", "_", "-", "=", "Ag", "AQ", "-TAMPERED"]
    ) { input throws(PropertyViolation) in
        let opened = RequestState.open(String(decoding: input, as: UTF8.self), with: TokenKeys.sealing)
        let sealed = RequestStates.states.first { Array($0.sealed.utf8) == input }
        guard let opened else {
            try require(sealed == nil, "what was sealed opens", escaped(input))
            return "refused"
        }
        try require(sealed?.state == opened, "only what was sealed opens, to what was sealed", "\(opened)")
        return "opened"
    }
}

/// States that open under the keys of ``TokenKeys``; the seeds of the corpus are theirs.
package enum RequestStates {
    private static let answers: [JSONObject] = [[:], ["name": ["action": "accept", "content": ["name": "Alice"]]]]

    package static let states: [(state: RequestState, sealed: String)] = answers.enumerated().map { index, answers in
        let state = RequestState(
            run: UInt128(index), expiry: WallTime(milliseconds: 1_790_000_000_000), owner: OwnerDigest(bits: 5),
            request: 6, answers: answers)
        guard let sealed = state.sealed(by: TokenKeys.sealing, salt: UInt128(index) + 1) else {
            preconditionFailure("a short state is sealed")
        }
        return (state, sealed)
    }
}
