"""Heap allocations per request, counted by a preloaded library in the server and read from a shared file."""

import argparse
import mmap
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import BenchmarkError
from .client import Client
from .context import Context
from .instructions import BASE, rows
from .report import Section, Table
from .servers import Server

_SOURCE = Path(__file__).parent.parent / "allocations" / "allocations.c"
_FILE_SIZE = 4096


@dataclass(frozen=True)
class Counts:
    """The counters of `allocations.c`, in the order of its file."""

    malloc: float
    calloc: float
    realloc: float
    aligned: float
    free: float
    bytes: float

    @property
    def allocations(self) -> float:
        return self.malloc + self.calloc + self.realloc + self.aligned

    def per_request_since(self, before: "Counts", requests: int) -> "Counts":
        pairs = zip(vars(self).values(), vars(before).values(), strict=True)
        return Counts(*((after - earlier) / requests for after, earlier in pairs))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("allocations")
    group.add_argument("--warm-up-calls", type=int, default=2000, help="calls before counting (default 2000)")
    group.add_argument("--counted-calls", type=int, default=10_000, help="calls counted (default 10000)")


def count(context: Context, warm_up_calls: int, counted_calls: int) -> dict[str, Counts]:
    """Allocations per request of each row."""
    if warm_up_calls < 1 or counted_calls < 1:
        raise BenchmarkError("--warm-up-calls and --counted-calls must be positive")
    library = context.folder / "liballocations.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)], check=True)
    result = {}
    for index, (name, (target, request)) in enumerate(rows(context).items()):
        context.progress(f"allocations: {name}")
        path = context.folder / f"allocation-counters-{index}"
        path.write_bytes(bytes(_FILE_SIZE))
        environment = {"LD_PRELOAD": str(library), "ALLOCATION_COUNTERS": str(path)}
        with path.open("rb") as file, mmap.mmap(file.fileno(), _FILE_SIZE, access=mmap.ACCESS_READ) as counters:
            with Server(target, environment=environment) as server, Client.of(server) as client:
                client.call(request, warm_up_calls)
                before = _read(counters)
                client.call(request, counted_calls)
                after = _read(counters)
        result[name] = after.per_request_since(before, counted_calls)
    return result


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    counts = count(context, arguments.warm_up_calls, arguments.counted_calls)
    base = counts[BASE].allocations
    table = Table(
        ("row", "allocations/request", "beyond base", "malloc", "calloc", "realloc", "aligned", "free", "bytes"),
        [
            (
                name,
                f"{value.allocations:.2f}",
                f"{value.allocations - base:.2f}",
                *(f"{part:.2f}" for part in (value.malloc, value.calloc, value.realloc, value.aligned, value.free)),
                f"{value.bytes:,.0f}",
            )
            for name, value in counts.items()
        ],
    )
    method = (
        "Calls of the C allocator (malloc, calloc, realloc, posix_memalign and their kin) and the bytes they ask for, "
        f"counted by a preloaded library over {arguments.counted_calls:,} sequential 2026-07-28 calls on one "
        f"connection after {arguments.warm_up_calls:,} others. The same library counts the base."
    )
    return Section(title="Heap allocations per request", method=method, parts=[table])


def _read(counters: mmap.mmap) -> Counts:
    *values, attached, _ = struct.unpack("=8Q", counters[:64])
    if attached != 1:
        raise BenchmarkError("the counting library is not at work in the server (is it linked statically?)")
    return Counts(*values)
