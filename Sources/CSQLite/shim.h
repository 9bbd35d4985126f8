#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

// What Swift cannot call by itself: functions with a variable number of arguments, casts, what glibc hides.

/// Binds a copy of `count` bytes.
static inline int torpor_sqlite3_bind_copy(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/// Binds a copy of `count` bytes of UTF-8.
static inline int torpor_sqlite3_bind_text(sqlite3_stmt *statement, int index, const char *text, int count) {
    return sqlite3_bind_text(statement, index, text, count, SQLITE_TRANSIENT);
}

/// Sets how much memory a connection keeps for small allocations: `count` times `size` bytes.
static inline int torpor_sqlite3_set_lookaside(sqlite3 *database, int size, int count) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_LOOKASIDE, (void *)0, size, count);
}

/// Lets the calling thread have the processor and the disk only while nobody else needs them.
static inline void torpor_yield_to_others(void) {
    // Linux takes zero for the calling thread.
    setpriority(PRIO_PROCESS, 0, 19);
    const int of_this_thread = 1, idle_class = 3 << 13;
    syscall(SYS_ioprio_set, of_this_thread, 0, idle_class);
}

/// The kind of file system that a path lies on, as in statfs(2); zero when the system does not tell.
static inline unsigned torpor_file_system_type(const char *path) {
    struct statfs information;
    return statfs(path, &information) == 0 ? (unsigned)information.f_type : 0;
}
