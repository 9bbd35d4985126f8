"""Trials of standard input and output with the PyPI package `mcp` 2.x, in both of its eras."""

import sys

import conversation
import harness
import modern
from stdio_meeting import StdioMeeting


def trials(servers, transcript):
    auto = StdioMeeting(modern.AUTO, servers, "stdio_modern")
    legacy = StdioMeeting(modern.LEGACY, servers, "stdio_modern")
    return conversation.of_both_eras(auto, legacy, "stdio")


if __name__ == "__main__":
    sys.exit(harness.main("stdio_modern", trials))
