"""Trial of `torpor soak`: finds the leak of a server that is known to leak, and passes one that does not.

    soak.py BINARY [PYTHON]

BINARY is torpor, PYTHON an interpreter with `mcp` 1.x; this one unless named. Takes under a minute. Prints `ok NAME` or
`FAIL NAME: reason`, then `N passed, N failed`, and exits 1 when anything failed.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

SECONDS = 12
FOLDER = pathlib.Path(__file__).parent


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_free(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def soak(binary, command, *options):
    """Loads a server, and returns the status, the report, and what was printed."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        arguments = [binary, "soak", "--port", str(port), "--json", str(report), "--agents", "50"]
        arguments += ["--duration", str(SECONDS), *options, "--", *(part.replace("PORT", str(port)) for part in command)]
        run = subprocess.run(arguments, capture_output=True, text=True, timeout=SECONDS * 3 + 30, cwd=folder)
        if not is_free(port):
            raise AssertionError("the server was left behind")
        content = json.loads(report.read_text()) if report.exists() else {}
    return run.returncode, content, run.stdout + run.stderr


def growth(report, scenario):
    return next(each["growth"] for each in report["scenarios"] if each["name"] == scenario)


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(each) for each in what))


def a_server_that_never_frees_sessions_fails(binary, python):
    status, report, text = soak(binary, [python, str(FOLDER / "leaking_server.py"), "PORT"])
    expect(status == 1, "status", status, text)
    sessions = growth(report, "sessions")
    expect(sessions["outcome"] == "grows", sessions)
    # It was seen to take 36 KB for each; some sessions end with DELETE, and versions differ.
    expect(5_000 < sessions["interval_95"][0] < 200_000, sessions)
    return f"{sessions['bytes_per_unit']:,.0f} bytes per session"


def torpor_passes(binary, python):
    serve = [binary, "serve", "--server", "bench", "--store", "memory:", "--port", "PORT", "--admin-port", "0"]
    status, report, text = soak(binary, serve)
    expect(status == 0, "status", status, text)
    sessions, requests = growth(report, "sessions"), growth(report, "requests")
    expect(sessions["outcome"] == "flat" and requests["outcome"] == "flat", sessions, requests)
    return f"{sessions['bytes_per_unit']:,.0f} bytes per session, {requests['bytes_per_unit']:,.2f} per request"


def a_server_that_cannot_start_is_not_measured(binary, python):
    status, _, text = soak(binary, ["/bin/sh", "-c", "echo no such luck >&2; exit 7"])
    expect(status == 3, "status", status, text)
    expect("no such luck" in text and "status 7" in text, text)


def a_wrong_command_line_is_told(binary, python):
    status, _, text = soak(binary, ["true"], "--scenario", "no-such-scenario")
    expect(status == 2 and "--scenario list" in text, status, text)


def a_tool_that_is_killed_leaves_no_server(binary, python):
    port = free_port()
    serve = [binary, "serve", "--server", "bench", "--store", "memory:", "--port", str(port), "--admin-port", "0"]
    tool = subprocess.Popen(
        [binary, "soak", "--quiet", "--agents", "2", "--port", str(port), "--", *serve],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: not is_free(port), "the server to listen")
    finally:
        tool.kill()
        tool.wait()
    until(lambda: is_free(port), "the server to end")


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, "waited in vain for", what)
        time.sleep(0.05)


TRIALS = [
    a_wrong_command_line_is_told,
    a_server_that_cannot_start_is_not_measured,
    a_tool_that_is_killed_leaves_no_server,
    a_server_that_never_frees_sessions_fails,
    torpor_passes,
]


def main():
    binary = os.path.abspath(sys.argv[1])
    python = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else sys.executable
    failed = 0
    for trial in TRIALS:
        try:
            note = trial(binary, python)
            print(f"ok soak.{trial.__name__}" + (f" ({note})" if note else ""), flush=True)
        except Exception as error:  # Whatever goes wrong is one trial's failure.
            failed += 1
            print(f"FAIL soak.{trial.__name__}: {error}", flush=True)
    print(f"{len(TRIALS) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
