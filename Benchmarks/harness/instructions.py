"""User-space instructions per request, counted by callgrind: exact where times are not."""

import argparse
import re
from pathlib import Path

from . import BenchmarkError, messages
from .client import Client
from .context import Context
from .report import Section, Table
from .servers import Server, Target

BASE, INLINE, ASYNC = "base", "torpor-inline", "torpor-async"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("instructions")
    group.add_argument("--few-requests", type=int, default=500, help="requests of the shorter run (default 500)")
    group.add_argument("--many-requests", type=int, default=2500, help="requests of the longer run (default 2500)")


def rows(context: Context) -> dict[str, tuple[Target, messages.Request]]:
    return {
        BASE: (context.base, messages.modern_call("echo")),
        INLINE: (context.torpor, messages.modern_call("echo")),
        ASYNC: (context.torpor, messages.modern_call("echo_async")),
    }


def count(context: Context, few: int, many: int) -> dict[str, float]:
    """Instructions per request of each row."""
    if not 0 < few < many:
        raise BenchmarkError("--few-requests must be positive and less than --many-requests")
    result = {}
    for name, (target, request) in rows(context).items():
        context.progress(f"instructions: {name}")
        stripped = target.stripped(context.folder)
        totals = [_total(stripped, request, requests, context.folder) for requests in (few, many)]
        result[name] = (totals[1] - totals[0]) / (many - few)
    return result


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    counts = count(context, arguments.few_requests, arguments.many_requests)
    table = Table(
        ("row", "instructions/request", "× base"),
        [(name, f"{value:,.0f}", f"{value / counts[BASE]:.3f}") for name, value in counts.items()],
    )
    method = (
        "callgrind, user space only (the kernel's part is in the CPU times alone): the difference between runs of "
        f"{arguments.few_requests:,} and {arguments.many_requests:,} sequential 2026-07-28 calls over one connection, "
        "over the difference of the numbers of calls. Release build without debug information."
    )
    return Section(title="Instructions per request", method=method, parts=[table])


def _total(target: Target, request: messages.Request, requests: int, folder: Path) -> int:
    output = folder / "callgrind.out"
    output.unlink(missing_ok=True)
    traced = target.prefixed("valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--fair-sched=try")
    # Swift seeds its hash tables by chance; with a fixed seed two runs differ by the requests alone.
    environment = {"SWIFT_DETERMINISTIC_HASHING": "1"}
    with Server(traced, environment=environment, must_end_cleanly=True) as server, Client.of(server) as client:
        client.call(request, requests)
    summary = re.search(r"^(?:summary|totals): (\d+)", output.read_text(), re.MULTILINE)
    if summary is None:
        raise BenchmarkError(f"callgrind wrote no total for {target.name}")
    return int(summary[1])
