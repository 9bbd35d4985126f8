/// What became of one kind of action since it was last worth a try.
struct GovernorEffort: Sendable {
    /// How many fruitless tries in a row are enough.
    private static let fruitlessMax = 2

    /// How often it was tried.
    private(set) var tries = 0
    /// The pass of the last try.
    private var lastPass: Int?
    /// While the outcome of a try is not known: what it has to free to be worth repeating.
    private var worthwhile: Int?
    /// Tries in a row that freed less than that.
    private var fruitless = 0
    /// What was measured when it had turned out fruitless.
    private var level = 0

    /// Whether it freed nothing so often that it is not repeated.
    var isSpent: Bool { self.fruitless >= Self.fruitlessMax }
    /// Whether a try is under way.
    var isPending: Bool { self.worthwhile != nil }

    /// Whether it may be tried: it is not spent, and not under way, and so many passes lie between.
    func isReady(pass: Int, passesMin: Int = 1) -> Bool {
        !self.isSpent && !self.isPending && self.hasSettled(pass: pass, passesMin: passesMin)
    }

    /// Whether so many passes have gone by since the last try.
    func hasSettled(pass: Int, passesMin: Int) -> Bool { self.lastPass.map { pass - $0 >= passesMin } ?? true }

    mutating func started(pass: Int, worthwhile: Int) {
        self.tries += 1
        self.lastPass = pass
        self.worthwhile = worthwhile
    }

    /// - Parameter level: A measure of how things stand, with which a later one is compared.
    mutating func ended(freed: Int, level: Int) {
        guard let worthwhile = self.worthwhile else { preconditionFailure("what an action freed is told once") }
        self.worthwhile = nil
        self.fruitless = freed < worthwhile ? self.fruitless + 1 : 0
        self.level = level
    }

    /// What pressed is gone: it may be tried as if it never had been.
    mutating func renew() {
        self.fruitless = 0
        self.tries = 0
    }

    /// Tries what is spent once more if there is so much more, or so much less, than when it turned out fruitless.
    mutating func retry(ifChangedBy change: Int, level: Int) {
        guard self.isSpent, abs(level - self.level) >= change else { return }
        self.fruitless = Self.fruitlessMax - 1
    }

    /// Tries what is spent once more if there is so much more than there ever was since it turned out fruitless.
    mutating func retry(ifGrownBy growth: Int, level: Int) {
        guard self.isSpent else { return }
        if level - self.level >= growth { self.fruitless = Self.fruitlessMax - 1 }
        self.level = min(self.level, level)
    }
}
