import Glibc

/// jemalloc's own functions beyond malloc, where it is the allocator of the process.
struct Jemalloc: Sendable {
    /// `nil` when another allocator serves the process.
    static let current = Jemalloc()

    private typealias Control =
        @convention(c) (
            _ name: UnsafePointer<CChar>, _ old: UnsafeMutableRawPointer?, _ oldLength: UnsafeMutablePointer<Int>?,
            _ new: UnsafeMutableRawPointer?, _ newLength: Int
        ) -> CInt

    /// mallctl(3): reads and writes a setting by name; 0, or an error number.
    private let control: Control

    private init?() {
        guard let symbol = dlsym(nil, "mallctl") else { return nil }  // nil is RTLD_DEFAULT: all that is loaded.
        self.control = unsafeBitCast(symbol, to: Control.self)
        guard self.servesMalloc() else { return nil }
    }

    /// Whether a block from `malloc` comes from here. It may be loaded and another one be asked, such as a sanitizer's or
    /// valgrind's; or be asked behind one that counts.
    private func servesMalloc() -> Bool {
        // By their addresses: the optimiser leaves out a block that nobody uses, if it knows who makes it.
        guard let allocate = dlsym(nil, "malloc"), let release = dlsym(nil, "free"),
            let before: UInt64 = self.value("thread.allocated")
        else { return false }
        let size = 64 << 10
        let block = unsafeBitCast(allocate, to: (@convention(c) (Int) -> UnsafeMutableRawPointer?).self)(size)
        let after: UInt64? = self.value("thread.allocated")
        unsafeBitCast(release, to: (@convention(c) (UnsafeMutableRawPointer?) -> Void).self)(block)
        return after.map { $0 >= before + UInt64(size) } ?? false
    }

    // MARK: Settings

    /// Reads a setting of a plain type, which has to be the right one; `nil` when there is none of that name and size.
    func value<Value: BitwiseCopyable & ExpressibleByIntegerLiteral>(_ name: String) -> Value? {
        var value: Value = 0
        var length = MemoryLayout<Value>.size
        return self.control(name, &value, &length, nil, 0) == 0 ? value : nil
    }

    func flag(_ name: String) -> Bool? {
        var value = false
        var length = MemoryLayout<Bool>.size
        return self.control(name, &value, &length, nil, 0) == 0 ? value : nil
    }

    func string(_ name: String) -> String? {
        var text: UnsafePointer<CChar>?
        var length = MemoryLayout<UnsafePointer<CChar>?>.size
        guard self.control(name, &text, &length, nil, 0) == 0, let text else { return nil }
        return String(cString: text)
    }

    /// - Returns: Whether it was taken.
    func set<Value: BitwiseCopyable>(_ name: String, _ value: Value) -> Bool {
        var value = value
        return self.control(name, nil, nil, &value, MemoryLayout<Value>.size) == 0
    }

    /// Writes a setting that is a path.
    func set(_ name: String, path: String) -> Bool {
        path.withCString { pointer in
            var pointer: UnsafePointer<CChar> = pointer
            return self.control(name, nil, nil, &pointer, MemoryLayout<UnsafePointer<CChar>>.size) == 0
        }
    }

    /// Does what a name without a value stands for.
    func perform(_ name: String) -> Bool { self.control(name, nil, nil, nil, 0) == 0 }

    // MARK: Memory

    /// Gives back the pages of all arenas that hold no block; the calling thread's cache first.
    func purge() {
        _ = self.perform("thread.tcache.flush")
        _ = self.perform("arena.\(Self.allArenas).purge")
    }

    func statistics() -> Allocator.Statistics? {
        // Statistics are those of the last epoch.
        guard self.set("epoch", UInt64(1)), let allocated: Int = self.value("stats.allocated") else { return nil }
        return Allocator.Statistics(
            allocated: allocated, active: self.value("stats.active"), resident: self.value("stats.resident"),
            retained: self.value("stats.retained"), mapped: self.value("stats.mapped"))
    }

    /// MALLCTL_ARENAS_ALL.
    private static let allArenas = 4_096
}
