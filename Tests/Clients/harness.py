"""Starts the real server, runs trials against it, and says of each in one line whether it passed.

A trial is a function whose name is a sentence. It passes when it returns and fails when it raises.
"""

import argparse
import asyncio
import contextlib
import http.client
import inspect
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

import transcript as transcripts

START_LIMIT = 20.0  # seconds a server may take until it listens
TRIAL_LIMIT = 60.0  # seconds one trial may take
EXIT_LIMIT = 45.0  # seconds a server may take from SIGTERM to its end: drain delay and grace period
EVENT_LIMIT = 15.0  # seconds that something expected may take to happen


class Failure(AssertionError):
    """A trial's expectation that did not hold."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(actual, expected, what):
    expect(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


class Skipped(Exception):
    """What a trial needs is not here; the text says what."""


def until(probe, what, limit=EVENT_LIMIT):
    """Returns the first true value of `probe()`. For what can only be asked for: the state of another process.

    `what` says what is waited for: a text, or a function that makes one when the time is over.
    """
    deadline = time.monotonic() + limit
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise Failure(f"not within {limit:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


async def eventually(probe, what, limit=EVENT_LIMIT):
    """`until` for asynchronous trials; `probe` runs on another thread."""
    return await asyncio.to_thread(until, probe, what, limit)


class Server:
    """One `torpor serve` process on loopback ports of its own, killed at the end.

    `arguments` follow the ports. Unless they name a store, the process keeps nothing on disk, so killing it loses nothing.
    """

    def __init__(self, binary, *arguments):
        self.binary = binary
        self.arguments = arguments
        self.port, self.admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.log = tempfile.TemporaryFile()
        self.start()

    def start(self):
        """Starts the process: at first, and again after its end, at the same ports."""
        ports = ("--port", str(self.port), "--admin-port", str(self.admin_port))
        self.process = subprocess.Popen(
            [self.binary, "serve", "--store", "memory:", *ports, *self.arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_listens(self):
        """Another process cannot be awaited but by asking: connects again and again, within `START_LIMIT`."""
        deadline = time.monotonic() + START_LIMIT
        for port in (self.port, self.admin_port):
            while True:
                if self.process.poll() is not None:
                    raise Failure(
                        f"the server ended with {self.process.returncode} before it listened: {self.output()}"
                    )
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                if time.monotonic() > deadline:
                    raise Failure(f"no one listens on port {port} after {START_LIMIT:g} s: {self.output()}")
                time.sleep(0.02)

    @property
    def resident_bytes(self):
        """The resident set of the process, as the kernel counts it."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def anonymous_bytes(self):
        """What is resident and no file's: without code that runs for the first time."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    def gauges(self):
        """The metrics without labels, by name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, re.MULTILINE)}

    def gauge(self, name):
        gauges = self.gauges()
        expect(name in gauges, f"the server has no metric {name}")
        return gauges[name]

    def expect_gauge(self, name, value, limit=EVENT_LIMIT):
        """Waits until a gauge has a value: soon, but not at once, the server learns of what a client did."""
        until(lambda: self.gauge(name) == value, lambda: f"{name} is {value:g}; {self.gauges()}", limit)

    def output(self):
        """What the server printed so far, at most its last 2,000 bytes."""
        self.log.seek(0, 2)
        self.log.seek(max(0, self.log.tell() - 2000))
        return self.log.read().decode("utf-8", "replace").strip()

    def sessions(self, *arguments):
        """What `torpor sessions` prints, asked of this server."""
        admin = ("--admin-url", f"http://127.0.0.1:{self.admin_port}")
        command = [self.binary, "sessions", *arguments, *admin]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=EVENT_LIMIT)
        expect_equal(done.returncode, 0, f"status of {command[1:]} ({done.stderr})")
        return done.stdout

    def terminate(self):
        """Sends SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """The exit code, once the process has ended."""
        return self.process.wait(EXIT_LIMIT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def environment():
    """What a program is started with. It refuses settings that it does not know; those of the tests are not for it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}


