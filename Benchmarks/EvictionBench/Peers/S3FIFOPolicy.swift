import TorporCore

/// S3-FIFO (Yang and others, SOSP 2023): what was used once passes through a small queue and leaves; what was used more,
/// or comes back soon after, goes to the main one.
///
/// The small queue takes a tenth of the bytes. Objects that leave it are remembered, as many as the main queue has.
struct S3FIFOPolicy: EvictionPolicy {
    private var small = PeerQueue()
    private var main = PeerQueue()
    private var isSmall: [Bool] = []
    private var uses: [UInt8] = []
    /// Numbers of objects that have left the small queue, with their turn in `ghosts`.
    private var ghosts: [(object: UInt32, turn: Int)] = []
    private var firstGhost = 0
    private var turns: [UInt32: Int] = [:]
    private var nextTurn = 0

    var candidateCount: Int { self.small.count + self.main.count }
    var candidateBytes: Int { self.small.bytes + self.main.bytes }

    mutating func insert(_ object: UInt32, bytes: Int) {
        while self.uses.count <= Int(object) {
            self.uses.append(0)
            self.isSmall.append(false)
        }
        self.uses[Int(object)] = 0
        let isGhost = self.turns.removeValue(forKey: object) != nil
        self.isSmall[Int(object)] = !isGhost
        if isGhost { self.main.insert(object, bytes: bytes) } else { self.small.insert(object, bytes: bytes) }
    }

    mutating func touch(_ object: UInt32) { self.uses[Int(object)] = min(3, self.uses[Int(object)] + 1) }
    // Nothing is in use in a replay, so nothing is set aside.
    mutating func restore(_ object: UInt32) {}

    mutating func resize(_ object: UInt32, bytes: Int) {
        if self.isSmall[Int(object)] {
            self.small.resize(object, bytes: bytes)
        } else {
            self.main.resize(object, bytes: bytes)
        }
    }

    mutating func remove(_ object: UInt32) {
        guard self.isSmall[Int(object)] else { return self.main.remove(object) }
        self.small.remove(object)
        self.nextTurn += 1
        self.turns[object] = self.nextTurn
        self.ghosts.append((object, self.nextTurn))
        while self.turns.count > max(1, self.main.count), self.firstGhost < self.ghosts.count {
            let ghost = self.ghosts[self.firstGhost]
            self.firstGhost += 1
            if self.turns[ghost.object] == ghost.turn { self.turns[ghost.object] = nil }
        }
        if self.firstGhost > 1_024, self.firstGhost * 2 > self.ghosts.count {
            self.ghosts.removeFirst(self.firstGhost)
            self.firstGhost = 0
        }
    }

    mutating func nextVictim(where isEvictable: (UInt32) -> Bool) -> EvictionSearch {
        while true {
            let fromSmall =
                self.small.count > 0 && (self.small.bytes * 10 >= self.candidateBytes || self.main.count == 0)
            if fromSmall {
                let object = self.small.oldest
                // Used again since it came.
                guard self.uses[Int(object)] > 0 else { return .victim(object) }
                let bytes = self.small.bytes(of: object)
                self.small.remove(object)
                self.uses[Int(object)] = 0
                self.isSmall[Int(object)] = false
                self.main.insert(object, bytes: bytes)
            } else {
                let object = self.main.oldest
                guard object != PeerQueue.none else { return .nothing }
                guard self.uses[Int(object)] > 0 else { return .victim(object) }
                self.uses[Int(object)] -= 1
                self.main.renew(object)
            }
        }
    }
}
