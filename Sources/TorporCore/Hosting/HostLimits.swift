/// How many children a hosted server may have, who waits for them, and how long everything may take.
package struct HostLimits: Hashable, Sendable {
    /// Children at once: those that wake, are awake or stop, and spares. Default 32.
    package let childrenMax: Int
    /// Children at once of one account: of those whose calls they were started for. As many as of all where a child
    /// serves many accounts. Default a quarter of ``childrenMax``, rounded up.
    package let accountChildrenMax: Int
    /// Calls that one child runs at once. Held calls are not counted. Default 16.
    package let callsMax: Int
    /// Calls that wait at once, of all accounts: for a child to wake, for room, or for their turn. Default 1,024.
    package let queuedMax: Int
    /// Calls that wait at once of one account. Default a quarter of ``queuedMax``, rounded up.
    package let accountQueuedMax: Int
    /// How long a call waits for its child, whatever for. Default 60 s.
    package let queueTimeout: Duration
    /// How long a child without calls stays awake. Default 5 min.
    package let idleTimeout: Duration
    /// How long a child that had calls just now is kept from those that wait for room, at most; it is kept for as long as
    /// its start took. Default 2 s.
    package let lingerMax: Duration
    /// After it was awake for so long it is not kept from them any more. Default 10 s.
    package let turnMax: Duration
    /// How long a child may take to wake, the restoring of its folder included. Default 60 s.
    package let startTimeout: Duration
    /// Children that are started ahead, for whoever comes next. Default none.
    package let sparesMax: Int
    /// A child serves one call, and stops right after it. Default no.
    package let isPerCall: Bool

    /// How long a key whose start failed is left alone, at first. Doubles with each failure in a row. Default 1 s.
    package let backoffMin: Duration
    /// How long it is left alone at most. Default 60 s.
    package let backoffMax: Duration
    /// After so many failures of one key in a row its calls do not wait for the next start. Default 5.
    package let keyFailuresMax: Int
    /// After failed starts of so many keys, and none that succeeded between, nobody waits for a start, and one at a
    /// time is tried. Default 5.
    package let serverFailuresMax: Int
    /// Who ends before it was awake so long had a failed start, as far as its key is concerned. Default 10 s.
    package let steadyMin: Duration

    /// Held calls at once, of all accounts. Default 64.
    package let heldMax: Int
    /// Held calls at once of one account. Default 4.
    package let accountHeldMax: Int
    /// How long a call is held. Default 10 min.
    package let holdTimeout: Duration

    /// How many keys without a child are kept in mind because of their failures, beyond those that somebody waits for.
    package static var failingKeysMax: Int { 1_024 }

    /// - Precondition: Counts are above 0, but for `sparesMax`, `heldMax` and `accountHeldMax`, which may be 0; durations
    ///   are above 0 and at most 30 days; what is for one account is no more than what is for all; `sparesMax` is below
    ///   `childrenMax`, or 0; `backoffMin` ≤ `backoffMax`.
    package init(
        childrenMax: Int = 32, accountChildrenMax: Int? = nil, callsMax: Int = 16, queuedMax: Int = 1_024,
        accountQueuedMax: Int? = nil, queueTimeout: Duration = .seconds(60), idleTimeout: Duration = .seconds(300),
        lingerMax: Duration = .seconds(2), turnMax: Duration = .seconds(10),
        startTimeout: Duration = .seconds(60), sparesMax: Int = 0, isPerCall: Bool = false,
        backoffMin: Duration = .seconds(1), backoffMax: Duration = .seconds(60), keyFailuresMax: Int = 5,
        serverFailuresMax: Int = 5, steadyMin: Duration = .seconds(10), heldMax: Int = 64, accountHeldMax: Int = 4,
        holdTimeout: Duration = .seconds(600)
    ) {
        self.childrenMax = childrenMax
        self.accountChildrenMax = accountChildrenMax ?? (childrenMax + 3) / 4
        self.callsMax = callsMax
        self.queuedMax = queuedMax
        self.accountQueuedMax = accountQueuedMax ?? (queuedMax + 3) / 4
        self.queueTimeout = queueTimeout
        self.idleTimeout = idleTimeout
        self.lingerMax = lingerMax
        self.turnMax = turnMax
        self.startTimeout = startTimeout
        self.sparesMax = sparesMax
        self.isPerCall = isPerCall
        self.backoffMin = backoffMin
        self.backoffMax = backoffMax
        self.keyFailuresMax = keyFailuresMax
        self.serverFailuresMax = serverFailuresMax
        self.steadyMin = steadyMin
        self.heldMax = heldMax
        self.accountHeldMax = accountHeldMax
        self.holdTimeout = holdTimeout
        for count in [
            childrenMax, self.accountChildrenMax, callsMax, queuedMax, self.accountQueuedMax, keyFailuresMax,
            serverFailuresMax,
        ] {
            precondition(count > 0, "what is limited happens")
        }
        for duration in [
            queueTimeout, idleTimeout, lingerMax, turnMax, startTimeout, backoffMin, backoffMax, steadyMin, holdTimeout,
        ] {
            precondition(
                duration > .zero && duration <= .seconds(30 * 86_400), "a time limit is above 0 and at most 30 days")
        }
        precondition(self.accountChildrenMax <= childrenMax, "one account has no more children than all")
        precondition(self.accountQueuedMax <= queuedMax, "one account has no more waiting than all")
        precondition(heldMax >= 0 && accountHeldMax >= 0 && accountHeldMax <= heldMax, "one account holds part of all")
        precondition(sparesMax == 0 || (1..<childrenMax).contains(sparesMax), "spares leave room for a child")
        precondition(backoffMin <= backoffMax, "a backoff grows")
    }
}
