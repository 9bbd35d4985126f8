"""Trials of standard input and output with the PyPI package `fastmcp` 4.x, in both of its eras."""

import sys

import conversation
import fastmcp_trial
import harness
from stdio_meeting import StdioMeeting


def trials(servers, transcript):
    auto = StdioMeeting(fastmcp_trial.AUTO, servers, "stdio_fastmcp")
    legacy = StdioMeeting(fastmcp_trial.LEGACY, servers, "stdio_fastmcp")
    return conversation.of_both_eras(auto, legacy, "stdio")


if __name__ == "__main__":
    sys.exit(harness.main("stdio_fastmcp", trials))
