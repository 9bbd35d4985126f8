/// A run of the engine that is given by its seed: who calls what, what goes wrong, and in which order things happen.
///
/// Equal scenarios run alike, job by job, in every process. A failure names its scenario as it is written in Swift; to
/// run it again, write that: see docs/simulation.md.
package struct Scenario: Hashable, Sendable {
    package var seed: UInt64
    /// How many steps the clients take in all.
    package var steps: Int
    package var faults: Faults
    /// The numbers of the steps and incidents that are carried out; `nil` for all.
    package var keeping: [Int]?
    /// What is broken on purpose, to see that it is noticed.
    package var defect: Defect?

    package init(
        seed: UInt64, steps: Int = 60, faults: Faults = .all, keeping: [Int]? = nil, defect: Defect? = nil
    ) {
        self.seed = seed
        self.steps = steps
        self.faults = faults
        self.keeping = keeping
        self.defect = defect
    }
}

extension Scenario {
    /// As it is given to `scripts/simulate.sh replay`.
    package var arguments: [String] {
        var arguments = ["--seed", "\(self.seed)", "--steps", "\(self.steps)"]
        if self.faults != .all {
            arguments += ["--faults", self.faults.isEmpty ? "none" : self.faults.names.joined(separator: ",")]
        }
        if let keeping { arguments += ["--keeping", keeping.map(String.init).joined(separator: ",")] }
        if let defect { arguments += ["--defect", defect.rawValue] }
        return arguments
    }
}

extension Scenario: CustomStringConvertible {
    /// As it is written in Swift.
    package var description: String {
        var text = "Scenario(seed: \(self.seed), steps: \(self.steps), faults: \(self.faults)"
        if let keeping { text += ", keeping: \(keeping)" }
        if let defect { text += ", defect: .\(defect)" }
        return text + ")"
    }
}

/// Which object a step means; what it is called is known only when the step is taken.
enum Target: Hashable, Sendable {
    /// The account's session of this number; a new one where it was ended.
    case session(Int)
    /// The principal's own object; a session for who has no name.
    case principal
    /// One of the account's handles.
    case handle(Int)
    /// A handle of another account.
    case foreign(Int)
}

/// What a call does, one after the other.
enum Action: Hashable, Sendable {
    /// Reads everything at once.
    case survey
    /// Reads the log by itself.
    case readLog
    /// Lists keys.
    case list(limit: Int)
    case change([Operation.Effect])
    /// An update that changes its mind when all is done.
    case changeAndThrow([Operation.Effect])
    /// Time passes while the call has its objects in use.
    case pause(milliseconds: Int)
    /// Something leaves the call before its end.
    case gate
}

/// What an operator does.
enum OperatorStep: Hashable, Sendable {
    case evict(Target)
    case evictAll
    /// Asks what is in memory.
    case inspect
    /// Reads what is stored of an object.
    case copy(Target)
    case delete(Target)
}

/// What a client does next.
struct Step: Sendable {
    enum Kind: Sendable {
        case call(Target, [Action], cancelledAfter: Int?)
        /// Makes a handle, and puts something into it.
        case create([Operation.Effect], cancelledAfter: Int?)
        case delete(Target)
        case operate(OperatorStep)
        case idle(milliseconds: Int)
    }

    let number: Int
    let kind: Kind
}

/// Something that happens to the process or the store when so many jobs have run.
struct Incident: Sendable {
    enum Kind: Sendable {
        case crash
        case stop(isOrderly: Bool)
        case jump(milliseconds: Int)
        case rogue(choice: Int, isOwner: Bool)
        case damage(choice: Int, isAltered: Bool, milliseconds: Int)
    }

    let number: Int
    let job: Int
    let kind: Kind

    var fault: Faults {
        switch self.kind {
        case .crash: .crashes
        case .stop: .stops
        case .jump: .timeJumps
        case .rogue: .rogues
        case .damage: .damage
        }
    }
}