def free_ports(count):
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Servers:
    """The servers that trials share, each started when first asked for."""

    PRINCIPALS = ("alice", "bob")

    def __init__(self, binary):
        self.binary = binary
        self.tokens = {principal: secrets.token_urlsafe(32) for principal in self.PRINCIPALS}
        self._stack = contextlib.ExitStack()
        self._started = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def start(self, *arguments):
        """A server for the caller alone."""
        server = Server(self.binary, *arguments)
        self._stack.callback(server.kill)
        return server

    def _shared(self, name, *arguments):
        if name not in self._started:
            self._started[name] = self.start(*arguments)
        return self._started[name]

    @property
    def bench(self):
        """The `bench` server, open to everyone."""
        return self._shared("bench", "--server", "bench")

    @property
    def conformance(self):
        """The `conformance` server, open to everyone."""
        return self._shared("conformance", "--server", "conformance")

    @property
    def workbench(self):
        """The `workbench` server that knows the principals in `tokens` and nobody else."""
        return self._shared("workbench", "--server", "workbench", "--auth", f"token-file={self._token_file()}")

    @property
    def open_workbench(self):
        """The `workbench` server, open to everyone."""
        return self._shared("open_workbench", "--server", "workbench")

    @property
    def guarded(self):
        """The `bench` server that knows the principals in `tokens` and nobody else."""
        return self._shared("guarded", "--server", "bench", "--auth", f"token-file={self._token_file()}")

    def _token_file(self):
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="torpor-trials-"))
        path = pathlib.Path(folder) / "tokens"
        lines = [f"{principal} {token}\n" for principal, token in self.tokens.items()]
        path.write_text("# The principals of the trials.\n" + "".join(lines))
        path.chmod(0o600)
        return path


class Trials:
    """Trials in the order in which they were written, each with what its function needs."""

    def __init__(self):
        self._functions = []

    def __call__(self, function):
        self._functions.append(function)
        return function

    def bound(self, group, *arguments):
        """Pairs of a trial's full name and a call of it with `arguments`."""
        for function in self._functions:
            yield f"{group}: {function.__name__.replace('_', ' ')}", lambda function=function: function(*arguments)


def run(name_and_call):
    """Runs trials, prints a line for each, and returns how many failed."""
    failed = 0
    for name, call in name_and_call:
        try:
            result = call()
            if inspect.isawaitable(result):
                asyncio.run(within_limit(result))
        except Skipped as missing:
            print(f"skip {name}: {missing}", flush=True)
        except Exception as error:  # a trial may fail in any way; `KeyboardInterrupt` still ends the run
            failed += 1
            print(f"FAIL {name}: {reason(error)}", flush=True)
        else:
            print(f"ok {name}", flush=True)
    return failed


async def within_limit(awaitable):
    async with asyncio.timeout(TRIAL_LIMIT):
        await awaitable


def leaves(error):
    """The errors in a group of groups, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def reason(error):
    """An error as one line."""
    texts = [str(leaf) if isinstance(leaf, Failure) else f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error)]
    return " ".join("; ".join(texts).split())[:800]


def main(source, trials, httpx=None):
    """The `main` of a file of trials: `trials(servers, transcript)` yields names and calls. Returns the exit code."""
    parser = argparse.ArgumentParser(description=f"The {source} trials.")
    parser.add_argument("binary", nargs="?", default=".build/debug/torpor")
    binary = pathlib.Path(parser.parse_args().binary)
    if not binary.exists():
        print(f"FAIL {source}: there is no {binary}")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    transcript = transcripts.from_environment(source)
    if httpx is not None:
        transcripts.record_httpx(transcript, httpx)
    with Servers(str(binary.resolve())) as servers:
        return 1 if run(trials(servers, transcript)) else 0
