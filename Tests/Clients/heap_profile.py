"""Trials of `torpor heap-profile`: a leak that was planted is found by name, with the tool that people would use."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile

import harness
from harness import Skipped, Trials, expect, expect_equal
from transcript import Transcript
from wire_client import Wire, call

LEAK_BYTES = 1 << 20
LEAKS = 40

trials = Trials()


def torpor(server, *arguments):
    """`torpor heap-profile` against a server, started."""
    admin = ("--admin-url", f"http://127.0.0.1:{server.admin_port}")
    return subprocess.Popen(
        [server.binary, "heap-profile", *arguments, *admin],
        env=harness.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def prepared(servers):
    """A server in which profiles can be taken; the variable is for it alone."""
    before = os.environ.get("MALLOC_CONF")
    os.environ["MALLOC_CONF"] = "prof:true"
    try:
        yield servers.start("--server", "bench")
    finally:
        if before is None:
            del os.environ["MALLOC_CONF"]
        else:
            os.environ["MALLOC_CONF"] = before


def admin(server, method, path):
    """Status and JSON of a page of the admin port."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def is_sampling(server):
    """Whether a profile is being taken, as the server says."""
    status, page = admin(server, "GET", "/debug/heap")
    expect_equal(status, 200, "status of /debug/heap")
    return page["is_sampling"]


def skip_without_jemalloc(server):
    status, page = admin(server, "GET", "/debug/heap")
    if status == 501:
        raise Skipped(page["message"])
    expect_equal(status, 200, "status of /debug/heap")


@trials
def a_server_without_prepared_profiles_says_how_to_prepare_them(servers, transcript):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/heap"
        done = torpor(servers.bench, "--output", path, "--seconds", "1")
        _, errors = done.communicate(timeout=harness.EVENT_LIMIT)
        expect_equal(done.returncode, 1, f"status ({errors})")
        expect("MALLOC_CONF=prof:true" in errors, f"the error says what to do: {errors}")
        expect(not os.path.exists(path), "no file is left")


@trials
def a_profile_of_a_server_with_a_leak_names_the_function_that_leaks(servers, transcript):
    if shutil.which("jeprof") is None:
        raise Skipped("jeprof is not installed (libjemalloc-dev)")
    with tempfile.TemporaryDirectory() as folder, prepared(servers) as server, Wire(server, Transcript()) as wire:
        skip_without_jemalloc(server)
        listed = {tool["name"] for tool in wire.modern("tools/list").result["tools"]}
        if "leak" not in listed:
            raise Skipped("the server bench has no tool that leaks")
        path = f"{folder}/heap"
        profiler = torpor(server, "--output", path, "--seconds", "5", "--sample", "64KiB")
        harness.until(lambda: is_sampling(server), "the profile has begun")
        for _ in range(LEAKS):
            wire.modern("tools/call", call("leak", bytes=LEAK_BYTES))
            wire.modern("tools/call", call("bytes", count=LEAK_BYTES))
        text, errors = profiler.communicate(timeout=harness.EVENT_LIMIT)
        expect_equal(profiler.returncode, 0, f"status ({errors})")
        expect_equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the profile")
        expect(not is_sampling(server), "the server samples no more")
        report = subprocess.run(
            ["jeprof", "--text", "--cum", server.binary, path],
            capture_output=True,
            text=True,
            timeout=harness.TRIAL_LIMIT,
        )
        expect_equal(report.returncode, 0, f"status of jeprof ({report.stderr[-300:]})")
        # flat, flat%, sum%, cumulative, cumulative%, symbol; sizes in MB.
        # What the tool takes memory with; its handler is on the stack until its first suspension only.
        leaking = [line.split() for line in report.stdout.splitlines() if "HeapBlocks" in line]
        held = max((float(words[3]) for words in leaking if len(words) >= 6), default=0)
        expected = LEAKS * LEAK_BYTES / (1 << 20)
        expect(expected * 0.8 <= held <= expected * 1.3, f"of {expected} MB {held} are told: {report.stdout[:2000]}")


@trials
def an_interrupted_profile_ends_the_sampling(servers, transcript):
    with tempfile.TemporaryDirectory() as folder, prepared(servers) as server:
        skip_without_jemalloc(server)
        path = f"{folder}/heap"
        profiler = torpor(server, "--output", path, "--seconds", "600")
        harness.until(lambda: is_sampling(server), "the profile has begun")
        second = torpor(server, "--output", f"{folder}/second", "--seconds", "1")
        _, errors = second.communicate(timeout=harness.EVENT_LIMIT)
        expect_equal(second.returncode, 1, "status of a second profile")
        expect("being taken already" in errors, f"the error says so: {errors}")
        expect(is_sampling(server), "the first goes on")
        profiler.terminate()
        profiler.communicate(timeout=harness.EVENT_LIMIT)
        expect_equal(profiler.returncode, 130, "status when interrupted")
        expect(not is_sampling(server), "the server samples no more")
        expect_equal(os.listdir(folder), [], "files that are left")


if __name__ == "__main__":
    sys.exit(harness.main("heap_profile", lambda servers, transcript: trials.bound("heap_profile", servers, transcript)))
