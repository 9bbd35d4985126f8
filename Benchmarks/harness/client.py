"""A client that counts exactly: requests go out one per connection, and every answer is read and checked."""

import http.client
import json
import re
import socket
import time
from dataclasses import dataclass

from . import BenchmarkError
from .messages import FIRST_ID, LAST_ID, LEGACY, MESSAGE, Request, initialize
from .servers import Server

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Response:
    """One HTTP response as it came off the wire."""

    head: bytes
    body: bytes

    @property
    def size(self) -> "ResponseSize":
        return ResponseSize(len(self.head) + len(self.body), len(self.head))


@dataclass(frozen=True)
class ResponseSize:
    """Bytes of a response and of its head."""

    whole: int
    head: int


def read_response(connection: socket.socket) -> Response:
    """Reads one answer, which has a Content-Length and nothing behind it."""
    received = connection.recv(65536)
    while (end := received.find(b"\r\n\r\n")) < 0:
        received = _extend(received, connection)
    head = received[: end + 4]
    length = _CONTENT_LENGTH.search(head)
    if length is None:
        raise BenchmarkError(f"an answer without Content-Length: {head!r}")
    size = len(head) + int(length[1])
    while len(received) < size:
        received = _extend(received, connection)
    if len(received) > size:
        raise BenchmarkError(f"more bytes than the answer has: {received!r}")
    return Response(head, received[len(head) :])


def _extend(received: bytes, connection: socket.socket) -> bytes:
    more = connection.recv(65536)
    if not more:
        raise BenchmarkError(f"the server closed a connection after {received!r}")
    return received + more


def check(response: Response, request: Request, identifier: int, is_stand_in: bool) -> None:
    """Raises unless `response` is the successful answer to `request`.

    A stand-in answers one fixed body: of it neither the id nor the members of an `initialize` result are asked for.
    """
    try:
        if not response.head.startswith(b"HTTP/1.1 200 "):
            raise ValueError("the status is not 200")
        answer = json.loads(response.body)
        if "error" in answer:
            raise ValueError("it is an error")
        if not is_stand_in and answer["id"] != identifier:
            raise ValueError(f"the id is not {identifier}")
        result = answer["result"]
        if request.is_initialize:
            if not is_stand_in and result["protocolVersion"] != LEGACY:
                raise ValueError("another protocol version")
        elif result.get("isError", False) or result["content"][0]["text"] != (MESSAGE if is_stand_in else request.answer):
            raise ValueError("it is not the text that was expected")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BenchmarkError(f"a wrong answer ({error!r}): {response.head!r} {response.body!r}") from error


class Client:
    """Keep-alive connections used in lockstep: a round sends one request on each, then reads each answer.

    With one connection that is strictly sequential load. Ids count up over the life of the client.
    """

    def __init__(self, port: int, connections: int, is_stand_in: bool) -> None:
        self.port = port
        self.is_stand_in = is_stand_in
        self.next_id = FIRST_ID
        self.sockets: list[socket.socket] = []
        try:
            for _ in range(connections):
                connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets.append(connection)
        except OSError:
            self.close()
            raise

    @staticmethod
    def of(server: Server, connections: int = 1) -> "Client":
        return Client(server.port, connections, server.target.is_stand_in)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for connection in self.sockets:
            connection.close()
        self.sockets = []

    def call(self, request: Request, count: int) -> ResponseSize:
        """Makes `count` calls, at least one, and checks every answer. Returns the size of the last answer."""
        return self._call(request, count, None)

    def timed_call(self, request: Request, count: int) -> list[float]:
        """As `call`. Returns the seconds that each round took, from sending its first request to its last answer's end."""
        seconds: list[float] = []
        self._call(request, count, seconds)
        return seconds

    def _call(self, request: Request, count: int, seconds: list[float] | None) -> ResponseSize:
        before, after = request.parts(self.port)
        remaining = count
        while remaining > 0:
            round_sockets = self.sockets[:remaining]
            first = self.next_id
            if first + len(round_sockets) > LAST_ID:
                raise BenchmarkError("one client ran out of ids")
            self.next_id += len(round_sockets)
            began = time.perf_counter()
            for index, connection in enumerate(round_sockets):
                connection.sendall(b"%s%d%s" % (before, first + index, after))
            responses = [read_response(connection) for connection in round_sockets]
            if seconds is not None:
                seconds.append(time.perf_counter() - began)
            for index, response in enumerate(responses):
                check(response, request, first + index, self.is_stand_in)
            remaining -= len(round_sockets)
        return response.size


def open_sessions(port: int, count: int) -> list[str]:
    """Opens sessions of revision 2025-11-25, each with `initialize` and `notifications/initialized`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    sessions = []
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    hello = json.dumps({"jsonrpc": "2.0", "id": FIRST_ID} | initialize().body)
    initialized = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
    try:
        for _ in range(count):
            connection.request("POST", "/mcp", hello, headers)
            response = connection.getresponse()
            response.read()
            session = response.getheader("Mcp-Session-Id")
            if response.status != 200 or session is None:
                raise BenchmarkError(f"initialize gave no session (status {response.status})")
            connection.request(
                "POST", "/mcp", initialized, headers | {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
            )
            response = connection.getresponse()
            response.read()
            if response.status != 202:
                raise BenchmarkError(f"notifications/initialized was answered with status {response.status}")
            sessions.append(session)
    finally:
        connection.close()
    return sessions
