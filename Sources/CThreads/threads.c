#define _GNU_SOURCE
#include "threads.h"

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

void torpor_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

int torpor_processor_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

// jemalloc's, where the program is linked with it.
extern int mallctl(const char *name, void *old, size_t *old_length, void *new, size_t new_length) __attribute__((weak));

// Where jemalloc keeps the counters of this thread; they stay where they are while it lives.
static __thread const uint64_t *allocated, *freed;

long torpor_thread_heap_bytes(void) {
    if (allocated == NULL || freed == NULL) {
        size_t length = sizeof allocated;
        if (mallctl == NULL || mallctl("thread.allocatedp", &allocated, &length, NULL, 0) != 0 ||
            mallctl("thread.deallocatedp", &freed, &length, NULL, 0) != 0)
            return 0;
    }
    return (long)(*allocated - *freed);
}
