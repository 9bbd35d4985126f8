import Synchronization
package import TorporCore

/// What a governor asks of the engine while memory is short.
extension StateEngine {
    /// Bytes of resident state, by the ledger: what cannot leave memory now, since it is in use or dirty, and all of it.
    /// - Complexity: O(objects in use or dirty).
    package var memoryUse: (held: Int, resident: Int) {
        self.state.withLock { state in
            let held = state.active.reduce(0) { sum, object in
                sum + object.value.reservedBytes + (state.live[object.key]?.values.reduce(0, +) ?? 0)
            }
            return (held, state.ledger.usedBytes)
        }
    }

    /// What is refused from now on. A refusal changes nothing, and may be tried again.
    package func admit(_ admission: GovernorAdmission) { self.state.withLock { $0.admission = admission } }

    /// Objects leave memory from now on when they have been idle for so long; those that have been already leave now.
    ///
    /// - Parameter timeout: At most ``EngineLimits/idleTimeout``, which `nil` goes back to.
    /// - Returns: The bytes of what left, by the ledger; call ``giveMemoryBack()`` to have the pages leave, too.
    /// - Complexity: O(objects in memory), in steps that hold the lock briefly.
    package func shortenIdleTimeout(to timeout: Duration?) -> Int {
        let (isShorter, count) = self.state.withLock { state in
            let former = state.idleTimeout
            state.idleTimeout = min(timeout ?? self.limits.idleTimeout, self.limits.idleTimeout)
            return (state.idleTimeout < former, state.nextNumber)
        }
        // What is scheduled later than it is due now.
        guard isShorter else { return 0 }
        let now = self.environment.now()
        let step: UInt32 = 4_096
        var evicted = (bytes: 0, count: 0)
        for start in stride(from: 0, to: count, by: Int(step)) {
            self.changing { state in
                let before = state.ledger.usedBytes
                for number in start..<min(start + step, count) where state.isAtRest(number) {
                    let due = state.records.head(number).pointee.lastUse + state.idleTimeout
                    guard due <= now else {
                        state.idle.cancel(number)
                        state.idle.schedule(number, at: due)
                        continue
                    }
                    state.evict(number)
                    evicted.count += 1
                }
                evicted.bytes += before - state.ledger.usedBytes
            }
        }
        if evicted.count > 0 { self.observe(.evicted(.idle, count: evicted.count)) }
        return evicted.bytes
    }

    /// Takes the objects out of memory whose turn it is, until they make up `bytes` or none is left that may go.
    ///
    /// - Returns: The bytes of what left, by the ledger; call ``giveMemoryBack()`` to have the pages leave, too.
    package func evict(bytes: Int) -> Int {
        var freed = 0
        var count = 0
        var isMore = true
        // In steps, so that calls get their turns.
        while isMore, freed < bytes {
            isMore = self.changing { state in
                for _ in 0..<256 where freed < bytes {
                    let before = state.ledger.usedBytes
                    guard state.evictNext() else { return false }
                    freed += before - state.ledger.usedBytes
                    count += 1
                }
                return true
            }
        }
        if count > 0 { self.observe(.evicted(.pressure, count: count)) }
        return freed
    }
}
