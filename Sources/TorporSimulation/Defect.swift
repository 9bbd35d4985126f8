/// What is broken on purpose, to see that it is noticed: in the simulated store, clock or clients, so that the engine
/// itself has no place where it could be broken.
package enum Defect: String, Hashable, Sendable, CaseIterable {
    /// Calls answer without waiting for the output gate.
    case opensTheGate
    /// The engine reserves memory against limits far above those that it is held to: nothing is ever refused or evicted
    /// for want of room.
    case skipsReservation
    /// The engine counts what is stored against limits far above those that it is held to.
    case liftsQuotas
    /// The store does not look at fences: what was outdone may still take effect.
    case ignoresFences
    /// The store leaves out values of a change, though it answers that all of it was carried out.
    case tearsCommits
    /// The store finds nothing where it has an object.
    case losesObjects
    /// The store hands out what an object was before its last change.
    case servesStale
    /// The store calls objects expired that are not.
    case expiresEarly
    /// The store refuses a whole batch for the sake of one object.
    case sharesRefusals
    /// The store has not counted all that it has when it is opened.
    case miscounts
    /// Callers are taken for those whose objects they name.
    case confusesCallers
    /// The store keeps no tombstones.
    case forgetsTombstones
    /// The store does not answer to a commit within an hour.
    case staysSilent
    /// Every sleep of the engine ends at once.
    case neverSleeps
}
