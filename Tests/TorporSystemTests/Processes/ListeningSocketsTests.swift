import Glibc
import Testing
import TorporSystem

@Suite struct ListeningSocketsTests {
    private static let head =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

    private func line(_ address: String, state: String, inode: Int) -> String {
        "   0: \(address) 00000000:0000 \(state) 00000000:00000000 00:00000000 00000000     0        0 \(inode) 1 0 100 0 0 10 0\n"
    }

    @Test func whoeverHasTheListeningSocketIsFound() throws {
        let folder = try ProcFolder()
        try folder.write(
            Self.head + line("0100007F:1F90", state: "0A", inode: 501) + line("0100007F:1F91", state: "0A", inode: 502)
                + line("0100007F:1F90", state: "01", inode: 503), to: "/proc/net/tcp")
        try folder.link("/proc/10/fd/3", to: "socket:[501]")
        try folder.link("/proc/11/fd/3", to: "socket:[502]")
        try folder.link("/proc/12/fd/3", to: "socket:[503]")  // A client's connection to the port.
        try folder.link("/proc/13/fd/4", to: "socket:[501]")
        let sockets = ListeningSockets(root: folder.root)
        #expect(sockets.processes(port: 8_080) == [10, 13])
        #expect(sockets.processes(port: 8_081) == [11])
        #expect(sockets.processes(port: 8_082).isEmpty)
        #expect(sockets.isOpen(port: 8_080) && !sockets.isOpen(port: 8_082))
    }

    @Test func socketsOfIPv6AreFound() throws {
        let folder = try ProcFolder()
        try folder.write(
            Self.head + line("00000000000000000000000001000000:2328", state: "0A", inode: 77), to: "/proc/net/tcp6")
        try folder.link("/proc/10/fd/9", to: "socket:[77]")
        #expect(ListeningSockets(root: folder.root).processes(port: 9_000) == [10])
    }

    @Test func aSocketOfThisProcessIsFound() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isListening)
        let found = ListeningSockets(root: .machine).processes(port: Int(UInt16(bigEndian: address.sin_port)))
        #expect(found == [getpid()])
    }
}
