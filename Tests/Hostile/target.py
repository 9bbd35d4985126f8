"""The server under attack, in a control group of its own where there may be one, and under watch."""

import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

GROUPS = pathlib.Path("/sys/fs/cgroup/memory")
SAMPLE_SECONDS = 0.05
EXIT_LIMIT = 60.0
PAGE = os.sysconf("SC_PAGE_SIZE")


class Broken(Exception):
    """The server did not keep a promise."""


def until(probe, what, limit):
    """The first true value of `probe()`. For what can only be asked for: the state of another process."""
    deadline = time.monotonic() + limit
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise Broken(f"not within {limit:g} s: {what()}")
        time.sleep(SAMPLE_SECONDS)
    return value


class Server:
    """One `torpor serve`, and a thread that samples its memory.

    `limit_bytes` is the most memory that the process may have. A control group enforces it, where this process may make
    one; the kernel kills a server that takes more. `has_group` tells whether.
    """

    def __init__(self, binary, arguments, folder, limit_bytes, uses_group=True):
        self.binary = binary
        self.arguments = arguments
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.group = self._make_group() if uses_group else None
        self.log = open(os.path.join(folder, "server.log"), "w+b")
        self.peak = 0
        self.start()

    def _make_group(self):
        group = GROUPS / f"torpor-hostile-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            group.mkdir()
            (group / "memory.limit_in_bytes").write_text(str(self.limit_bytes))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            return None
        return group

    @property
    def has_group(self):
        return self.group is not None

    def start(self):
        command = [self.binary, "serve", "--port", "0", "--admin-port", "0", *self.arguments]
        if self.group:
            enter = f"echo $$ > {self.group}/cgroup.procs && exec \"$@\""
            command = ["/bin/sh", "-c", enter, "sh", *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}
        admin = free_port()
        command[command.index("--admin-port") + 1] = str(admin)
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=environment
        )
        self.admin_port = admin
        for line in self.process.stdout:
            if b"  MCP " in line:
                self.port = int(line.decode().rsplit(":", 1)[1].split("/")[0])
                break
        else:
            raise Broken(f"the server did not start: {self.output()}")
        # Nobody reads the rest of the banner; it fits into the pipe.
        until(self._answers, lambda: "the admin port answers", 20)
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _answers(self):
        with contextlib.suppress(OSError):
            return self.metrics()

    def _watch(self):
        while not self._watching.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, self.resident_bytes)

    @property
    def resident_bytes(self):
        try:
            return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):
            return 0

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metrics(self):
        """The metrics without labels, by name."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as response:
            text = response.read().decode()
        return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, re.MULTILINE)}

    def output(self):
        """The last that the server printed."""
        self.log.seek(0, 2)
        self.log.seek(max(0, self.log.tell() - 3_000))
        return self.log.read().decode("utf-8", "replace").strip()

    def expect_alive(self):
        if self.process.poll() is not None:
            killed = " by the kernel, out of memory" if self.was_killed_for_memory else ""
            raise Broken(f"the server ended{killed} with {self.process.returncode}: {self.output()[-600:]}")

    @property
    def was_killed_for_memory(self):
        if not self.group or self.process.poll() != -signal.SIGKILL:
            return False
        text = (self.group / "memory.oom_control").read_text()
        return "oom_kill 0" not in text

    def expect_below_limit(self):
        """With a group the kernel sees to it; pages of files that it counts elsewhere are resident besides."""
        if not self.group and self.peak > self.limit_bytes:
            raise Broken(f"{mebibytes(self.peak)} MiB were resident, the limit is {mebibytes(self.limit_bytes)}")

    def stop(self):
        """Sends SIGTERM and gives the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(EXIT_LIMIT)
        except subprocess.TimeoutExpired:
            raise Broken(f"the server did not end within {EXIT_LIMIT:g} s: {self.output()[-600:]}") from None
        finally:
            self._watching.set()

    def discard(self):
        """Kills what still runs, and takes the control group away."""
        self._watching.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()


class Good:
    """The process of the well-behaved clients."""

    def __init__(self, server, name, tokens, may_end=False):
        """`may_end` tells that the server may end, and that clients then just stop."""
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "good.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        settings = {"port": server.port, "admin_port": server.admin_port, "server": name, "tokens": tokens}
        settings["may_end"] = may_end
        self.process.stdin.write(json.dumps(settings) + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ready\n":
            raise Broken("the well-behaved clients did not start")

    def finish(self):
        """Ends them and gives what they met, by kind."""
        output, _ = self.process.communicate(timeout=120)
        return {report["kind"]: report for report in json.loads(output)}

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def token_file(folder, principals):
    """Writes a token for each principal; gives the path and the tokens."""
    tokens = {principal: secrets.token_urlsafe(32) for principal in principals}
    path = pathlib.Path(folder) / "tokens"
    path.write_text("".join(f"{principal} {token}\n" for principal, token in tokens.items()))
    path.chmod(0o600)
    return path, tokens


def mebibytes(count):
    return round(count / (1 << 20), 1)


def percentile(ordered, share):
    """The value below which so large a share lies; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def scratch():
    return tempfile.mkdtemp(prefix="torpor-hostile-")
