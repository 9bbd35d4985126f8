// Counts heap allocations of a process from outside of it.
//
// Preloaded (LD_PRELOAD) into any dynamically linked program, it forwards every call of the C allocator to whichever
// allocator comes next (glibc, or jemalloc when the program links it) and counts it. When the environment variable
// ALLOCATION_COUNTERS names a file of at least 4096 bytes, the counters live in a shared mapping of that file, so that
// another process reads them while this one runs: no signal, no call into the program, nothing that would disturb it.
//
// Layout of the file: eight unsigned 64-bit integers in native byte order, in the order of `struct counters`.
// A child process that inherits the environment counts into the same file.
//
// Not counted: functions beyond the standard ones (jemalloc's mallocx), and pages taken with mmap.
//
// Build: cc -O2 -shared -fPIC -o liballocations.so allocations.c

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counters {
    _Atomic uint64_t malloc;
    _Atomic uint64_t calloc;
    /// Calls of realloc and reallocarray, growing or not.
    _Atomic uint64_t realloc;
    /// Calls of posix_memalign, aligned_alloc, memalign, valloc and pvalloc.
    _Atomic uint64_t aligned;
    /// Calls of free with anything but NULL.
    _Atomic uint64_t free;
    /// Bytes asked for by all of the calls above.
    _Atomic uint64_t bytes;
    /// 1 once the library counts into this file: tells a reader that the preload took effect.
    _Atomic uint64_t attached;
    uint64_t unused;
};

_Static_assert(sizeof(struct counters) == 64, "the reader expects eight 64-bit integers");

/// Counts what happens before the shared file is mapped.
static struct counters early;
static struct counters *_Atomic counters = &early;

static inline void count(_Atomic uint64_t *counter, size_t bytes, struct counters *in) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&in->bytes, bytes, memory_order_relaxed);
}

#define COUNT(kind, size)                                                                                              \
    do {                                                                                                               \
        struct counters *in = atomic_load_explicit(&counters, memory_order_relaxed);                                   \
        count(&in->kind, (size), in);                                                                                  \
    } while (0)

// MARK: - The next allocator

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    void *(*reallocarray)(void *, size_t, size_t);
} next;

static _Atomic bool is_resolved;
/// Set while `resolve` runs. The first allocation of a process happens in the dynamic loader or a constructor, before
/// any second thread exists, so this needs no lock.
static bool is_resolving;

/// What dlsym itself allocates while the functions are looked up. Never given back: a few hundred bytes once.
static _Alignas(64) unsigned char bootstrap[16384];
static size_t bootstrap_used;

static bool is_bootstrap(const void *pointer) {
    const unsigned char *byte = pointer;
    return byte >= bootstrap && byte < bootstrap + sizeof(bootstrap);
}

static void fail(const char *message) {
    // Not fprintf: it may allocate.
    ssize_t ignored = write(STDERR_FILENO, message, strlen(message));
    (void)ignored;
    _exit(70);
}

static void *bootstrap_allocate(size_t alignment, size_t size) {
    size_t start = (bootstrap_used + alignment - 1) & ~(alignment - 1);
    if (start > sizeof(bootstrap) || size > sizeof(bootstrap) - start) {
        fail("allocations: dlsym asked for more memory than the bootstrap buffer holds\n");
    }
    bootstrap_used = start + size;
    return bootstrap + start;
}

static void *find(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) fail("allocations: an allocator function is missing in the libraries that follow\n");
    return function;
}

static void resolve(void) {
    is_resolving = true;
    next.malloc = find("malloc");
    next.calloc = find("calloc");
    next.realloc = find("realloc");
    next.free = find("free");
    next.posix_memalign = find("posix_memalign");
    next.aligned_alloc = find("aligned_alloc");
    next.memalign = find("memalign");
    next.valloc = find("valloc");
    next.pvalloc = find("pvalloc");
    next.reallocarray = find("reallocarray");
    is_resolving = false;
    atomic_store_explicit(&is_resolved, true, memory_order_release);
}

/// Returns false while dlsym is allocating on our behalf: the caller then serves the request from `bootstrap`.
static inline bool ready(void) {
    if (__builtin_expect(atomic_load_explicit(&is_resolved, memory_order_acquire), true)) return true;
    if (is_resolving) return false;
    resolve();
    return true;
}

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("ALLOCATION_COUNTERS");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) fail("allocations: the file named by ALLOCATION_COUNTERS cannot be opened\n");
    struct counters *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) fail("allocations: the file named by ALLOCATION_COUNTERS cannot be mapped\n");
    close(file);
    struct counters *before = atomic_exchange_explicit(&counters, shared, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->malloc, before->malloc, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->calloc, before->calloc, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->realloc, before->realloc, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->aligned, before->aligned, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->free, before->free, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->bytes, before->bytes, memory_order_relaxed);
    atomic_store_explicit(&shared->attached, 1, memory_order_release);
}

// MARK: - The functions a program calls

void *malloc(size_t size) {
    COUNT(malloc, size);
    if (!ready()) return bootstrap_allocate(_Alignof(max_align_t), size);
    return next.malloc(size);
}

void *calloc(size_t number, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(number, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    COUNT(calloc, total);
    if (!ready()) return bootstrap_allocate(_Alignof(max_align_t), total);  // static memory: zero already
    return next.calloc(number, size);
}

void *realloc(void *pointer, size_t size) {
    COUNT(realloc, size);
    if (!ready() || is_bootstrap(pointer)) {
        void *moved = ready() ? next.malloc(size) : bootstrap_allocate(_Alignof(max_align_t), size);
        if (moved != NULL && pointer != NULL) {
            // The old size is not recorded; what follows the old block inside the buffer is ours to read.
            size_t available = (size_t)(bootstrap + sizeof(bootstrap) - (unsigned char *)pointer);
            memcpy(moved, pointer, size < available ? size : available);
        }
        return moved;
    }
    return next.realloc(pointer, size);
}

void *reallocarray(void *pointer, size_t number, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(number, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    if (!ready() || is_bootstrap(pointer)) return realloc(pointer, total);
    COUNT(realloc, total);
    return next.reallocarray(pointer, number, size);
}

void free(void *pointer) {
    if (pointer == NULL || is_bootstrap(pointer)) return;
    struct counters *in = atomic_load_explicit(&counters, memory_order_relaxed);
    atomic_fetch_add_explicit(&in->free, 1, memory_order_relaxed);
    if (!ready()) fail("allocations: a block was freed before the allocator was found\n");
    next.free(pointer);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    COUNT(aligned, size);
    if (!ready()) {
        *result = bootstrap_allocate(alignment, size);
        return 0;
    }
    return next.posix_memalign(result, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    COUNT(aligned, size);
    if (!ready()) return bootstrap_allocate(alignment, size);
    return next.aligned_alloc(alignment, size);
}

void *memalign(size_t alignment, size_t size) {
    COUNT(aligned, size);
    if (!ready()) return bootstrap_allocate(alignment, size);
    return next.memalign(alignment, size);
}

void *valloc(size_t size) {
    COUNT(aligned, size);
    if (!ready()) return bootstrap_allocate(4096, size);
    return next.valloc(size);
}

void *pvalloc(size_t size) {
    COUNT(aligned, size);
    if (!ready()) return bootstrap_allocate(4096, (size + 4095) & ~(size_t)4095);
    return next.pvalloc(size);
}
