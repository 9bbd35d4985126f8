#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/// A plan with its strings found.
struct task {
    const struct torpor_plan *plan;
    const char *program;
    const char *directory;
    char **arguments;
    char **variables;
};

/// What a child that could not become its program tells its keeper.
struct failure {
    int where;
    int number;
};

// MARK: The plan

/// @return 0, or an error of errno.
static int read_plan(int file, struct task *task) {
    struct stat status;
    if (fstat(file, &status) != 0) return errno;
    if (status.st_size <= (off_t)sizeof(struct torpor_plan) || status.st_size > 16 << 20) return EINVAL;
    size_t size = (size_t)status.st_size;
    // Private, for the pointers below are char *, as exec wants them. The file is sealed: it cannot shrink meanwhile.
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) return errno;
    const struct torpor_plan *plan = (const struct torpor_plan *)bytes;
    size_t strings = (size_t)plan->arguments + plan->variables + 2;
    if (plan->magic != TORPOR_PLAN_MAGIC || plan->arguments == 0) return EINVAL;
    if (bytes[size - 1] != 0 || strings > size) return EINVAL;
    // All strings in one row, with a NULL behind the arguments and one behind the variables.
    char **row = mmap(
        NULL, (strings + 2) * sizeof *row, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (row == MAP_FAILED) return errno;
    char *next = bytes + sizeof *plan, *end = bytes + size;
    size_t place = 0;
    for (size_t index = 0; index < strings; index++) {
        if (next >= end) return EINVAL;
        if (index == (size_t)plan->arguments + 2) row[place++] = NULL;
        row[place++] = next;
        next += strlen(next) + 1;
    }
    if (plan->variables == 0) row[place++] = NULL;
    row[place] = NULL;
    *task = (struct task){
        .plan = plan,
        .program = row[0],
        .directory = row[1],
        .arguments = row + 2,
        .variables = row + 2 + plan->arguments + 1,
    };
    return 0;
}

// MARK: The child

static bool set_limit(int resource, uint64_t limit) {
    if (limit == TORPOR_UNLIMITED) return true;
    struct rlimit now;
    if (getrlimit(resource, &now) != 0) return false;
    // A limit that is lower already stays.
    rlim_t max = now.rlim_max == RLIM_INFINITY || now.rlim_max > limit ? (rlim_t)limit : now.rlim_max;
    struct rlimit wanted = {.rlim_cur = max, .rlim_max = max};
    return setrlimit(resource, &wanted) == 0;
}

static bool set_limits(const struct torpor_plan *plan) {
    return set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_DATA, plan->data_bytes_max) &&
        set_limit(RLIMIT_NPROC, plan->processes_max) && set_limit(RLIMIT_NOFILE, plan->open_files_max);
}

/// When memory runs short on the whole machine, children are ended before Torpor is.
static void volunteer(void) {
    int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    char text[16] = {0};
    if (read(file, text, sizeof text - 1) > 0 && strtol(text, NULL, 10) < 500) (void)!pwrite(file, "500", 3, 0);
    close(file);
}

pid_t torpor_fork_into(int folder, int *inside) {
    struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)folder};
    *inside = folder >= 0;
    pid_t process = folder >= 0 ? (pid_t)syscall(SYS_clone3, &how, sizeof how) : -1;
    if (process >= 0) return process;
    *inside = 0;
    return fork();
}

/// The folder of the group to join, of the second version; -1 when there is none.
static int group_folder(const int *descriptors, size_t count) {
    struct stat status;
    if (count <= TORPOR_START_DESCRIPTORS_MIN) return -1;
    int group = descriptors[TORPOR_START_DESCRIPTORS_MIN];
    return fstat(group, &status) == 0 && S_ISDIR(status.st_mode) ? group : -1;
}

/// Joins the groups. Of one thread, so that by `tasks` it takes no time: that waits for no grace period of the kernel, as
/// `cgroup.procs` does.
static bool join(int folder, const int *descriptors, size_t count) {
    if (folder >= 0) {
        int file = openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return file >= 0 && write(file, "0", 1) == 1;
    }
    for (size_t index = TORPOR_START_DESCRIPTORS_MIN; index < count; index++)
        if (write(descriptors[index], "0", 1) != 1) return false;
    return true;
}

/// Becomes the program.
/// @param descriptors The plan, the streams, then the groups.
/// @param inside Whether it is in its group already.
static _Noreturn void become(
    pid_t keeper, const struct task *task, const int *descriptors, size_t count, bool inside, int report) {
    struct failure failure = {0};
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) _exit(127);
    failure.where = TORPOR_AT_GROUP;
    if (!inside && !join(group_folder(descriptors, count), descriptors, count)) goto failed;
    volunteer();
    failure.where = TORPOR_AT_STREAMS;
    // What was received lies above 2, so no stream is put over one that is still to come.
    for (int stream = 0; stream < 3; stream++)
        if (dup2(descriptors[1 + stream], stream) < 0) goto failed;
    // Everything is marked already; this is for descriptors that nobody here knows of. Kernels before 5.11 lack it.
    (void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
    failure.where = TORPOR_AT_DIRECTORY;
    if (task->directory[0] != 0 && chdir(task->directory) != 0) goto failed;
    failure.where = TORPOR_AT_LIMITS;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !set_limits(task->plan)) goto failed;
    failure.where = TORPOR_AT_PROGRAM;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(task->program, task->arguments, task->variables);
