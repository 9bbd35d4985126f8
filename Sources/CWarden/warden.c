#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

/// What the warden knows of its children, shared with the keepers.
static struct torpor_slot *slots;

/// Whether a keeper ended before its family had: then there are processes that are the warden's to end.
static bool has_strays;

static void tell(uint32_t kind, uint64_t child, int value, int where) {
    struct torpor_message message = {.kind = kind, .value = value, .child = child, .where = where};
    // Nobody is left to be told of a failure: the socket is at its end, which ends the loop.
    (void)torpor_warden_send(TORPOR_WARDEN_SOCKET, &message, NULL, 0);
}

static struct torpor_slot *slot_of_child(uint64_t child) {
    for (size_t index = 0; index < TORPOR_CHILDREN_MAX; index++)
        if (slots[index].keeper != 0 && slots[index].child == child) return &slots[index];
    return NULL;
}

static struct torpor_slot *slot_of_keeper(pid_t keeper) {
    for (size_t index = 0; index < TORPOR_CHILDREN_MAX; index++)
        if (slots[index].keeper == keeper) return &slots[index];
    return NULL;
}

// MARK: Requests

static void start(uint64_t child, const int *descriptors, size_t count) {
    struct torpor_slot *slot = slot_of_keeper(0);
    if (count < TORPOR_START_DESCRIPTORS_MIN || slot_of_child(child) != NULL)
        return tell(TORPOR_FAILED, child, EINVAL, TORPOR_AT_KEEPER);
    if (slot == NULL) return tell(TORPOR_FAILED, child, EAGAIN, TORPOR_AT_KEEPER);
    slot->child = child;
    slot->status = TORPOR_STATUS_UNKNOWN;
    pid_t warden = getpid();
    pid_t keeper = fork();
    if (keeper == 0) torpor_keep(warden, slot, child, TORPOR_WARDEN_SOCKET, descriptors, count);
    if (keeper < 0) return tell(TORPOR_FAILED, child, errno, TORPOR_AT_KEEPER);
    slot->keeper = keeper;
}

/// A child that ended meanwhile is no error: its end is on the way to whoever asks.
static void handle(const struct torpor_message *request, const int *descriptors, size_t count) {
    if (request->kind == TORPOR_START) return start(request->child, descriptors, count);
    struct torpor_slot *slot = slot_of_child(request->child);
    if (slot == NULL) return;
    switch (request->kind) {
    case TORPOR_SIGNAL: {
        if (request->value < 1 || request->value >= NSIG) return;
        sigqueue(slot->keeper, TORPOR_PASS_ON, (union sigval){.sival_int = request->value});
        break;
    }
    case TORPOR_STOP: sigqueue(slot->keeper, TORPOR_STOP_GROUP, (union sigval){0}); break;
    case TORPOR_KILL: kill(slot->keeper, TORPOR_END_FAMILY); break;
    default: break;
    }
}

/// Receives one request. Whatever comes with a bad one is closed.
/// @return false when Torpor is gone.
static bool receive(void) {
    struct torpor_message request;
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    enum { MAX = TORPOR_START_DESCRIPTORS_MIN + TORPOR_GROUPS_MAX };
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MAX)];
        struct cmsghdr alignment;
    } control;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t length = recvmsg(TORPOR_WARDEN_SOCKET, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length == 0) return false;
    if (length < 0) return errno == EINTR || errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS;
    int descriptors[MAX];
    size_t count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part != NULL; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        size_t more = bytes / sizeof(int);
        if (more > MAX - count) more = MAX - count;
        memcpy(descriptors + count, CMSG_DATA(part), more * sizeof(int));
        count += more;
    }
    bool isWhole = length == sizeof request && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (isWhole) {
        handle(&request, descriptors, count);
    } else if (length >= (ssize_t)offsetof(struct torpor_message, pid) && request.kind == TORPOR_START) {
        // Its descriptors did not fit into the table of this process.
        tell(TORPOR_FAILED, request.child, EMFILE, TORPOR_AT_KEEPER);
    }
    for (size_t index = 0; index < count; index++) close(descriptors[index]);
    return true;
}

