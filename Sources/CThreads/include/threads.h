#pragma once

/// Names the calling thread; at most 15 bytes.
void torpor_name_thread(const char *name);

/// The bytes that the calling thread has allocated less those that it has freed, as jemalloc counts them; 0 without it.
long torpor_thread_heap_bytes(void);
