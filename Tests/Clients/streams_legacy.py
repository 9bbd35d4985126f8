"""Trials of streams with the PyPI package `mcp` 1.x, which knows sessions alone."""

import itertools
import sys

import httpx

import conversation
import cuts
import harness
import legacy
from conversation import Meeting


def trials(servers, transcript):
    meeting = Meeting(legacy.AGENT, servers)
    return itertools.chain(
        conversation.trials.bound("mcp 1, streams", meeting),
        conversation.cancellation.bound("mcp 1, streams", meeting),
        conversation.legacy_changes.bound("mcp 1, streams", meeting),
        cuts.legacy.bound("mcp 1, cuts", meeting.agent, servers, transcript),
    )


if __name__ == "__main__":
    sys.exit(harness.main("streams_legacy", trials, httpx))
