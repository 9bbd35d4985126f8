"""What a server costs before it does anything: time to start, and memory at rest."""

import argparse
import time

from . import messages
from .client import Client
from .context import Context
from .figures import spread
from .procfs import Memory, memory
from .report import Section, Table
from .servers import Server, Target

_MEBIBYTE = 1024 * 1024
_REST_SECONDS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("idle")
    group.add_argument("--starts", type=int, default=15, help="starts of each server (default 15)")


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    targets = [context.base, context.torpor]
    starts: dict[str, list[tuple[float, Memory]]] = {target.name: [] for target in targets}
    for number in range(arguments.starts):
        context.progress(f"idle: start {number + 1} of {arguments.starts}")
        for target in targets if number % 2 == 0 else reversed(targets):
            starts[target.name].append(_start(target))
    lines: list[tuple[str, ...]] = [
        (
            name,
            spread([seconds * 1000 for seconds, _ in samples], lambda x: f"{x:.1f}"),
            spread([sample.private_dirty / _MEBIBYTE for _, sample in samples], lambda x: f"{x:.2f}"),
            spread([sample.rss / _MEBIBYTE for _, sample in samples], lambda x: f"{x:.2f}"),
        )
        for name, samples in starts.items()
    ]
    method = (
        f"{arguments.starts} starts of each server in turn. Start-up is the time from starting the process to the "
        "first answered call, its port tried every millisecond. Memory is read from smaps_rollup "
        f"{_REST_SECONDS} s after that call, the connection closed."
    )
    columns = ("server", "start-up to first answer, ms", "private dirty, MiB", "RSS, MiB")
    return Section(title="Start-up and idle memory", method=method, parts=[Table(columns, lines)])


def _start(target: Target) -> tuple[float, Memory]:
    with Server(target) as server:
        with Client.of(server) as client:
            client.call(messages.modern_call("echo"), 1)
        seconds = time.monotonic() - server.started
        time.sleep(_REST_SECONDS)
        return seconds, memory(server.pid)
