"""Breaks the protocol, each tool in a way of its own.

    babbler.py [--noisy] [--shy]

With `--noisy` it says what is no message before it says anything else; with `--shy` it ends when it is asked which era
it speaks.
"""

import json
import os
import signal
import sys
import time

from lines import Cancelled, Fault, Server

server = Server("babbler")
HUGE = 20 << 20  # bytes, more than a message may have


def answer(call, text):
    return {"id": call.id, "result": {"content": [{"type": "text", "text": text}]}}


@server.tool
def hello(call):
    """Answers as it should."""
    return os.getpid()


@server.tool
def junk(call):
    """Says lines that are no messages before it answers."""
    lines = b"Listening...", b"", b"{", b"[]", b"[1]", b"null", b"7", b'{"jsonrpc":"2.0"}', b"\xff\xfe\x00", b"\r"
    for line in lines:
        server.write(line + b"\n")
    return "sane"


@server.tool
def huge_line(call):
    """Says a huge line that is no message before it answers."""
    server.write(b"x" * HUGE + b"\n")
    return "sane"


@server.tool
def huge_answer(call):
    """Answers with more than a message may have."""
    return "x" * HUGE


@server.tool
def big_answer(call, bytes=1):
    """Answers with much, but not too much."""
    return "x" * bytes


@server.tool
def strangers(call):
    """Answers what nobody asked before it answers."""
    for id in (call.id + 1_000 if isinstance(call.id, int) else "strange", "unknown", None, 1.5, -7):
        server.send({"id": id, "result": {"content": []}})
        server.send({"id": id, "error": {"code": 1, "message": "strange"}})
    return "sane"


@server.tool
def twice(call):
    """Answers twice."""
    server.send(answer(call, "first"))
    return "second"


@server.tool
def neither(call):
    """Answers with neither result nor error."""
    server.send({"id": call.id})
    raise Cancelled


@server.tool
def both(call):
    """Answers with a result that is no object."""
    server.send({"id": call.id, "result": 7})
    raise Cancelled


@server.tool
def error(call):
    """Answers with an error of its own."""
    server.send({"id": call.id, "error": {"code": 4711, "message": "mine", "data": {"a": [1]}}})
    raise Cancelled


@server.tool
def silence(call):
    """Never answers."""
    raise Cancelled


@server.tool
def leave(call, status=3):
    """Ends without an answer, with some last words."""
    sys.stderr.write("I have had enough.\n")
    sys.stderr.flush()
    os._exit(status)


@server.tool
def be_killed(call):
    """Is ended by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


@server.tool
def break_off(call):
    """Ends in the middle of its answer."""
    server.write(json.dumps({"jsonrpc": "2.0"} | answer(call, "half")).encode()[:-10])
    os._exit(0)


@server.tool
def hang_up(call):
    """Closes its output, and stays."""
    os.close(1)
    time.sleep(60)


@server.tool
def shout(call):
    """Fills its standard error before it answers."""
    for _ in range(2_000):
        sys.stderr.write("y" * 1_000 + "\n")
    sys.stderr.write("z" * HUGE + "\n")
    return "sane"


@server.tool
def bother(call, count=1):
    """Says many messages that nobody asked for, and asks what clients do not answer, before it answers."""
    for number in range(count):
        server.notify("notifications/made_up", {"number": number})
        server.notify("notifications/progress", {"progressToken": "nobody's", "progress": number})
    asked = []
    for method in ("ping", "made/up"):
        try:
            asked.append(server.ask(method))
        except Fault as fault:
            asked.append(fault.code)
    return json.dumps(asked)


if "--noisy" in sys.argv:
    server.write(b"Starting up, please wait...\n\x1b[32mready\x1b[0m\n")
if "--shy" in sys.argv:

    def leave_at_once(params):
        os._exit(1)

    server.methods["server/discover"] = leave_at_once
server.run()
