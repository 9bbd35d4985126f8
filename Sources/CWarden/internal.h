#pragma once

#include "warden.h"

#include <sys/types.h>

// Shared by the warden and the keepers. Nothing here allocates.

/// The descriptor of the warden's end of the connection.
enum { TORPOR_WARDEN_SOCKET = 3 };

/// A child's place in memory that the warden shares with all keepers.
struct torpor_slot {
    uint64_t child;
    /// 0: the place is free.
    pid_t keeper;
    /// How the child ended, as waitpid tells it; TORPOR_STATUS_UNKNOWN until it has.
    int status;
};

enum { TORPOR_STATUS_UNKNOWN = -1 };

/// What the warden sends to a keeper. The signal to pass on comes with TORPOR_PASS_ON as its value.
#define TORPOR_END_FAMILY SIGUSR1
#define TORPOR_PASS_ON SIGRTMIN
#define TORPOR_STOP_GROUP (SIGRTMIN + 1)

/// Runs a keeper with its child, and does not come back.
/// @param descriptors What came with the request to start.
_Noreturn void torpor_keep(
    pid_t warden, volatile struct torpor_slot *slot, uint64_t child, int socket, const int *descriptors, size_t count);

/// Calls `body` for each child of this process, zombies included.
void torpor_each_child(void (*body)(pid_t child, void *context), void *context);

/// A descriptor that tells of the signals in `mask`, all of which have to be blocked.
int torpor_signal_descriptor(const sigset_t *mask);

static inline void torpor_close(int descriptor) {
    if (descriptor >= 0) close(descriptor);
}
