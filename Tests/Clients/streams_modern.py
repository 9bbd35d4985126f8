"""Trials of streams with the PyPI package `mcp` 2.x, in both of its eras."""

import itertools
import sys

import httpx2

import conversation
import cuts
import harness
import modern
from conversation import Meeting


def trials(servers, transcript):
    auto, legacy = Meeting(modern.AUTO, servers), Meeting(modern.LEGACY, servers)
    return itertools.chain(
        conversation.of_both_eras(auto, legacy, "streams"),
        cuts.modern.bound(f"{auto.name}, cuts", auto.agent, servers, transcript),
        cuts.legacy.bound(f"{legacy.name}, cuts", legacy.agent, servers, transcript),
    )


if __name__ == "__main__":
    sys.exit(harness.main("streams_modern", trials, httpx2))
