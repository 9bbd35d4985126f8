import CThreads
import Glibc

/// Starts a thread that nobody joins.
/// - Parameters:
///   - name: At most 15 bytes.
///   - stackBytes: `nil`: as many as the system gives every thread, of which only those that are used take memory.
/// - Returns: `false` when the system has none left.
package func startDetachedThread(
    named name: String, stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void
) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var thread = pthread_t()
    let result = pthread_create(&thread, &attributes, runThread, start.toOpaque())
    if result != 0 { start.release() }
    return result == 0
}

/// What a thread begins with.
private final class ThreadStart {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // What startDetachedThread has passed.
    let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
    torpor_name_thread(start.name)
    start.body()
    return nil
}
