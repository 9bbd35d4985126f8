"""What streams cost: memory of open ones, of clients that never read, of abandoned ones; CPU time of an event."""

import argparse
import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import replace

from . import BenchmarkError, messages
from .client import open_sessions
from .context import Context
from .figures import spread
from .procfs import Memory, cpu_seconds, memory
from .report import Section, Table
from .servers import Server

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * 1024
_TIMEOUT_SECONDS = 30
_LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"
_UNREAD_SIZES = (10_000, 50_000, 200_000)
"""Bytes of the events that nobody reads: large enough to fill what the kernel holds within a few seconds."""
_EVENTS_PER_SECOND = 200
"""What one call may log: StreamLimits.logsPerSecondMax."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("streams")
    group.add_argument("--streams", type=int, default=1_000, help="open streams (default 1000)")
    group.add_argument("--slow-readers", type=int, default=100, help="clients that never read (default 100)")
    group.add_argument("--slow-seconds", type=int, default=10, help="how long they do not (default 10)")
    group.add_argument("--abandoned", type=int, default=20_000, help="abandoned streams (default 20000)")
    group.add_argument("--talkers", type=int, default=50, help="calls that speak at once (default 50)")
    group.add_argument("--talk-seconds", type=int, default=5, help="how long they speak (default 5)")


def measure(context: Context, arguments: argparse.Namespace) -> Section:
    with context.on_load_cpu():
        parts: list[Table | str] = [
            _open(context, arguments.streams),
            f"Of {arguments.slow_readers} clients that leave a call's events unread, after {arguments.slow_seconds} s:",
            _slow(context, arguments.slow_readers, arguments.slow_seconds),
            f"After {arguments.abandoned:,} streams whose clients vanished with a reset:",
            _abandoned(context, arguments.abandoned),
            "Of an event:",
            _events(context, arguments.talkers, arguments.talk_seconds),
        ]
    method = (
        f"Each row has a server of its own. Memory per open stream is what {arguments.streams:,} of them add to the "
        "process, their connections included, over their number; the row of connections shows what those take alone. "
        "Slow readers have a receive buffer of 4 KiB and call a tool that logs as fast as it may, and never read: "
        "what the kernel holds for them is not in these figures. Abandoned streams are 2026-07-28 calls that log, "
        "cut by the client after the first event, at most 100 at once; the first tenth of them is not counted. An "
        f"event is a log message of 100 bytes; {arguments.talkers} calls log one every 5 ms for "
        f"{arguments.talk_seconds} s, and the CPU time has the timers that wake them in it."
    )
    return Section(title="Streams", method=method, parts=parts)


def _open(context: Context, count: int) -> Table:
    rows = [
        _row_of_open(context, count, "an idle connection", _idle),
        _row_of_open(context, count, "a 2026-07-28 subscription", lambda port, _: _subscribe(port)),
        _row_of_open(context, count, "a session's stream", _listen),
        _row_of_open(
            context, count, "a call that has logged and waits", lambda port, _: _talk(port, 1_000_000, 60_000)
        ),
    ]
    return Table(("one open stream", "RSS, bytes", "private dirty, bytes"), rows)


def _row_of_open(
    context: Context, count: int, name: str, opened: Callable[[int, str], socket.socket]
) -> tuple[str, ...]:
    context.progress(f"streams: {count} times {name}")
    with Server(context.torpor, context.server_cpu) as server:
        sessions = open_sessions(server.port, count)
        opened(server.port, sessions[0]).close()
        before = memory(server.pid)
        connections: list[socket.socket] = []
        try:
            connections += [opened(server.port, session) for session in sessions]
            after = memory(server.pid)
        finally:
            _close(connections)
    return (name, *(f"{difference / count:,.0f}" for difference in _difference(before, after)))


def _slow(context: Context, count: int, seconds: int) -> Table:
    rows = []
    for size in _UNREAD_SIZES:
        context.progress(f"streams: {count} clients do not read events of {size} bytes")
        with Server(context.torpor, context.server_cpu) as server:
            _talk(server.port, 1, 0).close()
            before = memory(server.pid)
            connections: list[socket.socket] = []
            try:
                for _ in range(count):
                    connections.append(_post(server.port, _talking(1_000_000, size, 1), receive_buffer=4_096))
                samples = []
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    time.sleep(0.2)
                    samples.append(memory(server.pid).rss - before.rss)
            finally:
                _close(connections)
        rows.append((f"{size:,}", f"{samples[-1] / count / _KIBIBYTE:.1f}", f"{max(samples) / count / _KIBIBYTE:.1f}"))
    return Table(("bytes of an event", "RSS per client at the end, KiB", "at most, KiB"), rows)


def _abandoned(context: Context, count: int) -> Table:
    context.progress(f"streams: {count:,} abandoned calls")
    with Server(context.torpor, context.server_cpu) as server:
        _abandon(server.port, count // 10)
        before = memory(server.pid)
        _abandon(server.port, count - count // 10)
        after = memory(server.pid)
    grown = count - count // 10
    rows = [
        (name, f"{earlier / _MEBIBYTE:.2f}", f"{later / _MEBIBYTE:.2f}", f"{(later - earlier) / grown:.1f}")
        for name, earlier, later in (
            ("RSS", before.rss, after.rss),
            ("private dirty", before.private_dirty, after.private_dirty),
        )
    ]
    return Table(("memory", "before, MiB", "after, MiB", "bytes per stream"), rows)


def _abandon(port: int, count: int) -> None:
    for start in range(0, count, 100):
        connections = [_talk(port, 1_000_000, 1) for _ in range(min(100, count - start))]
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _close(connections)


def _events(context: Context, count: int, seconds: int) -> Table:
    """Every event is read and counted; a stream that ends early, or says less than it was asked to, fails the run."""
    events = seconds * _EVENTS_PER_SECOND
    costs = []
    for repetition in range(3):
        context.progress(f"streams: {count} calls of {events} events, repetition {repetition + 1}")
        with Server(context.torpor, context.server_cpu) as server:
            _talk(server.port, 1, 0).close()
            before = cpu_seconds(server.pid)
            connections: list[socket.socket] = []
            try:
                connections += [_post(server.port, _talking(events, 100, 5)) for _ in range(count)]
                heard = sum(_read_to_answer(connection) for connection in connections)
            finally:
                _close(connections)
            costs.append((cpu_seconds(server.pid) - before) / heard * 1e6)
    return Table(("CPU µs", "calls at once"), [(spread(costs, lambda x: f"{x:.1f}"), f"{count}")])


def _read_to_answer(connection: socket.socket) -> int:
    """The number of log messages before the answer."""
    received = b""
    while b'"result"' not in received[-4_096:]:
        data = connection.recv(65_536)
        if not data:
            raise BenchmarkError(f"a stream ended before its answer, after {received[-300:]!r}")
        received += data
    heard = received.count(b'"notifications/message"')
    if heard == 0:
        raise BenchmarkError(f"a call said nothing: {received[:300]!r}")
    return heard


# Requests


def _modern(method: str, params: dict[str, object], name: str | None = None) -> messages.Request:
    call = messages.modern_call("echo")
    original = call.body["params"]
    assert isinstance(original, dict)
    headers = [("MCP-Protocol-Version", messages.MODERN), ("Mcp-Method", method)]
    if name is not None:
        headers.append(("Mcp-Name", name))
    meta = original["_meta"] | {_LOG_LEVEL_KEY: "debug"}
    return replace(call, headers=tuple(headers), body={"method": method, "params": params | {"_meta": meta}})


def _talking(count: int, size: int, pause_milliseconds: int) -> messages.Request:
    arguments = {"messages": count, "bytes": size, "pause": pause_milliseconds}
    return _modern("tools/call", {"name": "talk", "arguments": arguments}, "talk")


def _post(port: int, request: messages.Request, receive_buffer: int | None = None) -> socket.socket:
    """A connection of its own on which the request has gone out."""
    connection = socket.socket()
    try:
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(("127.0.0.1", port))
        before, after = request.parts(port)
        connection.sendall(b"%s%d%s" % (before, messages.FIRST_ID, after))
    except OSError:
        connection.close()
        raise
    return connection


def _await(connection: socket.socket, text: bytes) -> socket.socket:
    """Reads until `text` has come."""
    received = b""
    while text not in received:
        data = connection.recv(65_536)
        if not data:
            raise BenchmarkError(f"the server closed a connection after {received!r}")
        received += data
    return connection


def _talk(port: int, count: int, pause_milliseconds: int) -> socket.socket:
    """A call that has logged once."""
    return _await(_post(port, _talking(count, 100, pause_milliseconds)), b"notifications/message")


def _subscribe(port: int) -> socket.socket:
    listen = _modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    return _await(_post(port, listen), b"acknowledged")


def _idle(port: int, session: str) -> socket.socket:
    return _await(_post(port, messages.modern_call("echo")), json.dumps(messages.MESSAGE).encode())


def _listen(port: int, session: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
    connection.sendall(
        f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
        f"MCP-Protocol-Version: {messages.LEGACY}\r\nMcp-Session-Id: {session}\r\n\r\n".encode()
    )
    return _await(connection, b"retry:")


def _close(connections: list[socket.socket]) -> None:
    for connection in connections:
        connection.close()


def _difference(before: Memory, after: Memory) -> tuple[int, int]:
    return after.rss - before.rss, after.private_dirty - before.private_dirty
