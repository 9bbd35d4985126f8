"""What kept state costs: memory of objects, of those asleep, what eviction gives back, waking, durable changes."""

import argparse
import json
import string
import subprocess
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median

from . import BenchmarkError, messages
from .client import Client, open_sessions, read_response
from .context import Context
from .figures import spread
from .procfs import cpu_seconds, memory
from .report import Section, Table
from .servers import Server
from .wrk import Load

_MEBIBYTE = 1024 * 1024
_REPETITIONS = 3
_WRITE_SIZES = (30, 4_000)
"""Bytes of the values that are written: next to none, and what one page holds."""
_WRITERS = 64
_WRITE_SESSIONS = 500

Figures = dict[str, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("state, writes")
    group.add_argument("--asleep", type=int, default=1_000_000, help="objects of 4 KB asleep (default 1000000)")
    group.add_argument("--asleep-calls", type=int, default=3_000, help="sleeping objects called (default 3000)")
    group.add_argument("--write-seconds", type=int, default=3, help="length of a run of writes (default 3)")
    group.add_argument("--write-repetitions", type=int, default=5, help="runs of each row of writes (default 5)")


def _run(context: Context, command: str, cpu: int | None = None, **options: object) -> Figures:
    """Runs StateBench, which checks what it reads, and fails when anything is not as it was kept."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    context.progress(f"state: {command} {' '.join(words)}")
    pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
    finished = subprocess.run(
        [*pin, str(context.state_program), command, *words],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(context.folder)},
    )
    if finished.returncode != 0:
        raise BenchmarkError(f"StateBench {command} failed: {finished.stderr}")
    figures: Figures = json.loads(finished.stdout)
    return figures


def count(context: Context) -> Figures:
    """The figures of the gate."""
    alone = _run(context, "overhead", objects=100_000, bytes=1_000)
    together = _run(context, "overhead", objects=100_000, bytes=1_000, objects_per_account=100)
    large = _run(context, "give-back", objects=4_000, bytes=51_200, milliseconds=1_500)
    small = _run(context, "give-back", objects=100_000, bytes=1_000, milliseconds=5_000)
    return {
        "object, an account each": alone["rss_beyond_data_per_object"],
        "object, 100 of an account": together["rss_beyond_data_per_object"],
        "object, in pages of state": alone["arena_beyond_data_per_object"],
        "object, as limits count it": alone["ledger_beyond_data_per_object"],
        "percent kept after eviction, 50 KB": 100 - 100 * large["given_back_share"],
        "percent kept after eviction, 1 KB": 100 - 100 * small["given_back_share"],
    }


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    """Memory and waking."""
    parts: list[Table | str] = [
        "Objects of 1 KB in memory, beyond their data:",
        _overhead(context),
        "Memory given back by eviction of 90 % of all objects, picked at random, an account each:",
        _giving_back(context),
        "An object that wakes, 1,000 objects of 16 KB, five times each, and one that is in memory:",
        _wakes(context),
        f"{arguments.asleep:,} objects of 4 KB asleep, 64 MiB for state in memory:",
        _asleep(context, arguments.asleep, arguments.asleep_calls),
    ]
    method = (
        "The engine alone, in a program of its own, over a SQLite store; values are text of which zstd saves about two "
        f"thirds. {_REPETITIONS} runs of each row but the last tables'. Whatever is read is compared with what was "
        "kept. An object's data are its key and value. Of eviction, what is given back is compared with that part of "
        "what all objects had added to the process, tables and all."
    )
    return Section(title="State: memory and waking", method=method, parts=parts)


def _overhead(context: Context) -> Table:
    rows: list[tuple[str, ...]] = []
    for name, per_account in (("an account each", 1), ("100 objects an account", 100)):
        runs = [
            _run(context, "overhead", objects=100_000, bytes=1_000, objects_per_account=per_account)
            for _ in range(_REPETITIONS)
        ]
        rows.append(
            (
                name,
                _spread(runs, "rss_beyond_data_per_object", "{:.0f}"),
                _spread(runs, "arena_beyond_data_per_object", "{:.0f}"),
                _spread(runs, "rss_before", "{:.1f}", 1e-6),
                _spread(runs, "rss_after", "{:.1f}", 1e-6),
            )
        )
    columns = ("100,000 objects", "RSS, bytes each", "of it in pages of state", "RSS before, MB", "RSS after, MB")
    return Table(columns, rows)


def _giving_back(context: Context) -> Table:
    rows: list[tuple[str, ...]] = []
    for count, size, pause in ((20_000, 51_200, 1_000), (500_000, 1_000, 5_000)):
        runs = [
            _run(context, "give-back", objects=count, bytes=size, milliseconds=pause) for _ in range(_REPETITIONS)
        ]
        rows.append(
            (
                f"{count:,} of {size:,} bytes",
                f"{pause / 1000:.0f}",
                _spread(runs, "rss_full", "{:.0f}", 1e-6),
                _spread(runs, "rss_after", "{:.0f}", 1e-6),
                _spread(runs, "given_back_share", "{:.1f} %", 100),
            )
        )
    return Table(("objects", "seconds later", "RSS full, MB", "RSS after, MB", "given back"), rows)


def _wakes(context: Context) -> Table:
    runs = [_run(context, "wake", objects=1_000, bytes=16_384) for _ in range(_REPETITIONS)]
    rows = [
        (
            name,
            _spread(runs, f"{key}_p50_us", "{:.1f}"),
            _spread(runs, f"{key}_p99_us", "{:.1f}"),
            _spread(runs, f"{key}_max_us", "{:,.0f}"),
        )
        for name, key in (("asleep", "wake"), ("in memory", "in_memory"))
    ]
    return Table(("read of an object", "p50 µs", "p99 µs", "longest µs"), rows)


def _spread(runs: list[Figures], name: str, form: str, factor: float = 1) -> str:
    return spread([run[name] * factor for run in runs], form.format)


# Objects asleep


def _asleep(context: Context, count: int, calls: int) -> Table:
    rows: list[tuple[str, ...]] = []
    path = context.folder / "asleep.db"
    _run(context, "fill", store=path, objects=count, bytes=4_096)
    engine = _run(
        context, "asleep", store=path, objects=count, bytes=4_096, resident_mebibytes=64, sample=calls
    )
    rows.append(
        (
            f"engine, {path.stat().st_size / 1e9:.1f} GB stored",
            f"{engine['start_ms']:.1f}",
            f"{engine['rss_started'] / _MEBIBYTE:.1f}",
            f"{engine['calls']:,.0f}",
            f"{engine['rss_after'] / _MEBIBYTE:.1f}",
            f"{engine['rss_peak'] / _MEBIBYTE:.1f}",
            f"{engine['wake_p50_us'] / 1000:.2f}",
            f"{engine['wake_p99_us'] / 1000:.2f}",
        )
    )
    rows.append(_served(context, f"served, {count:,} of 4 KB", path, count, 4_096, calls))
    small = context.folder / "asleep-16.db"
    _run(context, "fill", store=small, objects=calls, bytes=16_384)
    rows.append(_served(context, f"served, {calls:,} of 16 KB", small, calls, 16_384, calls))
    columns = (
        "objects", "start ms", "RSS at start, MiB", "calls", "RSS after, MiB", "RSS at most, MiB", "call p50 ms",
        "call p99 ms",
    )  # fmt: skip
    return Table(columns, rows)


def _served(context: Context, name: str, path: Path, count: int, size: int, calls: int) -> tuple[str, ...]:
    """Calls sleeping objects of a server, no object twice, one after the other over one connection."""
    context.progress(f"state: {name}")
    target = context.torpor.storing_in(path)
    target = replace(target, command=(*target.command, "--resident-memory", "64MiB"))
    with context.on_load_cpu(), Server(target, context.server_cpu) as server, Client.of(server) as client:
        client.call(messages.modern_call("echo"), 1)
        start = time.monotonic() - server.started
        rss = memory(server.pid).rss
        peak = rss
        latencies = []
        numbers = Random(1).sample(range(count), calls)
        for turn, number in enumerate(numbers):
            request = messages.modern_call("get", {"key": "value", "handle": _handle(number)})
            before, after = request.parts(server.port)
            identifier = messages.FIRST_ID + turn
            begin = time.monotonic()
            client.sockets[0].sendall(b"%s%d%s" % (before, identifier, after))
            response = read_response(client.sockets[0])
            latencies.append(time.monotonic() - begin)
            answer = json.loads(response.body)
            text = answer["result"]["content"][0]["text"] if "result" in answer else ""
            if answer.get("id") != identifier or not text.startswith(f"object {number};") or len(text) < size - 16:
                raise BenchmarkError(f"object {number} did not answer: {response.body[:300]!r}")
            if turn % 100 == 0:
                peak = max(peak, memory(server.pid).rss)
        last = memory(server.pid).rss
    latencies.sort()
    return (
        name,
        f"{start * 1000:.1f}",
        f"{rss / _MEBIBYTE:.1f}",
        f"{calls:,}",
        f"{last / _MEBIBYTE:.1f}",
        f"{max(peak, last) / _MEBIBYTE:.1f}",
        f"{median(latencies) * 1000:.2f}",
        f"{latencies[int(len(latencies) * 0.99)] * 1000:.2f}",
    )


def _handle(number: int) -> str:
    """The handle of an object of StateBench, whose ids are two numbers of SplitMix64 each."""
    identifier, state = 0, number
    for _ in range(2):
        state = (state + 0x9E3779B97F4A7C15) & _WORD
        mixed = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _WORD
        identifier = identifier << 64 | (mixed ^ mixed >> 31)
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return "object_" + "".join(digits[identifier >> place * 5 & 31] for place in reversed(range(26)))


_WORD = (1 << 64) - 1


# Durable changes


def measure_writes(context: Context, arguments: argparse.Namespace) -> Section:
    """Durable calls against what SQLite alone commits, in the same run."""
    rows: list[tuple[str, ...]] = []
    for size in _WRITE_SIZES:
        rows += _writes(context, arguments, size)
    method = (
        f"{_WRITERS} closed-loop writers. Bare SQLite: one thread commits all that waits as one transaction, an update "
        "of one row each that compares and sets its revision, and copies the log when Torpor would. The engine: the "
        "same writers, without HTTP. Served: `tools/call` of a tool that puts a value, over as many keep-alive "
        f"connections, {_WRITE_SESSIONS} sessions in turn, each answer sent when its change is durable. Base: the bare "
        "SwiftNIO server under the same connections, its answer fixed and nothing kept. All are pinned to one core, the load "
        f"of the served ones to another. {arguments.write_repetitions} repetitions of {arguments.write_seconds} s, one "
        "after the other in each, ratios within a repetition. CPU is the process's, so of SQLite and the engine that "
        "of the writers too."
    )
    columns = ("bytes", "row", "records/s", "of bare SQLite", "CPU µs/record", "× base", "p50 ms", "p99 ms")
    return Section(title="State: durable changes", method=method, parts=[Table(columns, rows)])


def _writes(context: Context, arguments: argparse.Namespace, size: int) -> list[tuple[str, ...]]:
    runs: dict[str, list[Figures]] = {"bare SQLite": [], "engine": [], "served": [], "base": []}
    options = {"objects": _WRITE_SESSIONS, "bytes": size, "writers": _WRITERS, "seconds": arguments.write_seconds}
    # Text that hardly compresses, as StateBench writes it: what is stored is as large for all.
    value = "".join(Random(1).choices(string.ascii_letters + string.digits, k=size))
    put = messages.legacy_call("put", {"key": "k", "value": value}, answer=f"put {size} bytes")
    target = context.torpor.storing_in(context.folder / f"writes-{size}.db")
    with ExitStack() as stack:
        servers = {
            "served": stack.enter_context(Server(target, context.server_cpu)),
            "base": stack.enter_context(Server(context.base, context.server_cpu)),
        }
        sessions = open_sessions(servers["served"].port, _WRITE_SESSIONS)
        loads = {
            "served": Load.prepare(servers["served"], put, sessions, context.folder / f"writes-{size}"),
            "base": Load.prepare(servers["base"], put, [], context.folder / f"writes-base-{size}"),
        }
        for load in loads.values():
            load.run(_WRITERS, 1, context.load_cpu)
        for repetition in range(arguments.write_repetitions):
            context.progress(f"state: writes of {size} bytes, repetition {repetition + 1}")
            for name in runs if repetition % 2 == 0 else reversed(runs):
                if name in loads:
                    runs[name].append(_loaded(loads[name], arguments.write_seconds, context.load_cpu))
                else:
                    command = "bare-write" if name == "bare SQLite" else "write"
                    runs[name].append(_run(context, command, context.server_cpu, **options))
    rows: list[tuple[str, ...]] = []
    for name, samples in runs.items():
        bare, base = runs["bare SQLite"], runs["base"]
        is_writing = name != "base"
        rates = [run["records_per_second"] / other["records_per_second"] for run, other in zip(samples, bare)]
        ratios = [run["cpu_us_per_record"] / other["cpu_us_per_record"] for run, other in zip(samples, base)]
        rows.append(
            (
                f"{size:,}",
                name,
                _spread(samples, "records_per_second", "{:,.0f}"),
                spread(rates, "{:.2f}".format) if is_writing else "",
                _spread(samples, "cpu_us_per_record", "{:.1f}"),
                spread(ratios, "{:.2f}".format),
                _spread(samples, "p50_ms", "{:.2f}") if name in loads else "",
                _spread(samples, "p99_ms", "{:.2f}") if name in loads else "",
            )
        )
    return rows


def _loaded(load: Load, seconds: int, cpu: int | None) -> Figures:
    before = cpu_seconds(load.server.pid)
    result = load.run(_WRITERS, seconds, cpu)
    used = cpu_seconds(load.server.pid) - before
    return {
        "records_per_second": result.requests / result.seconds,
        "cpu_us_per_record": used / result.requests * 1e6,
        "p50_ms": result.p50_milliseconds,
        "p99_ms": result.p99_milliseconds,
    }