// MARK: Reaping

static void end_stray(pid_t child, void *context) {
    if (slot_of_keeper(child) == NULL) {
        kill(child, SIGKILL);
        *(bool *)context = true;
    }
}

/// @return false when nothing is left to wait for.
static bool reap(void) {
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == 0) return true;
        if (ended < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        struct torpor_slot *slot = slot_of_keeper(ended);
        if (slot == NULL) continue;
        if (slot->status == TORPOR_STATUS_UNKNOWN) {
            // Somebody ended the keeper; its child got SIGKILL with it, and the warden the rest.
            slot->status = SIGKILL;
            has_strays = true;
        }
        slot->keeper = 0;
        tell(TORPOR_ENDED, slot->child, slot->status, 0);
    }
}

static void end_all(void) {
    for (size_t index = 0; index < TORPOR_CHILDREN_MAX; index++)
        if (slots[index].keeper != 0) kill(slots[index].keeper, TORPOR_END_FAMILY);
}

// MARK: Start

static _Noreturn void watch_over(void) {
    prctl(PR_SET_NAME, "torpor-warden");
    prctl(PR_SET_PDEATHSIG, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setsid();
    if (chdir("/") != 0) _exit(1);

    // Whatever else was inherited belongs to Torpor; this process holds none of it open.
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) _exit(1);
    for (int stream = 0; stream < 3; stream++) dup2(nowhere, stream);
    if (syscall(SYS_close_range, TORPOR_WARDEN_SOCKET + 1, ~0U, 0) != 0) {
        struct rlimit limit;
        int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
        for (int descriptor = TORPOR_WARDEN_SOCKET + 1; descriptor < end; descriptor++) close(descriptor);
    }
    fcntl(TORPOR_WARDEN_SOCKET, F_SETFD, FD_CLOEXEC);

    // Signals are read, not handled: no call is ever interrupted, and Ctrl-C or a stop of the service ends nothing
    // here.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    // posix_spawn leaves glibc's own two signals ignored, and children would inherit that.
    for (long number = 32; number <= 33; number++) {
        static const struct {
            void *handler;
            unsigned long rest[15];
        } standard;
        syscall(SYS_rt_sigaction, number, &standard, NULL, 8);
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    int signals = torpor_signal_descriptor(&ends);
    slots = mmap(
        NULL, sizeof *slots * TORPOR_CHILDREN_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (signals < 0 || slots == MAP_FAILED) _exit(1);

    bool isEnding = false;
    for (;;) {
        struct pollfd polled[2] = {
            {.fd = signals, .events = POLLIN},
            {.fd = isEnding ? -1 : TORPOR_WARDEN_SOCKET, .events = POLLIN},
        };
        // What is to be ended is looked for again now and then: it may fork while it is ended.
        poll(polled, 2, isEnding || has_strays ? 50 : -1);
        if (polled[0].revents != 0) {
            struct signalfd_siginfo info[8];
            (void)!read(signals, info, sizeof info);
        }
        if (polled[1].revents != 0 && !receive()) isEnding = true;
        bool isWaiting = reap();
        if (isEnding && !isWaiting) _exit(0);
        if (isEnding) end_all();
        if (isEnding || has_strays) {
            bool found = false;
            torpor_each_child(end_stray, &found);
            has_strays = found;
        }
    }
}

/// Runs before anything of Swift does. Without the marker, or with one that somebody set by chance, nothing happens.
__attribute__((constructor)) static void become_warden(void) {
    const char *marker = getenv("TORPOR_WARDEN");
    if (marker == NULL || strcmp(marker, "3") != 0) return;
    int kind = 0;
    socklen_t length = sizeof kind;
    if (getsockopt(TORPOR_WARDEN_SOCKET, SOL_SOCKET, SO_TYPE, &kind, &length) != 0 || kind != SOCK_SEQPACKET) return;
    watch_over();
}
