"""Trials of standard input and output with the PyPI package `fastmcp` 4.x, in both of its eras."""

import itertools
import sys

import conversation
import fastmcp_trial
import harness
from stdio_meeting import StdioMeeting


def trials(servers, transcript):
    auto = StdioMeeting(fastmcp_trial.AUTO, servers, "stdio_fastmcp")
    legacy = StdioMeeting(fastmcp_trial.LEGACY, servers, "stdio_fastmcp")
    return itertools.chain(
        *(conversation.trials.bound(f"{each.name}, stdio", each) for each in (auto, legacy)),
        *(conversation.cancellation.bound(f"{each.name}, stdio", each) for each in (auto, legacy)),
        conversation.modern_changes.bound(f"{auto.name}, stdio", auto),
        conversation.legacy_changes.bound(f"{legacy.name}, stdio", legacy),
    )


if __name__ == "__main__":
    sys.exit(harness.main("stdio_fastmcp", trials))
