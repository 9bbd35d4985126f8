import CThreads
import Glibc

/// The processors of the machine.
package enum Processors {
    /// How many this process may run on, by its affinity. At least one.
    package static var count: Int {
        let count = Int(torpor_processor_count())
        // A machine may have more than an affinity has places for.
        return count > 0 ? count : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }
}
