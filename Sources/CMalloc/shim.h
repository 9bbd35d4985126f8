// What is glibc's own, and not in Swift's module of it.
#include <gnu/libc-version.h>
#include <malloc.h>
#include <sys/timex.h>

/// A file in memory, closed when another program is started; -1 when there is none to be had.
static inline int torpor_memory_file(const char *name) {
    extern int memfd_create(const char *name, unsigned int flags);
    return memfd_create(name, 1 /* MFD_CLOEXEC */);
}
