#!/usr/bin/env python3
"""Kills `torpor serve` while clients write, starts it again, and looks whether anything acknowledged is gone.

    Tests/Crash/crash.py [--binary PATH] [--kills N] [--writes N] [--seconds S] [--clients N] [--seed N] [SCENARIO...]

Each client has objects of its own and writes to one after the other, in one of the two eras: a counter that it
increments, and texts that it puts. It knows what was acknowledged, and what may or may not have happened because no
answer came. After each restart it goes on; what it is answered must fit what it knows. Scenarios:

    kill     SIGKILL at random instants
    disk     the same on a small file system that is filled and emptied (needs root)
    lock     the database locked by another process for a while
    clock    civil time jumps by up to two days, forth and back, also while the server is down (needs a C compiler)

A run ends when both --kills and --writes are reached, or with an error after --seconds. Prints a table; the last line is
`N passed, N failed`, and the exit status is 1 when anything failed.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

REVISION = "2026-07-28"
LEGACY = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Lost(Exception):
    """Something acknowledged is gone, or half of something is there."""


class Refused(Exception):
    """The server answered that it could not do it: nothing has changed, or it says that it is undone."""


class Server:
    """The program, on a port of its own; killed and started again."""

    def __init__(self, binary, folder, environment=None):
        self.binary = binary
        self.folder = folder
        self.environment = environment
        self.process = None
        self.port = None
        self.starts = 0
        self.slowest_start = 0.0
        self.log = open(os.path.join(folder, "server.log"), "ab")

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                self.binary, "serve", "--server", "bench", "--port", str(self.port or 0), "--admin-port", "0",
                "--store", "sqlite:" + os.path.join(self.folder, "torpor.db"), "--log-level", "warning",
                "--drain-delay", "0",
            ],
            stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(self.environment or {})},
        )
        for line in self.process.stdout:
            if b"  MCP " in line:
                self.port = int(line.decode().rsplit(":", 1)[1].split("/")[0])
                break
        else:
            raise SystemExit(f"the server did not start; see {self.log.name}")
        # Nobody reads the rest of the banner; it fits into the pipe.
        self.starts += 1
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Lost("the server did not stop within a minute")


class Client(threading.Thread):
    """Writes and checks, until it is told to stop."""

    def __init__(self, number, server, seed, done, keys=4):
        super().__init__(daemon=True)
        self.keys = keys
        self.number = number
        self.server = server
        self.random = random.Random(seed * 1_000 + number)
        self.done = done
        self.is_modern = number % 2 == 0
        self.connection = None
        self.session = None
        self.handle = None
        # Of the counter: what was acknowledged, and how many increments may or may not have happened since.
        self.low = 0
        self.open = 0
        # Of each text: the acknowledged version, and the last that was tried.
        self.texts = {}
        self.acknowledged = 0
        self.refused = 0
        self.unanswered = 0
        self.failure = None
        self.requests = 0

    def run(self):
        try:
            while not self.done.is_set():
                try:
                    self.step()
                except (OSError, http.client.HTTPException):
                    self.unanswered += 1
                    self.disconnect()
                    # The server is down; it comes back.
                    self.done.wait(0.02)
                except Refused:
                    self.refused += 1
                    self.done.wait(0.05)
        except Exception as error:
            self.failure = error
            self.done.set()

    def step(self):
        if self.is_modern and self.handle is None:
            self.handle = self.call("create")
            return
        if not self.is_modern and self.session is None:
            self.open_session()
            return
        choice = self.random.random()
        if choice < 0.6:
            self.increment()
        elif choice < 0.9:
            self.put("text%d" % self.random.randrange(self.keys))
        else:
            self.check()

    def increment(self):
        self.open += 1
        value = int(self.call("increment", by=1))
        if not self.low + 1 <= value <= self.low + self.open:
            raise Lost(f"client {self.number} counted {value}, known: {self.low} and {self.open} open")
        self.low, self.open = value, 0
        self.acknowledged += 1

    def put(self, key):
        low, last = self.texts.get(key, (0, 0))
        self.texts[key] = (low, last + 1)
        self.call("put", key=key, value=self.text(key, last + 1))
        self.texts[key] = (last + 1, last + 1)
        self.acknowledged += 1

    def text(self, key, version):
        # Long ones now and then, so that half of one would show.
        length = 20_000 if version % 50 == 0 or self.keys > 4 and self.random_of(key) else 200
        return f"{self.number}/{key}/{version}:" + str(version % 10) * length

    def random_of(self, key):
        return int(key[4:]) % 3 == 0

    def check(self):
        """What is there fits what is known."""
        value = int(self.call("increment", by=0))
        if not self.low <= value <= self.low + self.open:
            raise Lost(f"client {self.number} has {value}, known: {self.low} and {self.open} open")
        self.low, self.open = value, 0
        known = [(key, versions) for key, versions in self.texts.items() if versions[0] > 0]
        for key, (low, last) in self.random.sample(known, min(len(known), 20)):
            text = self.call("get", key=key)
            version = int(text.split(":", 1)[0].rsplit("/", 1)[1])
            if text != self.text(key, version) or not low <= version <= last:
                raise Lost(f"client {self.number} has version {version} of {key}, known: {low} to {last}")
            self.texts[key] = (version, version)

    # The protocol

    def open_session(self):
        answer, headers = self.post(
            {
                "jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
            },
            {},
        )
        self.session = headers["mcp-session-id"]

    def call(self, tool, **arguments):
        self.requests += 1
        params = {"name": tool, "arguments": arguments}
        headers = {}
        if self.is_modern:
            if self.handle is not None:
                arguments["handle"] = self.handle
            params["_meta"] = META
            headers = {"MCP-Protocol-Version": REVISION, "Mcp-Method": "tools/call", "Mcp-Name": tool}
        else:
            headers = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": self.session}
        answer, _ = self.post(
            {"jsonrpc": "2.0", "id": self.requests, "method": "tools/call", "params": params}, headers
        )
        if answer.get("id") != self.requests:
            raise Lost(f"client {self.number} asked {self.requests} and was answered {answer.get('id')}")
        result = answer.get("result")
        if result is None:
            raise Refused(answer["error"]["message"])
        text = result["content"][0]["text"]
        if result.get("isError"):
            if "handle" in text or "session" in text.lower():
                raise Lost(f"client {self.number}: {text}")
            raise Refused(text)
        return text

    def post(self, message, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        self.connection.request(
            "POST", "/mcp", json.dumps(message),
            {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers},
        )
        response = self.connection.getresponse()
        body = response.read()
        if response.status == 404:
            raise Lost(f"client {self.number}: the session is gone")
        return json.loads(body), {name.lower(): value for name, value in response.getheaders()}

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Scenario:
    """One campaign: clients, a server, and what is done to it."""

    name = ""
    # How many texts each client has.
    keys = 4

    def __init__(self, options, folder):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = folder
        self.server = Server(options.binary, folder, self.environment())
        self.done = threading.Event()
        self.kills = 0

    def environment(self):
        return {}

    def prepare(self):
        pass

    def disturb(self):
        """What happens between two kills."""
        self.wait(self.random.uniform(0.05, self.options.pause))

    def settle(self):
        """Undoes what disturbs, before all is checked for the last time."""

    def wait(self, seconds):
        self.done.wait(seconds)

    def run(self):
        began = time.monotonic()
        self.prepare()
        self.server.start()
        clients = [
            Client(n, self.server, self.options.seed, self.done, self.keys) for n in range(self.options.clients)
        ]
        for client in clients:
            client.start()
        acknowledged = 0
        while not self.done.is_set():
            self.disturb()
            if self.done.is_set():
                break
            self.server.kill()
            self.kills += 1
            self.server.start()
            acknowledged = sum(client.acknowledged for client in clients)
            if self.kills >= self.options.kills and acknowledged >= self.options.writes:
                break
            if time.monotonic() - began > self.options.seconds:
                self.failure = f"not done within {self.options.seconds} s"
                break
        self.done.set()
        for client in clients:
            client.join(timeout=120)
        self.settle()
        failure = next((client.failure for client in clients if client.failure), None)
        failure = failure or getattr(self, "failure", None)
        if failure is None:
            failure = self.check_all(clients)
        status = self.server.stop()
        if failure is None and status != 0:
            failure = f"the server ended with status {status}"
        return {
            "scenario": self.name,
            "kills": self.kills,
            "acknowledged": sum(client.acknowledged for client in clients),
            "unanswered": sum(client.unanswered for client in clients),
            "refused": sum(client.refused for client in clients),
            "slowest start, ms": round(self.server.slowest_start * 1_000),
            "seconds": round(time.monotonic() - began),
            "failure": None if failure is None else f"{type(failure).__name__}: {failure}",
        }

    def check_all(self, clients):
        """Everybody's objects, by a server that has just been killed and started, on connections of their own."""
        self.server.kill()
        self.kills += 1
        self.server.start()
        for client in clients:
            client.disconnect()
            try:
                client.check()
            except Exception as error:
                return error
        return None


