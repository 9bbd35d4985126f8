"""A way between clients and a server that can be cut."""

import asyncio
import contextlib
import socket
import struct

from harness import EVENT_LIMIT, Failure


class Proxy:
    """Forwards TCP connections to a port of this machine, until they are cut. An asynchronous context manager."""

    def __init__(self, port):
        self._target, self._connections = port, []
        self._changed = asyncio.Event()

    async def __aenter__(self):
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        for connection in self._connections:
            connection.cut()

    async def _serve(self, reader, writer):
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((reader, writer), onward)
        self._connections.append(connection)
        await connection.run(self._tell)

    def _tell(self):
        self._changed.set()

    async def cut(self, request, answered=b""):
        """Cuts connections whose newest request contains `request`, once their answer contains `answered`.

        Both ends get a reset, as when a machine between them restarts. Returns how many were cut, at least one.
        """
        try:
            async with asyncio.timeout(EVENT_LIMIT):
                while not (found := [each for each in self._connections if each.carries(request, answered)]):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Failure(f"no connection carries {request!r} answered with {answered!r}") from None
        for connection in found:
            connection.cut()
        return len(found)


class _Connection:
    def __init__(self, client, server):
        self._ends = client, server
        self._request, self._answer = b"", b""
        self._is_cut = False

    async def run(self, tell):
        (reader, writer), (onward_reader, onward_writer) = self._ends

        async def forward(source, sink, note):
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65_536):
                    note(data)
                    sink.write(data)
                    await sink.drain()
                    tell()
            with contextlib.suppress(OSError):
                sink.write_eof()

        def note_request(data):
            if self._answer:
                self._request, self._answer = b"", b""
            self._request += data

        def note_answer(data):
            self._answer += data

        try:
            await asyncio.gather(
                forward(reader, onward_writer, note_request), forward(onward_reader, writer, note_answer)
            )
        finally:
            self.cut()

    def carries(self, request, answered):
        return not self._is_cut and request in self._request and answered in self._answer

    def cut(self):
        self._is_cut = True
        for _, writer in self._ends:
            with contextlib.suppress(OSError):
                # Closed with nothing lingering, a connection ends with a reset.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
