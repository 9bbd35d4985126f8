"""Memory that stays behind: per stateless call, and after a flood of `initialize`."""

import argparse
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from . import BenchmarkError, messages
from .client import Client
from .context import Context
from .figures import fit
from .procfs import Memory, memory
from .report import Section, Table
from .servers import Server, Target

_CONNECTIONS = 16
_FLOOD_STEP = 10_000
_MEBIBYTE = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("retained, sessions")
    group.add_argument("--calls", type=int, default=1_000_000, help="stateless calls of each row (default 1000000)")
    group.add_argument("--sample-every", type=int, default=50_000, help="calls between samples (default 50000)")
    group.add_argument("--skip", type=int, default=100_000, help="calls left out of the fit (default 100000)")
    group.add_argument("--initializations", type=int, default=1_000_000, help="initialize requests (default 1000000)")
    group.add_argument("--time-limit", type=int, default=900, help="seconds for each row (default 900)")


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    """Retained bytes per stateless call: the slope of memory over calls."""
    if arguments.calls - arguments.skip < 2 * arguments.sample_every or arguments.sample_every < 1:
        raise BenchmarkError("--calls, --skip and --sample-every leave fewer than three samples to fit")
    lines: list[tuple[str, ...]] = []
    for name, target, request in (
        ("base", context.base, messages.modern_call("echo")),
        ("torpor inline", context.torpor, messages.modern_call("echo")),
        ("torpor async", context.torpor, messages.modern_call("echo_async")),
    ):
        samples = _samples(context, arguments, name, target, request)
        rss = fit([(calls, sample.rss) for calls, sample in samples])
        dirty = fit([(calls, sample.private_dirty) for calls, sample in samples])
        lines.append(
            (
                name,
                f"{rss.slope:.3f} ± {rss.slope_error:.3f}",
                f"{dirty.slope:.3f} ± {dirty.slope_error:.3f}",
                f"{samples[0][1].rss / _MEBIBYTE:.2f}",
                f"{samples[-1][1].rss / _MEBIBYTE:.2f}",
            )
        )
    method = (
        f"{arguments.calls:,} 2026-07-28 calls over {_CONNECTIONS} keep-alive connections, every answer checked; "
        f"memory of the process sampled every {arguments.sample_every:,} calls, with no call under way. Bytes per call "
        f"are the slope of a line fitted to the samples from {arguments.skip:,} calls on, with its standard error."
    )
    columns = ("row", "RSS, bytes/call", "private dirty, bytes/call", "RSS at first sample, MiB", "RSS at the end, MiB")
    return Section(title="Memory retained per stateless call", method=method, parts=[Table(columns, lines)])


def measure_sessions(context: Context, arguments: argparse.Namespace) -> Section:
    """What a flood of `initialize` without anything after it leaves behind, in memory and in a SQLite store."""
    request = messages.initialize()
    path = context.folder / "sessions.db"
    deadline = _Deadline("sessions", arguments.time_limit)
    with (
        context.on_load_cpu(),
        Server(context.torpor.storing_in(path), context.server_cpu) as server,
        Client.of(server, _CONNECTIONS) as client,
    ):
        client.call(request, _FLOOD_STEP)
        stored_before = _stored(path)
        before = memory(server.pid)
        for done in range(0, arguments.initializations, _FLOOD_STEP):
            deadline.check(done)
            client.call(request, min(_FLOOD_STEP, arguments.initializations - done))
        after = memory(server.pid)
        stored_after = _stored(path)
    count = arguments.initializations
    table = Table(
        ("memory", "before, MiB", "after, MiB", "grown, MiB", "bytes per initialize"),
        [
            _growth("RSS", before.rss, after.rss, count),
            _growth("private dirty", before.private_dirty, after.private_dirty, count),
        ],
    )
    method = (
        f"{count:,} `initialize` requests of revision 2025-11-25 over {_CONNECTIONS} keep-alive connections, with "
        f"nothing after them, every answer checked. Memory of torpor after them and before, when "
        f"{_FLOOD_STEP:,} had gone."
    )
    stored = (
        f"The store, a SQLite database and its log: {stored_before:,} bytes before, {stored_after:,} after; "
        "objects, values and ended sessions in it: none."
    )
    return Section(title="Memory after a flood of initialize", method=method, parts=[table, stored])


def _stored(path: Path) -> int:
    """Bytes of the files of a database in which nothing may be kept."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for name in ("objects", "object_values", "tombstones"):
            if database.execute(f"SELECT count(*) FROM {name}").fetchone() != (0,):
                raise BenchmarkError(f"initialize alone has left something in the table {name}")
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _growth(name: str, before: int, after: int, count: int) -> tuple[str, ...]:
    sizes = (f"{size / _MEBIBYTE:.2f}" for size in (before, after, after - before))
    return (name, *sizes, f"{(after - before) / count:.3f}")


def _samples(
    context: Context, arguments: argparse.Namespace, name: str, target: Target, request: messages.Request
) -> list[tuple[int, Memory]]:
    deadline = _Deadline(f"retained, {name}", arguments.time_limit)
    samples = []
    with context.on_load_cpu(), Server(target, context.server_cpu) as server, Client.of(server, _CONNECTIONS) as client:
        client.call(request, max(arguments.skip, 1))
        samples.append((arguments.skip, memory(server.pid)))
        while (done := samples[-1][0]) < arguments.calls:
            deadline.check(done)
            context.progress(f"retained: {name}, {done:,} calls")
            step = min(arguments.sample_every, arguments.calls - done)
            client.call(request, step)
            samples.append((done + step, memory(server.pid)))
    return samples


class _Deadline:
    def __init__(self, what: str, seconds: int) -> None:
        self.what = what
        self.end = time.monotonic() + seconds

    def check(self, done: int) -> None:
        if time.monotonic() > self.end:
            raise BenchmarkError(f"{self.what}: the time limit passed after {done:,} calls")
