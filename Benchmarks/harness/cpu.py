"""CPU time per request under load, against the bare SwiftNIO server in the same repetition."""

import argparse
import resource
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass

from . import messages
from .client import open_sessions
from .context import Context
from .figures import spread
from .procfs import MachineTime, cpu_seconds, machine_time
from .report import Section, Table
from .servers import Server, Target
from .wrk import Load


@dataclass(frozen=True)
class Row:
    """A line of the table: a kind of request to a server, compared with the base answering the same kind."""

    name: str
    target: Target
    request: messages.Request
    base: str
    uses_sessions: bool = False


@dataclass(frozen=True)
class Sample:
    """One run of `wrk` against one row."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    cpu_microseconds: float
    """User and system time of the server's process tree per request."""
    other_work: float
    """Share of the machine's CPU time that neither the server nor `wrk` used, nor was idle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cpu")
    group.add_argument("--repetitions", type=int, default=5, help="runs of each row (default 5)")
    group.add_argument("--seconds", type=int, default=3, help="length of a run (default 3)")
    group.add_argument("--warm-up-seconds", type=int, default=2, help="load on each row before the first (default 2)")
    group.add_argument("--connections", type=int, nargs="+", default=[16, 64], help="default 16 64")
    group.add_argument("--sessions", type=int, default=500, help="sessions called in turn (default 500)")
    group.add_argument("--rows", default="", help="only rows whose name holds this text, and the bases (default all)")


def rows(context: Context) -> list[Row]:
    modern, legacy = messages.modern_call("echo"), messages.legacy_call("echo")
    base_modern, base_legacy = "base, 2026-07-28", "base, 2025-11-25"
    result = [
        Row(base_modern, context.base, modern, base_modern),
        Row("torpor inline, 2026-07-28", context.torpor, modern, base_modern),
        Row("torpor async, 2026-07-28", context.torpor, messages.modern_call("echo_async"), base_modern),
        Row(base_legacy, context.base, legacy, base_legacy),
        Row("torpor inline, 2025-11-25 without session", context.torpor, legacy, base_legacy),
    ]
    if not context.torpor.is_stand_in:
        result.append(Row("torpor inline, 2025-11-25 in sessions", context.torpor, legacy, base_legacy, True))
    if context.peer is not None:
        result.append(Row("mcp (Python), 2026-07-28", context.peer, modern, base_modern))
        result.append(Row("mcp (Python), 2025-11-25 without session", context.peer, legacy, base_legacy))
    return result


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    table = [row for row in rows(context) if row.target is context.base or arguments.rows in row.name]
    samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        loads: dict[str, Load] = {}
        for index, row in enumerate(table):
            if row.target.name not in servers:
                servers[row.target.name] = stack.enter_context(Server(row.target, cpu=context.server_cpu))
            server = servers[row.target.name]
            sessions = open_sessions(server.port, arguments.sessions) if row.uses_sessions else []
            loads[row.name] = Load.prepare(server, row.request, sessions, context.folder / f"cpu-{index}")
            context.progress(f"cpu: warming up {row.name}")
            loads[row.name].run(max(arguments.connections), arguments.warm_up_seconds, context.load_cpu)
        for connections in arguments.connections:
            for repetition in range(arguments.repetitions):
                context.progress(f"cpu: {connections} connections, repetition {repetition + 1}")
                for row in table if repetition % 2 == 0 else reversed(table):
                    sample = _sample(loads[row.name], connections, arguments.seconds, context.load_cpu)
                    samples[row.name, connections].append(sample)
    parts: list[Table | str] = []
    for connections in arguments.connections:
        parts += [f"{connections} connections:", _table(table, samples, connections)]
    other = spread([sample.other_work * 100 for runs in samples.values() for sample in runs], lambda x: f"{x:.0f} %")
    parts.append(f"Other work took {other} of the machine's CPU time during the runs.")
    return Section(title="CPU time per request", method=_method(context, arguments), parts=parts)


def _sample(load: Load, connections: int, seconds: int, load_cpu: int | None) -> Sample:
    machine, own, server = machine_time(), _own_seconds(), cpu_seconds(load.server.pid)
    result = load.run(connections, seconds, load_cpu)
    server = cpu_seconds(load.server.pid) - server
    return Sample(
        requests_per_second=result.requests / result.seconds,
        p50_milliseconds=result.p50_milliseconds,
        p99_milliseconds=result.p99_milliseconds,
        cpu_microseconds=server / result.requests * 1e6,
        other_work=_other_work(machine, machine_time(), _own_seconds() - own + server),
    )


def _own_seconds() -> float:
    usage = [resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)


def _other_work(before: MachineTime, after: MachineTime, ours: float) -> float:
    return max(0.0, (after.busy - before.busy - ours) / (after.total - before.total))


def _table(table: list[Row], samples: dict[tuple[str, int], list[Sample]], connections: int) -> Table:
    lines: list[tuple[str, ...]] = []
    for row in table:
        runs, base = samples[row.name, connections], samples[row.base, connections]
        ratios = [run.cpu_microseconds / other.cpu_microseconds for run, other in zip(runs, base, strict=True)]
        lines.append(
            (
                row.name,
                spread([run.cpu_microseconds for run in runs], lambda x: f"{x:,.1f}"),
                spread(ratios, lambda x: f"{x:.2f}"),
                spread([run.requests_per_second for run in runs], lambda x: f"{x:,.0f}"),
                spread([run.p50_milliseconds for run in runs], lambda x: f"{x:.2f}"),
                spread([run.p99_milliseconds for run in runs], lambda x: f"{x:.2f}"),
            )
        )
    return Table(("row", "CPU µs/request", "× base", "requests/s", "p50 ms", "p99 ms"), lines)


def _method(context: Context, arguments: argparse.Namespace) -> str:
    where = "on cores shared with the load"
    if context.server_cpu is not None:
        where = "pinned to one core and the load to another"
    return (
        "`tools/call` of an echo tool over keep-alive connections, JSON answers, a new id per request. All servers are "
        f"up at once, {where}, and loaded in turn by wrk (one thread, closed loop): {arguments.repetitions} "
        f"repetitions of {arguments.seconds} s after a warm-up of {arguments.warm_up_seconds} s, the order reversed in "
        "every second one. CPU is user and system time of the server's process tree over the requests that wrk "
        "counted; latency is at saturation. The ratio compares with the base that reads the same request, in the same "
        "repetition. Every answer had a status under 400 and "
        f"exactly the length of a right answer. Rows in sessions call {arguments.sessions} of them in turn."
    )
