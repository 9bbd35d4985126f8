"""Trials of standard input and output with the PyPI package `mcp` 1.x, which knows sessions alone."""

import itertools
import sys

import conversation
import harness
import legacy
from stdio_meeting import StdioMeeting


def trials(servers, transcript):
    meeting = StdioMeeting(legacy.AGENT, servers, "stdio_legacy")
    return itertools.chain(
        conversation.trials.bound("mcp 1, stdio", meeting),
        conversation.cancellation.bound("mcp 1, stdio", meeting),
        conversation.legacy_changes.bound("mcp 1, stdio", meeting),
    )


if __name__ == "__main__":
    sys.exit(harness.main("stdio_legacy", trials))
