import CWarden
import Glibc
import TorporSystem

/// A warden's process, and the connection to it.
final class WardenLink: Sendable {
    /// How long the keepers of a warden that was killed may take to end their families.
    static let farewellMilliseconds: Int32 = 5_000

    let pid: Int32
    private let socket: Int32
    /// Becomes readable when the process ends; -1 where the kernel has no such thing.
    private let process: Int32

    /// Starts a warden.
    /// - Throws: ``ChildError/Code/wardenLost`` when the system has no room for it.
    init() throws(ChildError) {
        var socket: Int32 = -1
        var pid: pid_t = 0
        let number = torpor_warden_spawn(&socket, &pid)
        guard number == 0 else { throw .wardenLost("cannot be started: \(errorText(number))") }
        self.socket = socket
        self.pid = pid
        self.process = torpor_process_descriptor(pid)
    }

    deinit {
        close(self.socket)
        if self.process >= 0 { close(self.process) }
    }

    /// - Returns: 0, or an error of errno.
    func send(_ message: torpor_message, _ descriptors: [Int32] = []) -> Int32 {
        var message = message
        return torpor_warden_send(self.socket, &message, descriptors, descriptors.count)
    }

    /// Lets the warden end all children and then itself. What it tells meanwhile still arrives.
    func hangUp() { shutdown(self.socket, Int32(SHUT_WR)) }

    /// Passes on what the warden and the keepers tell, until all of them have ended; then reaps the warden.
    func receive(_ body: (torpor_message) -> Void) {
        var isGone = false
        while true {
            var polled = [
                pollfd(fd: self.socket, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isGone ? -1 : self.process, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&polled, 2, isGone ? Self.farewellMilliseconds : -1)
            // The keepers hold the socket, too. One that cannot end its family does not keep everything waiting.
            if count == 0 { break }
            if count > 0, polled[0].revents != 0 {
                var message = torpor_message()
                guard torpor_warden_receive(self.socket, &message) > 0 else { break }
                body(message)
            } else if count > 0 {
                isGone = true
            }
        }
        while waitpid(self.pid, nil, 0) < 0, errno == EINTR {}
    }
}
