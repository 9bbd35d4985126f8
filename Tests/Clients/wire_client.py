"""A client without a library: sends what the trials say, to the byte, and records the answers."""

import collections
import http.client
import json
import time
import typing

from events import EventParser, events_of, is_event_stream
from harness import expect, expect_equal
from messages import as_message, is_response, parsed
from transcript import CAPABILITIES_KEY, VERSION_KEY

MODERN = "2026-07-28"
ACCEPT = "application/json, text/event-stream"
INFO = {"name": "wire", "version": "1"}
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION, SESSION_NOT_FOUND = -32020, -32021, -32022, -32001
EVENT_LIMIT = 10.0  # seconds until the next event of a stream

REMOVED = object()  # in place of a header's value: the header is not sent


class Answer(typing.NamedTuple):
    """A response; header names are in lower case."""

    status: int
    headers: dict
    body: bytes

    @property
    def messages(self):
        """What came, in order: one message, or those of an event stream."""
        if is_event_stream(self.headers):
            return [parsed(event.data) for event in events_of(self.body) if event.data]
        return [self.message]

    @property
    def message(self):
        """The message that answers; `None` when none came."""
        if is_event_stream(self.headers):
            return next((message for message in self.messages if is_response(message)), None)
        return parsed(self.body)

    @property
    def notices(self):
        """The messages that an event stream carried besides its answer."""
        return [message for message in self.messages if not is_response(message)]

    @property
    def result(self):
        expect_equal(self.status, 200, f"status (body {self.body[:300]!r})")
        expect("result" in (self.message or {}), f"no result in {self.body[:300]!r}")
        return self.message["result"]

    @property
    def text(self):
        return self.result["content"][0]["text"]

    @property
    def code(self):
        expect(isinstance(self.message, dict) and "error" in self.message, f"no error in {self.body[:300]!r}")
        return self.message["error"]["code"]


class EventStream:
    """An event stream as it comes. Recorded when it ends or is closed, whichever comes first."""

    def __init__(self, response, socket, record):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response, self._socket, self._record = response, socket, record
        self._parser = EventParser()
        self._ready = collections.deque()
        self._body = b""
        self.has_ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next(self, within=EVENT_LIMIT):
        """The next event, or `None` at the end of the stream. Raises `TimeoutError` when none comes; comments are none."""
        deadline = time.monotonic() + within
        while not self._ready and not self.has_ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no event within {within:g} s")
            self._socket.settimeout(left)
            data = self._response.read1(65_536)
            self._body += data
            self._ready.extend(self._parser.feed(data))
            if not data:
                self._finish(partial=False)
        return self._ready.popleft() if self._ready else None

    def message(self, within=EVENT_LIMIT):
        """The next message, or `None` at the end of the stream."""
        while (event := self.next(within)) is not None:
            if event.data:
                message = as_message(parsed(event.data))
                expect(message is not None, f"an event carries no message: {event.data[:200]!r}")
                return message
        return None

    def close(self):
        """Goes away, whatever may still come."""
        if not self.has_ended:
            self._finish(partial=True)

    def _finish(self, partial):
        self.has_ended = True
        self._response.close()
        self._record(self.status, self.headers, self._body, partial)


class Wire:
    """One HTTP connection to a server, kept open between requests. Every exchange goes into the transcript."""

    def __init__(self, server, transcript):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.transcript = transcript

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    @property
    def socket(self):
        return self.connection.sock

    def start(self, verb, headers, body=b"", path="/mcp"):
        """Sends a request; `finish` reads its answer. A header whose value is `REMOVED` is not sent."""
        headers = {"Host": f"127.0.0.1:{self.connection.port}"} | headers
        self._sent = verb, {name: value for name, value in headers.items() if value is not REMOVED}, body
        self.connection.putrequest(verb, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self._sent[1].items():
            self.connection.putheader(name, value)
        if body or verb == "POST":
            self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body)

    def finish(self):
        """The answer to what was sent, when it has come whole."""
        return self._whole(self.connection.getresponse())

    def begin(self, answers=None):
        """The answer to what was sent: an `EventStream` as soon as one begins, or an `Answer` when it has come whole.

        A stream needs a connection of its own. `answers` is the request that it answers if it goes on with another.
        """
        # A response that ends its connection takes the socket away from it.
        socket = self.socket
        response = self.connection.getresponse()
        if not is_event_stream({"content-type": response.getheader("Content-Type", "")}):
            return self._whole(response)
        verb, headers, body = self._sent

        def record(status, response_headers, data, partial):
            self.transcript.record(verb, headers, body, status, response_headers, data, partial, answers)
            self.connection.close()

        return EventStream(response, socket, record)

    def _whole(self, response):
        data = response.read()
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)
        verb, headers, body = self._sent
        self.transcript.record(verb, headers, body, answer.status, answer.headers, data)
        return answer

    def send(self, verb, headers, body=b"", path="/mcp"):
        self.start(verb, headers, body, path)
        return self.finish()

    def post(self, message, **headers):
        """POSTs a message, encoded unless it is bytes, with the headers every client sends and `headers`."""
        self.start("POST", *encoded(message, headers))
        return self.finish()

    def modern(self, method, params=None, id=1, **headers):
        """A modern request with all that it needs; `headers` replaces or removes."""
        message, needed = modern_request(method, params, id)
        return self.post(message, **needed | headers)

    def open(self, revision="2025-11-25", capabilities=None, **headers):
        """A handshake: returns the session's id and the answer to `initialize`."""
        answer = self.post(initialize(revision, capabilities=capabilities), **headers)
        result = answer.result
        session = answer.headers.get("mcp-session-id")
        expect(session, "initialize returned no Mcp-Session-Id")
        named = headers | {"Mcp_Session_Id": session, "MCP_Protocol_Version": result["protocolVersion"]}
        done = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **named)
        expect_equal((done.status, done.body), (202, b""), "answer to the initialized notification")
        return session, answer

    def legacy(self, session, method, params=None, id=1, revision="2025-11-25", **headers):
        """A request in a session."""
        return self.post(
            request(method, params, id), **{"Mcp_Session_Id": session, "MCP_Protocol_Version": revision} | headers
        )


def encoded(message, headers):
    """Headers and body of a POST; underscores in names stand for hyphens."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"Accept": ACCEPT, "Content-Type": "application/json"} | named, body


def request(method, params=None, id=1):
    return {"jsonrpc": "2.0", "id": id, "method": method} | ({} if params is None else {"params": params})


def initialize(revision, id=0, capabilities=None):
    params = {"protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": INFO}
    return request("initialize", params, id)


def modern_request(method, params=None, id=1):
    """A modern request and the headers that mirror it."""
    params = dict(params or {})
    params["_meta"] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}} | params.get("_meta", {})
    headers = {"MCP_Protocol_Version": MODERN, "Mcp_Method": method}
    name = params.get("name") if method in ("tools/call", "prompts/get") else params.get("uri")
    if isinstance(name, str):
        headers["Mcp_Name"] = name
    return request(method, params, id), headers


def call(name, **arguments):
    return {"name": name, "arguments": arguments}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def without_date(answer):
    """All of an answer that a client can compare, but the time of day."""
    return answer._replace(headers={name: value for name, value in answer.headers.items() if name != "date"})
