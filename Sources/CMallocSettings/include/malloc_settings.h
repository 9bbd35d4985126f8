// What jemalloc, where it is the process's allocator, reads before the first allocation. Without it nobody does. The variable
// MALLOC_CONF of the environment comes on top of it.
//
// background_thread, dirty_decay_ms, muzzy_decay_ms: pages that were freed go back to the system within about a second, also
// while the process rests, and by a thread that does nothing else.
// oversize_threshold: blocks of 256 KiB and more go back at once when they are freed.
// prof_active, lg_prof_sample: where heap profiles are prepared (MALLOC_CONF=prof:true), nothing is sampled until one is
// started. Preparing them costs 2 % of the instructions of a call, so it is left to who wants them.
extern const char *malloc_conf;
