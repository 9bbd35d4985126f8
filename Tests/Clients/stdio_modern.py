"""Trials of standard input and output with the PyPI package `mcp` 2.x, in both of its eras."""

import itertools
import sys

import conversation
import harness
import modern
from stdio_meeting import StdioMeeting


def trials(servers, transcript):
    auto = StdioMeeting(modern.AUTO, servers, "stdio_modern")
    legacy = StdioMeeting(modern.LEGACY, servers, "stdio_modern")
    return itertools.chain(
        *(conversation.trials.bound(f"{each.name}, stdio", each) for each in (auto, legacy)),
        *(conversation.cancellation.bound(f"{each.name}, stdio", each) for each in (auto, legacy)),
        conversation.modern_changes.bound(f"{auto.name}, stdio", auto),
        conversation.legacy_changes.bound(f"{legacy.name}, stdio", legacy),
    )


if __name__ == "__main__":
    sys.exit(harness.main("stdio_modern", trials))
