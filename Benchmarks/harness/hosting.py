"""What it costs to have a stdio server under management: beside its pipe, and beyond its own start.

The hosted server is `peers/echo_stdio.c`, which costs next to nothing, so that what is left is its host.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import BenchmarkError, messages
from .client import Client, open_sessions
from .context import Context
from .figures import spread
from .procfs import own_cpu_seconds, process_tree
from .report import Section, Table
from .servers import Server, Target, free_port

_SOURCE = Path(__file__).parent.parent / "peers" / "echo_stdio.c"
_HANDLE = "torpor_handle"
_WAIT_SECONDS = 30
_PHASE = re.compile(r'^torpor_children\{phase="(\w+)",server="[^"]*"\} (\d+)', re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("hosting")
    group.add_argument("--hosted-calls", type=int, default=5_000, help="calls of a row in a repetition (default 5000)")
    group.add_argument("--hosted-repetitions", type=int, default=7, help="repetitions (default 7)")
    group.add_argument("--hosted-wakes", type=int, default=30, help="wakes of each row (default 30)")
    group.add_argument("--hosted-files", type=int, default=20, help="files of a folder that is restored (default 20)")
    group.add_argument("--hosted-file-bytes", type=int, default=16_384, help="bytes of each (default 16384)")


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    program = context.folder / "echo_stdio"
    subprocess.run(["cc", "-O2", "-o", str(program), str(_SOURCE)], check=True)
    parts: list[Table | str] = [*_calls(context, arguments, program), *_wakes(context, arguments, program)]
    where = "all on cores that the scheduler chooses"
    if context.server_cpu is not None:
        where = "Torpor and the hosted server pinned to one core and the load to another"
    method = (
        "A stdio server in C that echoes, hosted by `torpor serve -- echo_stdio`, and the same program at the end of a "
        f"pipe, {where}. CPU is user and system time of Torpor, its warden and the keepers per call; that of the "
        "hosted server is left out, and nothing is subtracted. Latency is from sending the request until its answer "
        "has been read, and "
        "'beyond the pipe' is the difference of the medians in the same repetition."
    )
    return Section(title="Hosting", method=method, parts=parts)


# Programs


def _target(context: Context, name: str, admin: int, program: Path, *options: str) -> Target:
    store = f"sqlite:{context.folder}/hosting-{name.replace(' ', '-')}.db"
    command = (
        context.torpor.command[0], "serve", "--port", "{port}", "--admin-port", str(admin), "--store", store,
        "--event-loops", "1", *options, "--", str(program),
    )
    return Target(f"torpor, {name}", command)


class Pipe:
    """The server at the end of a pipe, nothing between; use it as a context manager."""

    def __init__(self, context: Context, program: Path, folder: Path) -> None:
        self.command = [str(program)]
        if context.server_cpu is not None:
            self.command = ["taskset", "-c", str(context.server_cpu), *self.command]
        self.folder = folder

    def __enter__(self) -> "Pipe":
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, bufsize=0
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, request: bytes) -> bytes:
        os.write(self.input, request)
        answer = os.read(self.output, 65536)
        while not answer.endswith(b"\n"):
            more = os.read(self.output, 65536)
            if not more:
                raise BenchmarkError(f"the server at the pipe ended after {answer!r}")
            answer += more
        return answer


def _message(identifier: int, method: str, params: dict[str, object]) -> bytes:
    """As Torpor writes it to a child."""
    request = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


_INITIALIZE = _message(1, "initialize", dict(messages.initialize().body["params"]))  # type: ignore[call-overload]


# Calls


@dataclass(frozen=True)
class Sample:
    """One run of one row."""

    latency: float
    """Seconds, the median."""
    cpu: float | None
    """Seconds per call."""


def _calls(context: Context, arguments: argparse.Namespace, program: Path) -> list[Table | str]:
    samples: dict[str, list[Sample]] = defaultdict(list)
    count = arguments.hosted_calls
    with ExitStack() as stack:
        server = stack.enter_context(Server(_target(context, "calls", 0, program), context.server_cpu))
        pipe = stack.enter_context(Pipe(context, program, context.folder))
        stack.enter_context(context.on_load_cpu())
        pipe.ask(_INITIALIZE)
        handle = _handle(server.port)
        modern = messages.modern_call("echo", {"message": messages.MESSAGE, _HANDLE: handle})
        session = messages.legacy_call("echo").in_session(open_sessions(server.port, 1)[0])
        clients = {
            (name, at_once): stack.enter_context(Client.of(server, at_once))
            for name in ("2026-07-28, by handle", "2025-11-25, in a session")
            for at_once in (1, 16)
        }
        rows: dict[str, Callable[[], Sample]] = {"the pipe": lambda: _piped(pipe, count)}
        for (name, at_once), client in clients.items():
            request = modern if name.startswith(messages.MODERN) else session
            client.call(request, at_once)  # starts the child, which no row may have in it
            shown = name if at_once == 1 else f"{name}, {at_once} at once"
            rows[shown] = lambda client=client, request=request: _hosted(server, client, request, program, count)
        for row in rows.values():
            row()  # a warm-up
        for repetition in range(arguments.hosted_repetitions):
            context.progress(f"hosting: calls, repetition {repetition + 1} of {arguments.hosted_repetitions}")
            for name in rows if repetition % 2 == 0 else reversed(rows):
                samples[name].append(rows[name]())
    table = []
    for name, runs in samples.items():
        beyond = [run.latency - base.latency for run, base in zip(runs, samples["the pipe"], strict=True)]
        is_base, is_sequential = name == "the pipe", "at once" not in name
        table.append(
            (
                name,
                "" if is_base else spread([(run.cpu or 0) * 1e6 for run in runs], "{:.0f}".format),
                spread([run.latency * 1e3 for run in runs], "{:.3f}".format) if is_sequential else "",
                "" if is_base or not is_sequential else spread([each * 1e3 for each in beyond], "{:.3f}".format),
            )
        )
    text = (
        f"{count:,} calls of `echo` in a row, {arguments.hosted_repetitions} repetitions, the order reversed in every "
        "second one; one call after another, and 16 connections that send one call each and wait for all. Every answer "
        "is checked."
    )
    return [text, Table(("row", "CPU µs/call", "p50 ms", "p50 beyond the pipe, ms"), table)]


def _piped(pipe: Pipe, count: int) -> Sample:
    latencies = []
    for identifier in range(messages.FIRST_ID, messages.FIRST_ID + count):
        request = _message(identifier, "tools/call", {"name": "echo", "arguments": {"message": messages.MESSAGE}})
        began = time.perf_counter()
        answer = pipe.ask(request)
        latencies.append(time.perf_counter() - began)
        message = json.loads(answer)
        if message["id"] != identifier or message["result"]["content"][0]["text"] != messages.MESSAGE:
            raise BenchmarkError(f"a wrong answer at the pipe: {answer!r}")
    return Sample(median(latencies), None)


def _hosted(server: Server, client: Client, request: messages.Request, program: Path, count: int) -> Sample:
    host = _host_processes(server.pid, program)
    before = sum(own_cpu_seconds(pid) for pid in host)
    latencies = client.timed_call(request, count)
    used = sum(own_cpu_seconds(pid) for pid in host) - before
    if _host_processes(server.pid, program) != host:
        raise BenchmarkError("a child came or went while calls were measured")
    return Sample(median(latencies), used / count)


def _host_processes(root: int, program: Path) -> list[int]:
    """Torpor and its helpers: what runs below it and is not the hosted server."""
    return sorted(pid for pid in process_tree(root) if not os.path.samefile(f"/proc/{pid}/exe", program))


def _post(port: int, request: messages.Request) -> tuple[dict[str, object], http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WAIT_SECONDS)
    try:
        head, body = request.template(port).replace(b"{id}", str(messages.FIRST_ID).encode()).split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        connection.request("POST", "/mcp", body, fields)
        response = connection.getresponse()
        message = json.loads(response.read())
        if "result" not in message:
            raise BenchmarkError(f"a call failed: {message}")
        return message["result"], response
    finally:
        connection.close()


def _handle(port: int) -> str:
    """The handle that a call without one is given."""
    result, _ = _post(port, messages.modern_call("echo"))
    return str(result["_meta"]["torpor/handle"])  # type: ignore[index]


# Wakes


def _wakes(context: Context, arguments: argparse.Namespace, program: Path) -> list[Table | str]:
    files, size, count = arguments.hosted_files, arguments.hosted_file_bytes, arguments.hosted_wakes
    seconds: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ports = {"plain": free_port(), "spare": free_port()}
        idle = ("--child-idle-timeout", "1s")
        servers = {
            "plain": _target(context, "wakes", ports["plain"], program, *idle),
            "spare": _target(context, "wakes with a spare", ports["spare"], program, *idle, "--spares", "1", "--keep-folders", "false"),
        }
        running = {name: stack.enter_context(Server(target, context.server_cpu)) for name, target in servers.items()}
        stack.enter_context(context.on_load_cpu())
        empty = {name: _Sleeper(server, ports[name], name == "spare") for name, server in running.items()}
        full = _Sleeper(running["plain"], ports["plain"], False)
        full.fill(files, size)
        kept = f"{files} files, {files * size // 1024:,} KiB"
        rows: dict[str, Callable[[], float]] = {
            "its own start, at a pipe": lambda: _own_start(context, program),
            "wake, no files": lambda: empty["plain"].wake(),
            f"wake, {kept}": lambda: full.wake(),
            "a new handle": lambda: empty["plain"].begin(),
            "wake, no files, warm spare": lambda: empty["spare"].wake(),
            "a new handle, warm spare": lambda: empty["spare"].begin(),
        }
        for number in range(-1, count):
            context.progress(f"hosting: wake {number + 1} of {count}")
            for name in rows if number % 2 == 0 else reversed(rows):
                took = rows[name]()
                if number >= 0:  # the first is a warm-up
                    seconds[name].append(took)
    own = seconds["its own start, at a pipe"]
    table = []
    for name, runs in seconds.items():
        beyond = [(run - base) * 1e3 for run, base in zip(runs, own, strict=True)]
        difference = "" if runs is own else spread(beyond, "{:.1f}".format)
        table.append((name, spread([run * 1e3 for run in runs], "{:.1f}".format), difference))
    text = (
        f"The first call of a key whose child has been stopped, {count} times each, in turn. The server's own start is "
        "from starting the program until it has answered `initialize` at a pipe; a wake has the call in it besides, "
        "and the files of its folder are restored before, which is looked at afterwards. A spare is ready before the "
        "call is made; it has no folder to wake with, since it starts before it is known whose that would be."
    )
    return [text, Table(("row", "ms", "beyond its own start, ms"), table)]


def _own_start(context: Context, program: Path) -> float:
    began = time.perf_counter()
    with Pipe(context, program, context.folder) as pipe:
        pipe.ask(_INITIALIZE)
        return time.perf_counter() - began


class _Sleeper:
    """A handle whose child sleeps between calls."""

    def __init__(self, server: Server, admin: int, has_spare: bool) -> None:
        self.port, self.admin, self.has_spare = server.port, admin, has_spare
        self.handle = _handle(self.port)
        self.files = 0

    def fill(self, files: int, size: int) -> None:
        self.call("fill", {"files": files, "bytes": size}, "filled")
        self.files = files

    def call(self, tool: str, values: dict[str, object], answer: str) -> None:
        result, _ = _post(self.port, messages.modern_call(tool, values | {_HANDLE: self.handle}))
        if result["content"][0]["text"] != answer:  # type: ignore[index]
            raise BenchmarkError(f"a wrong answer: {result}")

    def wake(self) -> float:
        """Seconds that the first call takes."""
        self._rest()
        with _stopwatch() as took:
            self.call("echo", {"message": messages.MESSAGE}, messages.MESSAGE)
        self.call("count", {}, str(self.files))  # what was restored is there
        return took[0]

    def begin(self) -> float:
        """Seconds that the first call of a new handle takes."""
        self._rest()
        with _stopwatch() as took:
            _handle(self.port)
        return took[0]

    def _rest(self) -> None:
        """Waits until nobody has a child, and a spare is there if there may be one."""
        deadline = time.monotonic() + _WAIT_SECONDS
        wanted = int(self.has_spare)
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=_WAIT_SECONDS) as response:
                phases = {name: int(value) for name, value in _PHASE.findall(response.read().decode())}
            if phases.pop("spare", 0) == wanted and not any(phases.values()):
                return
            if time.monotonic() > deadline:
                raise BenchmarkError(f"children do not come to rest: {phases}")
            time.sleep(0.02)


@contextmanager
def _stopwatch() -> Iterator[list[float]]:
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)