class Kill(Scenario):
    name = "kill"


class Lock(Scenario):
    """Another process locks the database now and then."""

    name = "lock"

    def disturb(self):
        super().disturb()
        if self.random.random() < 0.5:
            connection = sqlite3.connect(os.path.join(self.folder, "torpor.db"), timeout=5, isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
                self.wait(self.random.uniform(0.05, 0.5))
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                pass
            finally:
                connection.close()
            self.wait(0.1)


class Clock(Scenario):
    """Civil time jumps. Within two days of the truth nothing is too old to be kept, whichever way it jumps."""

    name = "clock"
    days_max = 2

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.jumps = 0

    def environment(self):
        self.shift = os.path.join(self.folder, "clock")
        self.set(0)
        library = os.path.join(self.folder, "clock.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock.c")
        compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("gcc")
        if compiler is None:
            raise SystemExit("the scenario clock needs a C compiler")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
        return {"LD_PRELOAD": library, "CRASH_CLOCK": self.shift}

    def set(self, seconds):
        with open(self.shift, "r+b" if os.path.exists(self.shift) else "wb") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    def disturb(self):
        for _ in range(3):
            self.wait(self.random.uniform(0.02, self.options.pause / 3))
            self.set(self.random.randint(-self.days_max * 86_400, self.days_max * 86_400))
            self.jumps += 1

    def settle(self):
        print(f"civil time jumped {self.jumps} times", flush=True)


class Disk(Scenario):
    """The file system fills up and is emptied again."""

    name = "disk"
    size_mebibytes = 24
    # Enough that the database grows all the time.
    keys = 2_000

    def prepare(self):
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.size_mebibytes}m", "torpor-crash", self.folder], check=True
        )
        self.server.log = open(os.path.join(os.path.dirname(self.folder), "disk.log"), "ab")

    def disturb(self):
        super().disturb()
        filler = os.path.join(self.folder, "filler")
        if self.random.random() < 0.6:
            try:
                with open(filler, "wb") as file:
                    while True:
                        file.write(b"x" * 65_536)
                        file.flush()
            except OSError:
                pass
            self.wait(self.random.uniform(0.05, 0.5))
            # The server may be killed while the disk is full.
            if self.random.random() < 0.5:
                self.server.kill()
                self.kills += 1
                os.remove(filler)
                self.server.start()
            else:
                os.remove(filler)
            self.wait(0.2)

    def settle(self):
        filler = os.path.join(self.folder, "filler")
        if os.path.exists(filler):
            os.remove(filler)


SCENARIOS = {scenario.name: scenario for scenario in (Kill, Lock, Disk, Clock)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="*", default=["kill"], choices=sorted(SCENARIOS))
    parser.add_argument("--binary", default=".build/release/torpor")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--writes", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=3.0, help="longest time between two kills, in seconds")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results = []
    for name in options.scenarios:
        outer = tempfile.mkdtemp(prefix="torpor-crash-")
        folder = os.path.join(outer, "store")
        os.mkdir(folder)
        is_well = False
        try:
            results.append(SCENARIOS[name](options, folder).run())
            is_well = results[-1]["failure"] is None
        finally:
            subprocess.run(["umount", folder], stderr=subprocess.DEVNULL)
            if is_well:
                shutil.rmtree(outer)
            else:
                print(f"kept for a look: {outer}", file=sys.stderr)
    columns = list(results[0])
    print("| " + " | ".join(columns) + " |")
    print("|" + " - |" * len(columns))
    for result in results:
        print("| " + " | ".join("none" if value is None else str(value) for value in result.values()) + " |")
    failures = sum(result["failure"] is not None for result in results)
    print(f"\n{len(results) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
