package import Glibc

/// A lock that threads can wait behind. For threads that block; tasks only ever lock it for a moment.
///
/// Other targets may inline it: they call it often, with closures of their own.
package final class Monitor<State>: @unchecked Sendable {
    // `state` is touched only while `mutex` is held, so that the runtime need not check that too.
    @exclusivity(unchecked) @usableFromInline var state: State
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline let condition: UnsafeMutablePointer<pthread_cond_t>

    package init(_ state: sending State) {
        self.state = state
        self.mutex = .allocate(capacity: 1)
        self.condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_mutex_init(self.mutex, nil)
        pthread_cond_init(self.condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(self.condition)
        pthread_mutex_destroy(self.mutex)
        self.condition.deallocate()
        self.mutex.deallocate()
    }

    @inlinable package func withLock<R>(_ body: (inout State) -> R) -> R {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return body(&self.state)
    }

    /// Wakes one thread that waits.
    @inlinable package func signal() { pthread_cond_signal(self.condition) }

    /// Wakes all threads that wait.
    @inlinable package func broadcast() { pthread_cond_broadcast(self.condition) }

    /// Asks `body` again at every signal until it answers.
    /// - Parameter timeout: How long to wait at most; without one, forever.
    /// - Returns: The answer; `nil` when the time is over.
    @inlinable package func wait<R>(atMost timeout: Duration?, until body: (inout State) -> R?) -> R? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        var deadline = timespec()
        if let timeout {
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            let (seconds, attoseconds) = timeout.components
            let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
            deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
            deadline.tv_nsec = nanoseconds % 1_000_000_000
        }
        while true {
            if let answer = body(&self.state) { return answer }
            if timeout == nil {
                pthread_cond_wait(self.condition, self.mutex)
            } else if pthread_cond_timedwait(self.condition, self.mutex, &deadline) == ETIMEDOUT {
                return body(&self.state)
            }
        }
    }
}
