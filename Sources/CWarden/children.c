#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

// How a process without threads finds its children.

/// Writes a path of /proc without the help of printf, which may allocate.
static void write_path(char *path, const char *before, pid_t pid, const char *after) {
    char digits[16];
    size_t count = 0;
    do digits[count++] = (char)('0' + pid % 10);
    while ((pid /= 10) > 0);
    size_t length = strlen(before);
    memcpy(path, before, length);
    while (count > 0) path[length++] = digits[--count];
    strcpy(path + length, after);
}

/// Reads numbers apart by blanks, however the reads cut them.
static void each_number(int file, void (*body)(pid_t, void *), void *context) {
    char bytes[4096];
    pid_t number = 0;
    for (;;) {
        ssize_t length = read(file, bytes, sizeof bytes);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        for (ssize_t index = 0; index < length; index++) {
            if (bytes[index] >= '0' && bytes[index] <= '9') {
                number = number * 10 + (bytes[index] - '0');
            } else {
                if (number > 0) body(number, context);
                number = 0;
            }
        }
    }
    if (number > 0) body(number, context);
}

/// @return The parent as /proc/PID/stat tells it; 0 when there is no such process.
static pid_t parent_of(pid_t pid) {
    char path[64], bytes[512];
    write_path(path, "/proc/", pid, "/stat");
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, bytes, sizeof bytes - 1);
    close(file);
    if (length <= 0) return 0;
    bytes[length] = 0;
    // The name may hold anything, parentheses too: `12 (name) S 7 …`.
    char *end = strrchr(bytes, ')');
    return end == NULL || strlen(end) < 5 ? 0 : (pid_t)strtol(end + 4, NULL, 10);
}

struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/// For kernels that do not list children: looks at every process.
static void scan(void (*body)(pid_t, void *), void *context) {
    int folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    pid_t self = getpid();
    _Alignas(struct entry) char bytes[8192];
    for (;;) {
        long length = syscall(SYS_getdents64, folder, bytes, sizeof bytes);
        if (length <= 0) break;
        for (long offset = 0; offset < length;) {
            struct entry *entry = (struct entry *)(bytes + offset);
            offset += entry->length;
            pid_t pid = (pid_t)strtol(entry->name, NULL, 10);
            if (pid > 0 && parent_of(pid) == self) body(pid, context);
        }
    }
    close(folder);
}

void torpor_each_child(void (*body)(pid_t, void *), void *context) {
    char path[64], end[64];
    write_path(end, "/task/", getpid(), "/children");
    write_path(path, "/proc/", getpid(), end);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return scan(body, context);
    each_number(file, body, context);
    close(file);
}
