#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The warden: a process that starts, ends and reaps the children of one Torpor, and outlives it just long enough to end
// them. It is the same executable, started with a marker in its environment and caught before `main` by a constructor.
//
//     Torpor ── warden ── keeper ── child (session and group of its own) ── whatever that starts
//                     └── keeper ── child ── …
//
// Each child has a keeper, a fork of the warden that is the subreaper of its child: whatever the child starts, however
// often it forks and whatever sessions it opens, remains a descendant of its keeper, and nobody else's. A keeper exits
// when all of its family has been reaped.
//
// Torpor and the warden talk in messages of one size over a socket that keeps their bounds (SOCK_SEQPACKET).

/// How many children one warden can have at a time.
enum { TORPOR_CHILDREN_MAX = 4096 };

/// How many descriptors a request to start has at least: the plan, and the child's input, output and errors.
enum { TORPOR_START_DESCRIPTORS_MIN = 4 };

/// How many more it may have: control groups to join. In the first version each as its `tasks`, open for writing; in the
/// second the folder of the only one.
enum { TORPOR_GROUPS_MAX = 4 };

/// What Torpor asks.
enum {
    /// Start `child` as the plan says. Descriptors: the plan, then input, output, errors, then the groups.
    TORPOR_START = 1,
    /// Send the signal `value` to the child's process group.
    TORPOR_SIGNAL = 2,
    /// Send SIGTERM to the child's process group. When the child itself ends, the others of its group may finish, too.
    TORPOR_STOP = 3,
    /// End the child and all of its family with SIGKILL.
    TORPOR_KILL = 4,
};

/// What the warden and the keepers tell.
enum {
    /// The program of `child` runs, as the process `pid`, in the keeper `keeper`.
    TORPOR_STARTED = 65,
    /// It does not: step `where` failed with the error `value`. TORPOR_ENDED follows when there was a keeper.
    TORPOR_FAILED = 66,
    /// The child ended with the status `value`, as waitpid tells it; all of its family is gone.
    TORPOR_ENDED = 67,
};

/// The steps of a start, for TORPOR_FAILED.
enum {
    TORPOR_AT_KEEPER = 1,
    TORPOR_AT_PLAN = 2,
    TORPOR_AT_FORK = 3,
    TORPOR_AT_GROUP = 4,
    TORPOR_AT_LIMITS = 5,
    TORPOR_AT_DIRECTORY = 6,
    TORPOR_AT_STREAMS = 7,
    TORPOR_AT_PROGRAM = 8,
};

struct torpor_message {
    uint32_t kind;
    int32_t value;
    uint64_t child;
    int32_t pid;
    int32_t keeper;
    int32_t where;
    int32_t reserved;
};

/// What a plan begins with: a sealed file in memory. Behind it come strings that each end with a NUL: the path of the
/// program, the directory (empty: the warden's), then so many arguments, then so many variables of the environment.
struct torpor_plan {
    uint32_t magic;
    uint32_t arguments;
    uint32_t variables;
    uint32_t reserved;
    /// Resource limits; TORPOR_UNLIMITED leaves one as it is.
    uint64_t data_bytes_max;
    uint64_t processes_max;
    uint64_t open_files_max;
};

#define TORPOR_PLAN_MAGIC 0x544f5250u
#define TORPOR_UNLIMITED UINT64_MAX

/// Starts a warden.
/// @param socket Where Torpor's end of the connection is put: blocking, closed on exec.
/// @return 0, or an error of errno.
int torpor_warden_spawn(int *socket, pid_t *pid);

/// Sends one message, with `count` descriptors. Waits while the socket is full.
/// @return 0, or an error of errno.
int torpor_warden_send(int socket, const struct torpor_message *message, const int *descriptors, size_t count);

/// Receives one message; waits for it.
/// @return 1, or 0 when the other end is closed for good, or a negated error of errno.
int torpor_warden_receive(int socket, struct torpor_message *message);

/// A file in memory that holds `bytes` and that nobody can change any more.
/// @return A descriptor, or a negated error of errno.
int torpor_sealed_file(const void *bytes, size_t count);

/// A pipe that is closed on exec: the end to read, then the end to write.
/// @return 0, or an error of errno.
int torpor_pipe(int ends[2]);

/// A descriptor that becomes readable when the process ends, or a negated error of errno.
int torpor_process_descriptor(pid_t pid);

/// Forks, into the control group of the second version whose folder this is if the kernel can: to begin there takes no
/// time, to be moved there takes milliseconds.
/// @param folder A descriptor of the folder, or -1 for none.
/// @param inside Whether the new process is in the group: not before Linux 5.7, and not where clone3 is filtered out.
/// @return As fork does.
pid_t torpor_fork_into(int folder, int *inside);

/// Whether systemd has handed the control group in this folder to whoever runs in it.
int torpor_group_is_delegated(const char *folder);
