"""What attackers say, to the byte, and a socket that hears the answers."""

import asyncio
import json
import os
import signal
import socket
import struct
import sys
import typing

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}},
}
TCP_REPAIR = 19  # of <linux/tcp.h>
ANSWER_LIMIT = 60.0  # seconds until an answer that must come


class Hang(Exception):
    """An answer that must come did not."""


class Answer(typing.NamedTuple):
    """A response; header names are in lower case."""

    status: int
    headers: dict
    body: bytes

    @property
    def message(self):
        """The JSON-RPC message that answers, or `None`."""
        kind = self.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            lines = [line[5:] for line in self.body.split(b"\n") if line.startswith(b"data:") and line[5:].strip()]
            return json.loads(lines[-1]) if lines else None
        return json.loads(self.body) if self.body else None

    @property
    def text(self):
        """The first text of a tool's result, or `None` when there is no result."""
        result = (self.message or {}).get("result")
        return result["content"][0]["text"] if result and result.get("content") else None


class Connection:
    """One connection to the server from an address of the attacker's own."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, address, receive_bytes=None):
        """`receive_bytes` is how little the kernel takes for a client that does not read."""
        sock = socket.socket()
        try:
            sock.setblocking(False)
            if receive_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.bind((address, 0))
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=receive_bytes or 65_536)
        except BaseException:
            sock.close()
            raise
        return cls(reader, writer)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.close()

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, data):
        """Sends a whole request and gives its answer."""
        await self.send(data)
        return await self.answer()

    async def answer(self):
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                head = await self.head()
                return head._replace(body=await self._body(head.headers))
        except TimeoutError:
            raise Hang(f"no answer within {ANSWER_LIMIT:g} s") from None

    async def head(self):
        """The head of an answer; its body is empty yet."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.split(":", 1) for line in lines[1:] if line)
        return Answer(int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, value in fields}, b"")

    async def _body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
            return body
        return await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def ended(self, within=ANSWER_LIMIT):
        """Reads on until the server closes."""
        try:
            async with asyncio.timeout(within):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            raise Hang(f"the connection is open after {within:g} s") from None

    def close(self):
        self.writer.close()

    def reset(self):
        """Ends with RST in place of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def vanish(self):
        """Ends without a word to the server, as a machine does that loses its power; with RST where that is forbidden."""
        sock = self.writer.get_extra_info("socket")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except PermissionError:
            self.reset()
        else:
            self.writer.transport.abort()


def message(method, params=None, id=1):
    """A JSON-RPC request as bytes."""
    request = {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}
    return json.dumps(request).encode()


def head(fields, verb="POST", length=None):
    """The head of a request to the endpoint. `length` is the length it claims, if any."""
    common = {"Host": "127.0.0.1", "Accept": "application/json, text/event-stream"}
    if verb == "POST":
        common["Content-Type"] = "application/json"
    if length is not None:
        common["Content-Length"] = str(length)
    lines = [f"{name}: {value}" for name, value in (common | fields).items()]
    return (f"{verb} /mcp HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def modern_fields(method, name=None):
    fields = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    return fields | ({"Mcp-Name": name} if name else {})


def modern(method, params=None, fields=None, id=1):
    """A whole request of 2026-07-28."""
    params = dict(params or {}) | {"_meta": META}
    body = message(method, params, id)
    name = params.get("name") if method == "tools/call" else None
    return head(modern_fields(method, name) | (fields or {}), length=len(body)) + body


def tool(name, fields=None, id=1, **arguments):
    """A whole tool call of 2026-07-28."""
    return modern("tools/call", {"name": name, "arguments": arguments}, fields, id)


def initialize(fields=None, capabilities=None):
    params = {
        "protocolVersion": LEGACY,
        "capabilities": capabilities or {},
        "clientInfo": {"name": "hostile", "version": "1"},
    }
    body = message("initialize", params, 0)
    return head(fields or {}, length=len(body)) + body


def session_fields(session):
    return {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}


def legacy(session, method, params=None, fields=None, id=1):
    """A whole request in a session."""
    body = message(method, params, id)
    return head(session_fields(session) | (fields or {}), length=len(body)) + body


def hold(arguments):
    """A process of its own that opens connections, sends what it is given, and reads nothing, until it is killed."""
    port, address, count = int(arguments[0]), arguments[1], int(arguments[2])
    with open(0, "rb") as source:
        data = source.read()
    held = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.bind((address, 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(data)
        held.append(sock)
    os.write(1, b"ready\n")
    signal.pause()


if __name__ == "__main__":
    hold(sys.argv[1:])
