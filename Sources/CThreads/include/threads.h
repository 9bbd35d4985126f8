#pragma once

/// Names the calling thread; at most 15 bytes.
void torpor_name_thread(const char *name);

/// The processors that the process may run on, by its affinity; 0 when that is not to be had.
int torpor_processor_count(void);

/// The bytes that the calling thread has allocated less those that it has freed, as jemalloc counts them; 0 without it.
long torpor_thread_heap_bytes(void);
