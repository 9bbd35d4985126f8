import TorporCore

/// The children of a ``GovernedProcess``, one for each client.
struct GovernedChildren {
    private struct Child {
        let client: Int
        let size: Int
        /// Calls run in it for so many steps more.
        var busySteps: Int
        var idleSteps = 0
        /// It is ended, and takes memory for so many steps more; `nil` while it is not.
        var leavingSteps: Int?
    }

    /// Steps from being asked to end to having ended.
    private static let leavingSteps = 2

    private var children: [Child] = []
    private(set) var started = 0
    private(set) var refused = 0
    /// Those that the governor had ended.
    private(set) var ended = 0

    var used: Int { self.children.reduce(0) { $0 + $1.size } }
    private var idle: [Int] {
        self.children.indices.filter { self.children[$0].leavingSteps == nil && self.children[$0].busySteps == 0 }
    }

    var readings: ChildReadings {
        let leaving = self.children.reduce(0) { $0 + ($1.leavingSteps == nil ? 0 : $1.size) }
        return ChildReadings(
            used: .kibibytes(self.used), leaving: .kibibytes(leaving), idleCount: self.idle.count)
    }

    mutating func pass(idleTimeout: Int) {
        for index in self.children.indices {
            if let steps = self.children[index].leavingSteps {
                self.children[index].leavingSteps = steps - 1
            } else if self.children[index].busySteps > 0 {
                self.children[index].busySteps -= 1
            } else {
                self.children[index].idleSteps += 1
                if self.children[index].idleSteps >= idleTimeout { self.leave(index) }
            }
        }
        self.children.removeAll { $0.leavingSteps == 0 }
    }

    private mutating func leave(_ index: Int) { self.children[index].leavingSteps = Self.leavingSteps }

    mutating func call(_ client: Int, steps: Int, size: Int, admitsStarts: Bool, countMax: Int) {
        if let index = self.children.firstIndex(where: { $0.client == client && $0.leavingSteps == nil }) {
            self.children[index].busySteps = max(self.children[index].busySteps, steps)
            self.children[index].idleSteps = 0
        } else if admitsStarts, self.children.count < countMax {
            self.children.append(Child(client: client, size: size, busySteps: steps))
            self.started += 1
        } else {
            self.refused += 1
        }
    }

    /// Ends idle ones, the coldest first.
    mutating func end(sizeOf size: Int, countMax: Int) -> (count: Int, size: Int) {
        var ended = (count: 0, size: 0)
        while ended.count < countMax, ended.size < size,
            let index = self.idle.max(by: { self.children[$0].idleSteps < self.children[$1].idleSteps })
        {
            self.ended += 1
            ended = (ended.count + 1, ended.size + self.children[index].size)
            self.leave(index)
        }
        return ended
    }
}
