"""The requests that are measured, byte for byte the same for `wrk` and for the client in `client.py`."""

import json
from dataclasses import dataclass, replace

# All ids have seven digits: every request of a kind has the same length.
FIRST_ID = 1_000_000
LAST_ID = 9_999_999

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
MESSAGE = "hello"


@dataclass(frozen=True)
class Request:
    """One kind of request, complete but for its id and the port."""

    headers: tuple[tuple[str, str], ...]
    body: dict[str, object]
    session: str | None = None
    """The value of Mcp-Session-Id; `{session}` where it is left to fill in."""
    answer: str = MESSAGE
    """The text of a right answer to a `tools/call`."""

    def in_session(self, session: str) -> "Request":
        return replace(self, session=session)

    @property
    def is_initialize(self) -> bool:
        return self.body["method"] == "initialize"

    def template(self, port: int) -> bytes:
        """The whole HTTP request with `{id}` left to fill in."""
        body = json.dumps({"jsonrpc": "2.0", "id": FIRST_ID} | self.body, separators=(",", ":"))
        headers = [
            ("Host", f"127.0.0.1:{port}"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            *self.headers,
            *([("Mcp-Session-Id", self.session)] if self.session is not None else []),
            ("Content-Length", str(len(body))),
        ]
        head = "POST /mcp HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        return (head + body.replace(str(FIRST_ID), "{id}", 1)).encode()

    def parts(self, port: int) -> tuple[bytes, bytes]:
        """What stands before and after the id."""
        before, after = self.template(port).split(b"{id}")
        return before, after


def modern_call(tool: str, arguments: dict[str, object] | None = None) -> Request:
    """A `tools/call` of revision 2026-07-28, by default of an echo tool; for `echo` its body has 286 bytes."""
    return Request(
        headers=(("MCP-Protocol-Version", MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)),
        body={
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": arguments or {"message": MESSAGE},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientInfo": {"name": "b", "version": "1"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        },
    )


def legacy_call(tool: str, arguments: dict[str, object] | None = None, answer: str = MESSAGE) -> Request:
    """A `tools/call` of revision 2025-11-25, outside of any session; by default of an echo tool."""
    return Request(
        headers=(("MCP-Protocol-Version", LEGACY),),
        body={"method": "tools/call", "params": {"name": tool, "arguments": arguments or {"message": MESSAGE}}},
        answer=answer,
    )


def initialize() -> Request:
    """The first request of a client of the sessions era."""
    return Request(
        headers=(),
        body={
            "method": "initialize",
            "params": {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "clientInfo": {"name": "b", "version": "1"},
            },
        },
    )
