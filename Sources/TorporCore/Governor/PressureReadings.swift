/// What was measured of the process for one pass of the governor.
package struct PressureReadings: Hashable, Sendable {
    /// Resident state that is dirty or in use, which no eviction gives back. In bytes.
    package var stateBusy: ByteCount
    /// Resident state that is clean and that nobody uses: what eviction could give back. In bytes.
    package var stateIdle: ByteCount
    /// What all resident state may take. In bytes.
    package var stateMax: ByteCount
    /// Anonymous and shared memory of the control group, or what the process and its descendants have in memory. In
    /// bytes.
    package var memoryUsed: ByteCount
    /// What they may take; `nil` when no limit is known. In bytes. Of a control group's limit only a part is to be
    /// named here, nine tenths by custom: the kernel counts page tables, buffers of sockets and cached files too.
    package var memoryMax: ByteCount?
    /// The share of the last ten seconds in which some task of the control group waited for memory, from 0 to 1; `nil`
    /// where the kernel does not say.
    package var stall: Double?
    /// What of ``memoryUsed`` children of hosted servers take.
    package var children: ChildReadings

    package init(
        stateBusy: ByteCount, stateIdle: ByteCount, stateMax: ByteCount, memoryUsed: ByteCount,
        memoryMax: ByteCount?, stall: Double? = nil, children: ChildReadings = ChildReadings()
    ) {
        self.stateBusy = stateBusy
        self.stateIdle = stateIdle
        self.stateMax = stateMax
        self.memoryUsed = memoryUsed
        self.memoryMax = memoryMax
        self.stall = stall
        self.children = children
    }
}

/// What was measured of the children of hosted servers.
package struct ChildReadings: Hashable, Sendable {
    /// What all of them take. In bytes.
    package var used: ByteCount
    /// What those take that are being ended. In bytes.
    package var leaving: ByteCount
    /// How many run that nobody uses, spares included, and could be ended.
    package var idleCount: Int

    package init(used: ByteCount = ByteCount(0), leaving: ByteCount = ByteCount(0), idleCount: Int = 0) {
        self.used = used
        self.leaving = leaving
        self.idleCount = idleCount
    }
}

/// How short of memory the process is, from 0 to 1: the worst of its sources.
package struct Pressure: Hashable, Sendable {
    /// Where pressure comes from. The raw names stand in metrics and JSON.
    package enum Source: String, CaseIterable, Sendable {
        /// Dirty and used state fills its cap. A cache full of clean idle state is no pressure.
        case state
        /// The process fills its memory.
        case memory
        /// Tasks wait for memory.
        case stall
    }

    /// What it was made of.
    package let readings: PressureReadings
    /// From ``Source/state``, from 0 to 1.
    package let state: Double
    /// From ``Source/memory``, from 0 to 1; 0 when no limit is known.
    package let memory: Double
    /// From ``Source/stall``, from 0 to 1; 0 when nothing is known.
    package let stall: Double
    /// As ``memory`` would be without children.
    package let memoryBesideChildren: Double

    package init(_ readings: PressureReadings, limits: GovernorLimits) {
        self.readings = readings
        self.state = Self.share(Double(readings.stateBusy.bytes), of: Double(readings.stateMax.bytes))
        self.memory =
            readings.memoryMax.map { Self.share(Double(readings.memoryUsed.bytes), of: Double($0.bytes)) } ?? 0
        self.stall = Self.share(readings.stall ?? 0, of: limits.stallMax)
        let own = readings.memoryUsed.bytes - readings.children.used.bytes
        self.memoryBesideChildren = readings.memoryMax.map { Self.share(Double(own), of: Double($0.bytes)) } ?? 0
    }

    /// Nothing of nothing is nothing, and something of nothing is all.
    private static func share(_ part: Double, of whole: Double) -> Double {
        guard part > 0 else { return 0 }
        return part < whole ? part / whole : 1
    }

    /// The worst of all sources.
    package var value: Double { max(self.state, self.memory, self.stall) }

    /// The source that is worst; of several that are equally bad, memory and then stall.
    package var worst: Source {
        if self.memory >= max(self.stall, self.state) { return .memory }
        return self.stall >= self.state ? .stall : .state
    }

    package subscript(source: Source) -> Double {
        switch source {
        case .state: self.state
        case .memory: self.memory
        case .stall: self.stall
        }
    }

    /// The worst source and its numbers: `memory: 231 MiB of 256 MiB`.
    package var reason: String { self.reason(of: self.worst) }

    /// The numbers of a source.
    func reason(of source: Source) -> String {
        let readings = self.readings
        switch source {
        case .state:
            return "state: \(readings.stateBusy.roundedText) of \(readings.stateMax.roundedText) dirty or in use"
        case .memory:
            guard let memoryMax = readings.memoryMax else {
                return "memory: \(readings.memoryUsed.roundedText), no limit"
            }
            let children = readings.children.used
            let part = children.bytes > 0 ? ", children \(children.roundedText)" : ""
            return "memory: \(readings.memoryUsed.roundedText) of \(memoryMax.roundedText)\(part)"
        case .stall:
            return "stall: some tasks waited for memory \((readings.stall ?? 0).percentText) of the time"
        }
    }
}

extension Double {
    /// A share in per cent, rounded down, so that it does not seem to reach a limit that it did not reach: `89%`.
    var percentText: String {
        // The product of 0.57 and 100 lies below 57.
        "\(Int((self * 100 + 1e-9).rounded(.down)))%"
    }
}
