#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"

// Torpor's side, and what both sides need.

int torpor_warden_spawn(int *end, pid_t *pid) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return errno;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    // Of one and the same number, glibc takes the mark away that would close it.
    int result = posix_spawn_file_actions_adddup2(&actions, pair[1], TORPOR_WARDEN_SOCKET);
    if (result == 0) result = posix_spawnattr_setsigmask(&attributes, &none);
    if (result == 0) result = posix_spawnattr_setsigdefault(&attributes, &all);
    if (result == 0) result = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    // Nothing but what the loader may need to find the same libraries, and an allocator without threads.
    char libraries[4096] = "LD_LIBRARY_PATH=";
    const char *path = getenv("LD_LIBRARY_PATH");
    size_t before = strlen(libraries);
    if (path != NULL && strlen(path) < sizeof libraries - before) strcpy(libraries + before, path);
    char *environment[] = {"TORPOR_WARDEN=3", "MALLOC_CONF=background_thread:false,narenas:1", libraries, NULL};
    if (path == NULL) environment[2] = NULL;
    char *arguments[] = {"torpor-warden", NULL};
    if (result == 0) result = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pair[1]);
    if (result != 0) {
        close(pair[0]);
        return result;
    }
    *end = pair[0];
    return 0;
}

int torpor_warden_send(int socket, const struct torpor_message *message, const int *descriptors, size_t count) {
    enum { MAX = TORPOR_START_DESCRIPTORS_MIN + TORPOR_GROUPS_MAX };
    if (count > MAX) return EINVAL;
    struct iovec part = {.iov_base = (void *)message, .iov_len = sizeof *message};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MAX)];
        struct cmsghdr alignment;
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(rights), descriptors, sizeof(int) * count);
    }
    while (sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return errno;
    return 0;
}

int torpor_warden_receive(int socket, struct torpor_message *message) {
    for (;;) {
        ssize_t length = recv(socket, message, sizeof *message, 0);
        if (length == sizeof *message) return 1;
        if (length == 0) return 0;
        if (length > 0) return -EPROTO;
        // A process that ended with unread messages resets the connection.
        if (errno == ECONNRESET) return 0;
        if (errno != EINTR) return -errno;
    }
}

int torpor_sealed_file(const void *bytes, size_t count) {
    int file = memfd_create("torpor-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -errno;
    size_t done = 0;
    while (done < count) {
        ssize_t written = write(file, (const char *)bytes + done, count - done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            int number = written < 0 ? errno : EIO;
            close(file);
            return -number;
        }
        done += (size_t)written;
    }
    if (fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        int number = errno;
        close(file);
        return -number;
    }
    return file;
}

int torpor_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; }

int torpor_process_descriptor(pid_t pid) {
    long descriptor = syscall(SYS_pidfd_open, pid, 0);
    return descriptor < 0 ? -errno : (int)descriptor;
}

int torpor_group_is_delegated(const char *folder) {
    char value[8];
    return getxattr(folder, "user.delegate", value, sizeof value) == 1 ||
        getxattr(folder, "trusted.delegate", value, sizeof value) == 1;
}

int torpor_signal_descriptor(const sigset_t *mask) { return signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK); }
