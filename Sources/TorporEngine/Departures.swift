package import TorporCore
import Synchronization

/// Objects that have left memory with live things beside them, which are to be closed.
package final class Departures: Sendable {
    private let gone = Mutex<[StateObjectID]>([])
    private let bell = Bell()

    package init() {}

    /// Takes what has left since the last time.
    package func take() -> [StateObjectID] {
        self.gone.withLock { gone in
            defer { gone = [] }
            return gone
        }
    }

    /// Waits until something has left. One task waits; cancellation does not end it, ``wake()`` does.
    package func wait() async { await self.bell.wait() }

    package func wake() { self.bell.ring() }

    /// Called while the engine's lock is held; whoever holds it wakes who waits, once it is released.
    func add(_ id: StateObjectID) { self.gone.withLock { $0.append(id) } }
}
