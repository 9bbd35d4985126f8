import CMalloc

/// How the C allocator is set, from which all memory comes but that of resident state.
enum Allocator {
    /// Gives every large block pages of its own, which go back to the system when it is freed.
    ///
    /// By default glibc does so only until a large block is freed for the first time; from then on it keeps blocks of
    /// that size, up to 32 MiB, for use again. Tables that have grown leave gaps then which nobody fills.
    static func configure() {
        // What M_MMAP_THRESHOLD is by default, and stays once it is set. If it is not taken, only memory is lost.
        _ = mallopt(M_MMAP_THRESHOLD, 128 << 10)
    }
}
