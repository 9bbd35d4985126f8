#!/usr/bin/env python3
"""Measures Torpor against a bare SwiftNIO server. See README.md in this folder.

`check` is the gate for continuous integration: exact counts against the limits in Thresholds/, exit status 1 above one.
Every other command prints its tables as Markdown; `all` also writes them to results/DATE-NAME.md.
"""

import argparse
import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import BenchmarkError, allocations, cpu, gate, hosting, idle, instructions, retained, state, streams
from harness.context import Context
from harness.report import Section, document
from harness.servers import Target

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
BASE_COMMAND = f"{ROOT}/.build/release/BareNIO {{port}}"
TORPOR_COMMAND = (
    f"{ROOT}/.build/release/torpor serve --server bench --store memory: --port {{port}} --admin-port 0 --event-loops 1"
)
STATE_PROGRAM = ROOT / ".build/release/StateBench"
PEER_PYTHON = ROOT / ".venvs/bench/bin/python"

MEASUREMENTS: dict[str, Callable[[Context, argparse.Namespace], Section]] = {
    "cpu": cpu.measure,
    "instructions": instructions.measure,
    "allocations": allocations.measure,
    "retained": retained.measure,
    "sessions": retained.measure_sessions,
    "idle": idle.measure,
    "streams": streams.measure,
    "state": state.measure,
    "writes": state.measure_writes,
    "hosting": hosting.measure,
}
TOOLS = {
    "cpu": ("wrk", "taskset"),
    "instructions": ("valgrind", "strip"),
    "allocations": ("cc",),
    "retained": ("taskset",),
    "sessions": ("taskset",),
    "idle": (),
    "streams": ("taskset",),
    "state": ("taskset",),
    "writes": ("wrk", "taskset"),
    "hosting": ("cc", "taskset"),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[*MEASUREMENTS, "check", "all"])
    parser.add_argument("--base-command", default=BASE_COMMAND, help="starts the base on {port}")
    parser.add_argument("--torpor-command", default=TORPOR_COMMAND, help="starts Torpor on {port}")
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="to try the harness: Torpor's command answers one fixed body, so compare no ids and open no sessions",
    )
    parser.add_argument("--peer-python", type=Path, default=PEER_PYTHON, help="has mcp 2; no peer when it is missing")
    parser.add_argument("--state-program", type=Path, default=STATE_PROGRAM, help="measures the engine without HTTP")
    parser.add_argument("--server-cpu", type=int, default=0, help="the core servers are pinned to (default 0)")
    parser.add_argument("--load-cpu", type=int, default=1, help="the core the load is pinned to (default 1)")
    parser.add_argument("--no-pinning", action="store_true", help="let the scheduler place servers and load")
    parser.add_argument("--name", default="torpor", help="what `all` names its result file after")
    for module in (cpu, instructions, allocations, retained, idle, streams, state, hosting):
        module.add_arguments(parser)
    return parser.parse_args()


def require_tools(command: str) -> None:
    needed = {"check": ("instructions", "allocations"), "all": tuple(MEASUREMENTS)}.get(command, (command,))
    missing = {tool for name in needed for tool in TOOLS[name] if shutil.which(tool) is None}
    if missing:
        raise BenchmarkError(f"not installed: {', '.join(sorted(missing))} (scripts/bench.sh installs what is needed)")


def make_context(arguments: argparse.Namespace, folder: Path) -> Context:
    pinned = not arguments.no_pinning
    if pinned and not {arguments.server_cpu, arguments.load_cpu} <= os.sched_getaffinity(0):
        raise BenchmarkError("the cores to pin to are not there; choose others or use --no-pinning")
    peer, peer_python = None, None
    if arguments.peer_python.exists():
        # Not resolved: a virtual environment is known by the path its interpreter is called by.
        peer_python = arguments.peer_python.absolute()
        peer = Target("mcp (Python)", (str(peer_python), str(BENCHMARKS / "peers/mcp_echo.py"), "{port}"))
    return Context(
        base=Target.parse("base", arguments.base_command, is_stand_in=True),
        torpor=Target.parse("torpor", arguments.torpor_command, is_stand_in=arguments.stand_in),
        peer=peer,
        peer_python=peer_python,
        state_program=arguments.state_program,
        server_cpu=arguments.server_cpu if pinned else None,
        load_cpu=arguments.load_cpu if pinned else None,
        folder=folder,
    )


def run_check(context: Context) -> int:
    verdicts = gate.check(context)
    for verdict in verdicts:
        print(verdict)
    failed = sum(not verdict.passes for verdict in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed else 0


def run_all(context: Context, arguments: argparse.Namespace) -> int:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", arguments.name):
        raise BenchmarkError("--name may hold letters, digits, dots, dashes and underscores")
    sections = [measure(context, arguments) for measure in MEASUREMENTS.values()]
    date = datetime.date.today().isoformat()
    targets = [context.base, context.torpor] + ([context.peer] if context.peer else [])
    text = document(f"Benchmarks, {date}, {arguments.name}", targets, sections, ROOT, context.peer_python)
    results = BENCHMARKS / "results"
    results.mkdir(exist_ok=True)
    (results / f"{date}-{arguments.name}.md").write_text(text)
    print(text)
    return 0


def main() -> int:
    arguments = parse_arguments()
    # Ended by a signal as it is, this program would leave servers behind; an exception passes through what stops them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        require_tools(arguments.command)
        with tempfile.TemporaryDirectory(prefix="torpor-bench-") as folder:
            context = make_context(arguments, Path(folder))
            if arguments.command == "check":
                return run_check(context)
            if arguments.command == "all":
                return run_all(context, arguments)
            print(MEASUREMENTS[arguments.command](context, arguments).markdown())
            return 0
    except (BenchmarkError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
