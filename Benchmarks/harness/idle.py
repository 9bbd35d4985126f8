"""What a server costs before it does anything: time to start, and memory at rest."""

import argparse
import os
import time
from dataclasses import replace

from . import messages
from .client import Client
from .context import Context
from .figures import spread
from .procfs import Memory, memory, scheduled_seconds
from .report import Section, Table
from .servers import Server, Target

_MEBIBYTE = 1024 * 1024
_REST_SECONDS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("idle")
    group.add_argument("--starts", type=int, default=15, help="starts of each server (default 15)")


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    # Pages of a program that was just built, and is not on the disk yet, would count as dirty.
    os.sync()
    on_disk = replace(context.torpor.storing_in(context.folder / "idle.db"), name="torpor, SQLite")
    targets = [context.base, context.torpor, on_disk]
    starts: dict[str, list[tuple[float, float, Memory]]] = {target.name: [] for target in targets}
    for number in range(arguments.starts):
        context.progress(f"idle: start {number + 1} of {arguments.starts}")
        for target in targets if number % 2 == 0 else reversed(targets):
            starts[target.name].append(_start(target))
    lines: list[tuple[str, ...]] = [
        (
            name,
            spread([seconds * 1000 for seconds, _, _ in samples], lambda x: f"{x:.1f}"),
            spread([cpu * 1000 for _, cpu, _ in samples], lambda x: f"{x:.1f}"),
            spread([sample.private_dirty / _MEBIBYTE for _, _, sample in samples], lambda x: f"{x:.2f}"),
            spread([sample.rss / _MEBIBYTE for _, _, sample in samples], lambda x: f"{x:.2f}"),
        )
        for name, samples in starts.items()
    ]
    method = (
        f"{arguments.starts} starts of each server in turn. Start-up is the time from starting the process to the "
        "first answered call, its port tried every millisecond, and the CPU time that the process has had until then, "
        "which tells more where other work shares the machine. Memory is read from smaps_rollup "
        f"{_REST_SECONDS} s after that call, the connection closed."
    )
    columns = ("server", "start-up to first answer, ms", "CPU until then, ms", "private dirty, MiB", "RSS, MiB")
    return Section(title="Start-up and idle memory", method=method, parts=[Table(columns, lines)])


def _start(target: Target) -> tuple[float, float, Memory]:
    with Server(target) as server:
        with Client.of(server) as client:
            client.call(messages.modern_call("echo"), 1)
        seconds = time.monotonic() - server.started
        cpu = scheduled_seconds(server.pid)
        time.sleep(_REST_SECONDS)
        return seconds, cpu, memory(server.pid)