failed:
    failure.number = errno;
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

// MARK: The family

static void count_child(pid_t child, void *context) { (void)child, ++*(int *)context; }

static void end_child(pid_t child, void *context) {
    (void)context;
    kill(child, SIGKILL);
}

/// Reaps what ended, but for the child itself: while it is not reaped, its process group keeps its number.
static void reap_other(pid_t child, void *context) {
    if (child != *(pid_t *)context) waitpid(child, NULL, WNOHANG);
}

struct search {
    pid_t group;
    bool found;
};

static void find_member(pid_t child, void *context) {
    struct search *search = context;
    if (child != search->group && getpgid(child) == search->group) search->found = true;
}

/// Looks whether the child ended, and reaps others that did.
/// @return true once it did; `status` tells how.
static bool has_ended(pid_t child, int *status) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno == EINTR) continue;
            return false;
        }
        if (info.si_pid == 0) return false;
        if (info.si_pid == child) {
            *status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
            return true;
        }
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void tell(int socket, uint32_t kind, uint64_t child, pid_t pid, int where, int number) {
    struct torpor_message message = {
        .kind = kind, .value = number, .child = child, .pid = pid, .keeper = getpid(), .where = where};
    (void)torpor_warden_send(socket, &message, NULL, 0);
}

_Noreturn void torpor_keep(
    pid_t warden, volatile struct torpor_slot *slot, uint64_t child, int socket, const int *descriptors, size_t count) {
    prctl(PR_SET_NAME, "torpor-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Also when the warden is ended, which nobody should do: then the family ends.
    prctl(PR_SET_PDEATHSIG, TORPOR_END_FAMILY);
    if (getppid() != warden) _exit(1);

    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, TORPOR_END_FAMILY);
    sigaddset(&mask, TORPOR_PASS_ON);
    sigaddset(&mask, TORPOR_STOP_GROUP);
    int signals = torpor_signal_descriptor(&mask);
    int report[2] = {-1, -1};
    struct task task = {0};
    int number = signals < 0 || pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0 ? errno : read_plan(descriptors[0], &task);
    pid_t self = getpid();
    pid_t process = -1;
    int inside = 0;
    if (number != 0) {
        tell(socket, TORPOR_FAILED, child, 0, TORPOR_AT_PLAN, number);
    } else if ((process = torpor_fork_into(group_folder(descriptors, count), &inside)) == 0) {
        become(self, &task, descriptors, count, inside, report[1]);
    } else if (process < 0) {
        tell(socket, TORPOR_FAILED, child, 0, TORPOR_AT_FORK, errno);
    }
    if (process < 0) {
        slot->status = 127 << 8;
        _exit(0);
    }
    for (size_t index = 0; index < count; index++) close(descriptors[index]);
    close(report[1]);

    bool isStarting = true, isEnding = false, isStopping = false, isOver = false;
    for (;;) {
        struct pollfd polled[2] = {
            {.fd = signals, .events = POLLIN},
            {.fd = isStarting ? report[0] : -1, .events = POLLIN},
        };
        // What is to be ended is looked for again now and then: it may fork while it is ended.
        poll(polled, 2, isEnding ? 50 : -1);
        if (polled[1].revents != 0) {
            struct failure failure;
            ssize_t length = read(report[0], &failure, sizeof failure);
            if (length == sizeof failure) {
                tell(socket, TORPOR_FAILED, child, process, failure.where, failure.number);
                isStarting = false;
            } else if (length == 0) {
                // Closed by exec, or by an end before it, which is told as an end.
                tell(socket, TORPOR_STARTED, child, process, 0, 0);
                isStarting = false;
            }
            if (!isStarting) close(report[0]);
        }
        struct signalfd_siginfo info[8];
        ssize_t length = polled[0].revents == 0 ? 0 : read(signals, info, sizeof info);
        for (ssize_t index = 0; index < length / (ssize_t)sizeof info[0]; index++) {
            int received = (int)info[index].ssi_signo;
            if (received == TORPOR_END_FAMILY) {
                isEnding = true;
            } else if (received == TORPOR_PASS_ON) {
                kill(-process, info[index].ssi_int);
            } else if (received == TORPOR_STOP_GROUP) {
                isStopping = true;
                kill(-process, SIGTERM);
            }
        }
        // Not before its start was told: an end without one would look like a failure of the warden.
        if (isStarting && !isEnding) continue;
        int status;
        if (!isOver && has_ended(process, &status)) {
            isOver = true;
            slot->status = status;
        }
        if (isOver) {
            // By now the child's children are this process's. Those that were told to stop with it may do so in peace.
            torpor_each_child(reap_other, &process);
            int left = 0;
            torpor_each_child(count_child, &left);
            if (left <= 1) break;
            struct search search = {.group = process};
            if (isStopping && !isEnding) torpor_each_child(find_member, &search);
            if (!search.found) isEnding = true;
        }
        if (isEnding) {
            kill(-process, SIGKILL);
            torpor_each_child(end_child, NULL);
        }
    }
    waitpid(process, NULL, 0);
    _exit(0);
}
