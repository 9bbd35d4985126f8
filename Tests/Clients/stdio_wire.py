"""Trials of standard input and output without a client library: lines, the end of the input, and the end of the process."""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time

import harness
from harness import EVENT_LIMIT, Trials, expect, expect_equal, until
from messages import as_message, is_response, parsed
from transcript import LEGACY_REVISIONS, MODERN_REVISIONS, Channel
from wire_client import INVALID_REQUEST, PARSE_ERROR, call, initialize, modern_request, request

PROMPT_END = 2.0  # seconds in which a server must end after its input has; then clients send signals
LINE_MAX = 4 * 1024 * 1024

trials = Trials()


def environment():
    """The server refuses settings that it does not know; those of the tests are not for it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}


class Stdio:
    """A server of its own at the other end of two pipes. Every message goes into the transcript."""

    def __init__(self, servers, transcript, *arguments):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [servers.binary, "serve", "--stdio", "--store", "memory:", *(arguments or ("--server", "bench"))],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self._channel = Channel(transcript)
        self._rest = b""
        self._lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message, piece=65_536, end=b"\n"):
        """Sends a message in pieces of so many bytes."""
        self._channel.sent(message)
        line = json.dumps(message, ensure_ascii=False).encode() + end
        for start in range(0, len(line), piece):
            self.write(line[start : start + piece])

    def line(self, within=EVENT_LIMIT):
        """The next line, or `None` at the end of the output."""
        deadline = time.monotonic() + within
        while not self._lines:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            expect(ready, f"nothing came for {within:g} s; {self.said_beside()!r}")
            data = os.read(self.process.stdout.fileno(), 65_536)
            if not data:
                expect(not self._rest, f"the last line has no end: {self._rest[:200]!r}")
                return None
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += lines
        return self._lines.pop(0)

    def message(self):
        """The next message, or `None` at the end of the output."""
        line = self.line()
        if line is None:
            return None
        message = as_message(parsed(line))
        expect(message is not None, f"a line is no message: {line[:200]!r}")
        self._channel.received(message)
        return message

    def answer(self, id):
        """The answer to the request `id`; what comes before it is dropped."""
        while (message := self.message()) is not None:
            if is_response(message) and message.get("id") == id:
                return message
        raise harness.Failure(f"the output ended before the answer to {id!r}; {self.said_beside()!r}")

    def ask(self, message):
        self.send(message)
        return self.answer(message["id"])

    def modern(self, method, params=None, id=1):
        return self.ask(modern_request(method, params, id)[0])

    def open(self, revision="2025-11-25", capabilities=None):
        opened = self.ask(initialize(revision, capabilities=capabilities))
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return opened["result"]

    def said_beside(self):
        """The end of standard error."""
        self.errors.seek(0)
        return self.errors.read()[-1_000:].decode("utf-8", "replace")

    def expect_end(self, within=PROMPT_END, code=0):
        """The process ends, and soon."""
        try:
            ended = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise harness.Failure(f"it still runs after {within:g} s; {self.said_beside()!r}") from None
        expect_equal(ended, code, f"exit code ({self.said_beside()!r})")


def text_of(answer):
    expect("result" in answer, f"the call failed: {answer}")
    return answer["result"]["content"][0]["text"]


@trials
def every_revision_is_spoken(servers, transcript):
    for revision in LEGACY_REVISIONS:
        with Stdio(servers, transcript) as stdio:
            expect_equal(stdio.open(revision)["protocolVersion"], revision, "revision")
            expect_equal(text_of(stdio.ask(request("tools/call", call("echo", message="hi"), 2))), "hi", revision)
    with Stdio(servers, transcript) as stdio:
        expect_equal(stdio.modern("server/discover")["result"]["supportedVersions"], list(MODERN_REVISIONS), "versions")
        expect_equal(text_of(stdio.modern("tools/call", call("echo", message="hi"), 2)), "hi", "modern")


@trials
def modern_requests_may_come_beside_a_session(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        expect_equal(text_of(stdio.modern("tools/call", call("echo", message="new"), 2)), "new", "modern")
        expect_equal(text_of(stdio.ask(request("tools/call", call("echo", message="old"), 3))), "old", "legacy")


@trials
def lines_that_are_no_messages_are_refused_and_harm_nothing(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        for line, code in (
            (b"hello\n", PARSE_ERROR),
            (b"{\n", PARSE_ERROR),
            (b'"text"\n', INVALID_REQUEST),
            (b'{"jsonrpc":"2.0"}\n', INVALID_REQUEST),
            (b"\xff\xfe\n", PARSE_ERROR),
        ):
            stdio.write(line)
            refused = stdio.message()
            expect_equal(refused.get("error", {}).get("code"), code, f"code for {line!r}")
            expect("id" not in refused, f"{line!r} was answered with an id")
        for nothing in (b"\n", b"\r\n", b"  \n"):
            stdio.write(nothing)
        expect_equal(text_of(stdio.ask(request("tools/call", call("echo", message="on"), 9))), "on", "after it all")


@trials
def a_message_may_come_in_pieces_and_with_any_line_end(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        text = "é漢🦉\u2028"
        stdio.send(request("tools/call", call("echo", message=text), 2), piece=1, end=b"\r\n")
        expect_equal(text_of(stdio.answer(2)), text, "echo")


@trials
def a_line_that_is_too_long_is_refused_and_not_kept(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        before = resident_bytes(stdio.process.pid)
        for _ in range(16 * LINE_MAX // 65_536):
            stdio.write(b" " * 65_536)
        stdio.write(b"\n")
        expect("error" in stdio.message(), "the line was not refused")
        growth = resident_bytes(stdio.process.pid) - before
        expect(growth < 3 * LINE_MAX, f"the resident set grew by {growth:,} bytes")
        expect_equal(text_of(stdio.ask(request("tools/call", call("echo", message="on"), 9))), "on", "after it")


def resident_bytes(process):
    return int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@trials
def nothing_but_messages_is_written_to_standard_output(servers, transcript):
    with Stdio(servers, transcript, "--server", "conformance", "--log-level", "trace") as stdio:
        stdio.open()
        for number, name in enumerate(("test_simple_text", "test_error_handling", "no_such_tool"), 2):
            stdio.ask(request("tools/call", call(name), number))
        stdio.process.stdin.close()
        while stdio.message() is not None:
            pass
        stdio.expect_end()
        expect(stdio.said_beside(), "nothing was logged: the trial shows nothing")


@trials
def the_end_of_the_input_ends_the_process_whatever_goes_on(servers, transcript):
    def nothing(stdio):
        pass

    def a_session(stdio):
        stdio.open()

    def a_running_call(stdio):
        stdio.open()
        stdio.send(request("tools/call", call("sleep", milliseconds=600_000), 2))
        stdio.ask(request("ping", id=3))

    def a_call_that_speaks(stdio):
        stdio.open()
        stdio.send(request("tools/call", call("talk", messages=100_000, bytes=10, pause=20), 2))
        stdio.message()

    def a_listener(stdio):
        stdio.send(modern_request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, 2)[0])
        stdio.message()

    for goes_on in (nothing, a_session, a_running_call, a_call_that_speaks, a_listener):
        with Stdio(servers, transcript) as stdio:
            goes_on(stdio)
            stdio.process.stdin.close()
            try:
                stdio.expect_end()
            except harness.Failure as error:
                raise harness.Failure(f"with {goes_on.__name__.replace('_', ' ')}: {error}") from None


@trials
def a_question_nobody_will_answer_does_not_hold_up_the_end(servers, transcript):
    with Stdio(servers, transcript, "--server", "conformance") as stdio:
        stdio.open(capabilities={"elicitation": {}})
        stdio.send(request("tools/call", call("test_elicitation", message="Anybody?"), 2))
        expect_equal(stdio.message()["method"], "elicitation/create", "method")
        stdio.process.stdin.close()
        stdio.expect_end()


@trials
def what_was_asked_before_the_end_of_the_input_is_answered(servers, transcript):
    for tool in ("echo", "echo_async"):
        with Stdio(servers, transcript) as stdio:
            for number in range(1, 101):
                stdio.send(modern_request("tools/call", call(tool, message=str(number)), number)[0])
            stdio.process.stdin.close()
            answers = {message["id"]: text_of(message) for message in iter(stdio.message, None)}
            expect_equal(answers, {number: str(number) for number in range(1, 101)}, f"answers of {tool}")
            stdio.expect_end()


@trials
def a_client_that_does_not_read_is_waited_for_and_takes_no_memory(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        before = resident_bytes(stdio.process.pid)
        stdio.send(request("tools/call", call("talk", messages=100_000, bytes=10_000, pause=0), 2))
        stdio.send(request("tools/call", call("announce", change="tools", times=100_000), 3))
        until(lambda: is_asleep(stdio.process), "the server waits for its client")
        growth = resident_bytes(stdio.process.pid) - before
        expect(growth < 4 * 1024 * 1024, f"the resident set grew by {growth:,} bytes")
        stdio.process.stdin.close()  # and still nobody reads
        stdio.expect_end(within=10)


def is_asleep(process):
    """Whether a process uses no processor time: for a tenth of a second."""

    def used():
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(0.1)
    return used() == before


@trials
def a_signal_ends_the_process_and_what_was_asked_is_answered(servers, transcript):
    with Stdio(servers, transcript) as stdio:
        stdio.open()
        stdio.send(request("tools/call", call("sleep", milliseconds=500), 2))
        stdio.ask(request("ping", id=3))
        stdio.process.send_signal(signal.SIGTERM)
        expect_equal(text_of(stdio.answer(2)), "slept 500 ms", "answer")
        stdio.expect_end()


@trials
def a_call_that_takes_too_long_is_answered(servers, transcript):
    with Stdio(servers, transcript, "--server", "bench", "--call-timeout", "1s") as stdio:
        stdio.open()
        late = stdio.ask(request("tools/call", call("sleep", milliseconds=600_000), 2))
        expect("longer than the limit of 1s" in late["error"]["message"], f"the answer says too little: {late}")
        expect_equal(text_of(stdio.ask(request("tools/call", call("echo", message="on"), 3))), "on", "after it")


CLIENT = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
print(server.pid, flush=True)
server.wait()
"""


@trials
def a_client_that_is_killed_leaves_no_server(servers, transcript):
    command = [servers.binary, "serve", "--stdio", "--server", "bench", "--store", "memory:"]
    client_command = [sys.executable, "-c", CLIENT, *command]
    with subprocess.Popen(client_command, env=environment(), stdout=subprocess.PIPE) as client:
        server = int(client.stdout.readline())
        watch = os.pidfd_open(server)
        with contextlib.closing(os.fdopen(watch)):
            expect(not select.select([watch], [], [], 0.2)[0], "the server ended on its own")
            client.kill()
            ended, _, _ = select.select([watch], [], [], EVENT_LIMIT)
            if not ended:
                signal.pidfd_send_signal(watch, signal.SIGKILL)
            expect(ended, f"the server still runs {EVENT_LIMIT:g} s after its client was killed")


if __name__ == "__main__":
    sys.exit(harness.main("stdio_wire", lambda servers, transcript: trials.bound("stdio", servers, transcript)))
