import Synchronization
package import Torpor
import TorporChildren
package import TorporCore

extension Hosting: GovernedChildren {
    package var children: (any GovernedChildren)? { self }

    package var memoryUsed: ByteCount { self.warden.memoryUsed }

    /// Conversations with remote servers are no children: to end them gives no memory back.
    private var hosts: [Host] { self.servers.map(\.host).filter(\.keepsProcesses) }

    package var idleCount: Int {
        self.hosts.reduce(0) { count, host in
            let figures = host.figures
            return count + figures.idle + figures.spare
        }
    }

    package var memoryLeaving: ByteCount { ByteCount(self.hosts.reduce(0) { $0 + $1.memoryLeaving }) }

    package func shortenIdle(to factor: Double) {
        let servers = self.state.withLock { state in
            state.idleFactor = factor
            return state.servers
        }
        for server in servers { server.host.shortenIdle(to: factor) }
    }

    package func refuseStarts(retryAfter: Duration?) {
        let servers = self.state.withLock { state in
            state.startsRetryAfter = retryAfter
            return state.servers
        }
        for server in servers where server.host.keepsProcesses { server.host.refuseStarts(retryAfter: retryAfter) }
    }

    package func endIdle(bytes: Int, atMost countMax: Int) -> (count: Int, bytes: Int) {
        let hosts = self.hosts
        var ended = (count: 0, bytes: 0)
        while ended.count < countMax, ended.bytes < bytes {
            let first = hosts.compactMap { host in host.nextToRelieve.map { (host, $0) } }
                .min { $0.1.goesBefore($1.1) }
            guard let (host, _) = first else { break }
            // Whoever was called meanwhile stays.
            guard let freed = host.relieve() else { continue }
            ended = (ended.count + 1, ended.bytes + freed)
        }
        return ended
    }
}

extension HostStateMachine.Candidate {
    /// Spares first, then whoever nobody has used for longest.
    fileprivate func goesBefore(_ other: Self) -> Bool {
        self.isSpare != other.isSpare ? self.isSpare : self.since < other.since
    }
}
