package import TorporCore

/// The control group in which this process runs, as far as it governs memory: what it may take, takes, and waits for.
///
/// Found once with ``current(_:)``; each reading then opens a few files by their paths, which takes microseconds and never
/// waits. What the kernel does not tell, or tells in a form that cannot be read, is `nil`: never a guess, never a trap.
package struct ControlGroup: Sendable, Equatable {
    /// Which hierarchy has the controller of memory. A machine may have both; the controller is in one of them.
    package enum Version: Sendable { case one, two }

    /// What a group may take, and what counts against that.
    package struct Memory: Sendable, Equatable {
        /// The lowest limit of the group and of those around it that can be seen from here; `nil` when there is none.
        package var limit: ByteCount?
        /// Anonymous and shared memory of the group that has this limit, with all groups below it; of the own group when
        /// there is no limit. Memory of files is not in it: the kernel takes that back before it kills.
        package var used: ByteCount?

        package init(limit: ByteCount?, used: ByteCount?) {
            self.limit = limit
            self.used = used
        }
    }

    /// A limit from which on there is none. The first version says "none" with nearly 2⁶³ bytes.
    static let unlimited = 1 << 60

    package let version: Version
    /// The group's folder and those of the groups around it, the own one first, as far as this process sees them.
    package let folders: [String]
    /// Where the group's stall is told: always in the second version's hierarchy. `nil` where nothing but the whole
    /// machine's can be seen, for which others may be the cause.
    let pressureFolder: String?
    private let root: SystemRoot

    package init(version: Version, folders: [String], pressureFolder: String? = nil, root: SystemRoot) {
        self.version = version
        self.folders = folders
        self.pressureFolder = pressureFolder
        self.root = root
    }

    // MARK: Readings

    /// Limit and use, which belong to the same group. Cheaper than ``memoryLimit`` and ``memoryUsed`` apart.
    package var memory: Memory {
        var lowest: (limit: Int, folder: String)?
        for folder in self.folders {
            guard let limit = self.limit(of: folder), limit < lowest?.limit ?? .max else { continue }
            lowest = (limit, folder)
        }
        return Memory(
            limit: lowest.map { ByteCount($0.limit) },
            used: (lowest?.folder ?? self.folders.first).flatMap { self.used(by: $0) })
    }

    /// The lowest limit that holds for this process; see ``Memory/limit``.
    package var memoryLimit: ByteCount? { self.memory.limit }

    /// What counts against ``memoryLimit``; see ``Memory/used``.
    package var memoryUsed: ByteCount? { self.memory.used }

    /// The share of the last ten seconds, 0 to 1, in which some thread of the group waited for memory.
    ///
    /// `nil` on kernels that do not measure it for groups, and where the group is the whole machine.
    package var memoryStall: Double? {
        guard let folder = self.pressureFolder, let lines = self.root.lines(folder + "/memory.pressure") else {
            return nil
        }
        return lines.lazy.compactMap { Self.someShare($0) }.first
    }

    // MARK: Files

    /// The limits of one group; `nil` when it has none.
    ///
    /// In the second version `memory.high` counts as much as `memory.max`: above it nobody is killed, but every thread
    /// that takes memory is put to sleep, and so is the server. The soft limit of the first version slows nobody down.
    private func limit(of folder: String) -> Int? {
        let limits: [Int?] =
            switch self.version {
            case .two: [self.number("\(folder)/memory.max"), self.number("\(folder)/memory.high")]
            // The second one knows groups that lie beyond what is mounted here.
            case .one:
                [
                    self.number("\(folder)/memory.limit_in_bytes"),
                    self.statistic("hierarchical_memory_limit", of: folder),
                ]
            }
        // No group could run with a limit of nothing.
        return limits.lazy.compactMap { $0 }.filter { $0 > 0 && $0 < Self.unlimited }.min()
    }

    private func used(by folder: String) -> ByteCount? {
        let (anonymous, shared) =
            switch self.version {
            case .two: ("anon", "shmem")
            case .one: ("total_rss", "total_shmem")
            }
        guard let lines = self.root.lines("\(folder)/memory.stat"), let bytes = Self.value(of: anonymous, in: lines)
        else { return nil }
        // Kernels before 4.19 do not tell shared memory apart.
        let (sum, overflows) = bytes.addingReportingOverflow(Self.value(of: shared, in: lines) ?? 0)
        return overflows ? nil : ByteCount(sum)
    }

    private func statistic(_ name: String, of folder: String) -> Int? {
        self.root.lines("\(folder)/memory.stat").flatMap { Self.value(of: name, in: $0) }
    }

    private func number(_ path: String) -> Int? {
        self.root.lines(path)?.first.flatMap { Self.count($0) }
    }

    /// The number of a line `name number`.
    private static func value(of name: String, in lines: [Substring]) -> Int? {
        for line in lines where line.hasPrefix(name) {
            let rest = line.dropFirst(name.count)
            guard rest.first == " " else { continue }
            return self.count(rest.dropFirst())
        }
        return nil
    }

    /// A number that is not negative and is written in digits alone.
    private static func count(_ text: Substring) -> Int? {
        guard let number = Int(text), number >= 0, text.first != "+" else { return nil }
        return number
    }

    /// The share of a line `some avg10=1.25 avg60=…`, whose figure is in per cent.
    private static func someShare(_ line: Substring) -> Double? {
        let fields = line.split(separator: " ")
        guard fields.first == "some", let field = fields.first(where: { $0.hasPrefix("avg10=") }),
            let percent = Double(field.dropFirst("avg10=".count)), percent.isFinite, percent >= 0
        else { return nil }
        return min(1, percent / 100)
    }
}
