"""Trials of streams with the PyPI package `fastmcp` 4.x, in both of its eras."""

import itertools
import sys

import httpx2

import conversation
import cuts
import fastmcp_trial
import harness
from conversation import Meeting


def trials(servers, transcript):
    auto, legacy = Meeting(fastmcp_trial.AUTO, servers), Meeting(fastmcp_trial.LEGACY, servers)
    return itertools.chain(
        conversation.of_both_eras(auto, legacy, "streams"),
        cuts.modern.bound(f"{auto.name}, cuts", auto.agent, servers, transcript),
        cuts.legacy.bound(f"{legacy.name}, cuts", legacy.agent, servers, transcript),
    )


if __name__ == "__main__":
    sys.exit(harness.main("streams_fastmcp", trials, httpx2))
