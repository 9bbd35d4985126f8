"""Measures what one caller is left by another one who floods, and what health checks are left by a saturated endpoint.

The flood is wrk's. The server has a processor of its own where there are two; whoever is measured shares the other one
with the flood, which yields it: what is measured is the server, not who of its clients is scheduled first. It is measured
alone and beside the flood in turns.
"""

import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from good import message_in
from raw import META, modern_fields
from target import Server, percentile, token_file

FLOOD_CONNECTIONS = 64
CALLS_A_SECOND = 50
TOOLS = {"echo": {"message": "x"}, "echo_async": {"message": "x"}, "spin": {"milliseconds": 1}}
MEMORY = 4 << 30


def main(options):
    if not shutil.which("wrk"):
        print("load: this needs wrk", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="torpor-load-") as folder:
        measure = fairness if options.fairness else health
        measure(options, folder)
    return 0


@contextlib.contextmanager
def serving(options, folder):
    """A server on the first processor, and the tokens of two principals."""
    path, tokens = token_file(folder, ("ada", "mallory"))
    arguments = (
        "--server", "bench", "--store", "memory:", "--auth", f"token-file={path}", "--event-loops", "1",
        "--drain-delay", "0", "--log-level", "error",
    )
    processors = os.sched_getaffinity(0)
    first, *others = sorted(processors)
    # The server knows from its start how many processors it has.
    os.sched_setaffinity(0, [first])
    server = Server(options.binary, arguments, folder, MEMORY, uses_group=False)
    try:
        os.sched_setaffinity(0, others or [first])
        yield server, tokens
    finally:
        server.discard()
        os.sched_setaffinity(0, processors)


@contextlib.contextmanager
def flood(server, token, name, seconds, folder):
    """wrk, calling one tool on many connections while the body of this runs."""
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    fields |= modern_fields("tools/call", name)
    script = os.path.join(folder, "call.lua")
    with open(script, "w") as file:
        file.write('wrk.method = "POST"\n')
        file.write(f"wrk.body = [==[{body_of(name, 1)}]==]\n")
        file.writelines(f'wrk.headers["{field}"] = "{value}"\n' for field, value in fields.items())
    command = [
        "nice", "-n", "19", "wrk", "-t", "1", "-c", str(FLOOD_CONNECTIONS), "-d", f"{round(seconds) + 30}s", "--timeout", "30s",
        "-s", script, f"http://127.0.0.1:{server.port}/mcp",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def body_of(name, number):
    params = {"name": name, "arguments": TOOLS[name], "_meta": META}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


class Caller(threading.Thread):
    """Calls one tool at a modest rate over a connection of its own, and notes how long each answer takes."""

    def __init__(self, server, token, name, seconds):
        super().__init__()
        self.server, self.token, self.name_of_tool = server, token, name
        self.seconds = seconds
        self.times = []
        self.refused = 0

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        fields = {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
        } | modern_fields("tools/call", self.name_of_tool)
        end = time.monotonic() + self.seconds
        number = 0
        with contextlib.closing(connection):
            while (sent := time.monotonic()) < end:
                number += 1
                connection.request("POST", "/mcp", body_of(self.name_of_tool, number), fields)
                response = connection.getresponse()
                data = response.read()
                if response.status == 200:
                    headers = {name.lower(): value for name, value in response.getheaders()}
                    assert message_in(headers, data)["id"] == number
                    self.times.append(time.monotonic() - sent)
                else:
                    self.refused += 1
                # The pace of the caller, who waits for each answer before the next call.
                time.sleep(max(0, sent + 1 / CALLS_A_SECOND - time.monotonic()))


def called(server, token, name, connections, seconds):
    """The p99 of a caller, and how often it was refused."""
    callers = [Caller(server, token, name, seconds) for _ in range(connections)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    times = sorted(second for caller in callers for second in caller.times)
    return percentile(times, 0.99), sum(caller.refused for caller in callers)


def fairness(options, folder):
    """p99 of one principal alone and beside another one's flood, by tool and by its number of connections."""
    print(f"flood of {FLOOD_CONNECTIONS} connections; at most {CALLS_A_SECOND} calls a second on each connection of the caller;")
    print(f"medians of {options.repetitions} repetitions of {options.seconds:g} s, alone and flooded in turns\n")
    print("| tool | connections | p99 alone, ms | p99 flooded, ms | ratio | refused |")
    print("| - | -: | -: | -: | -: | -: |")
    with serving(options, folder) as (server, tokens):
        for name in TOOLS:
            for connections in (1, 4):
                called(server, tokens["ada"], name, connections, 0.5)
                alone, flooded, refused = [], [], 0
                for _ in range(options.repetitions):
                    alone.append(called(server, tokens["ada"], name, connections, options.seconds)[0])
                    with flood(server, tokens["mallory"], name, options.seconds, folder):
                        p99, count = called(server, tokens["ada"], name, connections, options.seconds)
                    flooded.append(p99)
                    refused += count
                ratio = statistics.median(each / base for each, base in zip(flooded, alone, strict=True) if base)
                print(
                    f"| {name} | {connections} | {statistics.median(alone) * 1_000:.2f} | "
                    f"{statistics.median(flooded) * 1_000:.2f} | {ratio:.1f} | {refused} |", flush=True,
                )


def health(options, folder):
    """p99 of /livez alone and while the endpoint is flooded, by tool."""
    print(f"flood of {FLOOD_CONNECTIONS} connections; medians of {options.repetitions} repetitions, in turns\n")
    print("| tool | p99 alone, ms | p99 flooded, ms | longest, ms | not 200 |")
    print("| - | -: | -: | -: | -: |")
    with serving(options, folder) as (server, tokens):
        for name in TOOLS:
            alone, flooded, longest, bad = [], [], 0.0, 0
            for _ in range(options.repetitions):
                alone.append(checked(server, options.seconds)[0])
                with flood(server, tokens["mallory"], name, options.seconds, folder):
                    p99, most, count = checked(server, options.seconds)
                flooded.append(p99)
                longest, bad = max(longest, most), bad + count
            print(
                f"| {name} | {statistics.median(alone) * 1_000:.2f} | {statistics.median(flooded) * 1_000:.2f} | "
                f"{longest * 1_000:.1f} | {bad} |", flush=True,
            )


def checked(server, seconds):
    """The p99 and the longest of health checks at a hundred a second, and how many said anything but 200."""
    times, bad = [], 0
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=30)
    end = time.monotonic() + seconds
    with contextlib.closing(connection):
        while (sent := time.monotonic()) < end:
            connection.request("GET", "/livez")
            response = connection.getresponse()
            response.read()
            bad += response.status != 200
            times.append(time.monotonic() - sent)
            time.sleep(max(0, sent + 0.01 - time.monotonic()))
    times.sort()
    return percentile(times, 0.99), times[-1], bad
