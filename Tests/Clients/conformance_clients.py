"""How the official conformance suite drives a server: with sessions and without, one scenario after the other."""

import contextlib
import itertools
import typing

from harness import expect, expect_equal
from messages import is_response
from transcript import CAPABILITIES_KEY
from wire_client import Answer, EventStream, Wire, encoded, modern_request, request

# What a scenario is run for.
SESSIONS = ("2025-06-18", "2025-11-25")
NEWEST_SESSION = ("2025-11-25",)
ALL_SESSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = ("2026-07-28",)

# What the clients of the suite declare.
SESSION_CAPABILITIES = {"sampling": {}, "elicitation": {}}
STATELESS_CAPABILITIES = {"sampling": {}, "elicitation": {}, "roots": {"listChanged": True}}
CLIENT_INFO_KEY = "io.modelcontextprotocol/clientInfo"
CLIENT_INFO = {"name": "conformance-test-client", "version": "1.0.0"}


class Scenarios:
    """Scenarios in the order in which they were written, each with the revisions that it is run for."""

    def __init__(self):
        self._entries = []

    def __call__(self, *revisions, of=None):
        """Marks a scenario. It is named after its function, or is a part of the scenario `of`."""

        def mark(function):
            self._entries.append((function, [each for group in revisions for each in group], of))
            return function

        return mark

    def bound(self, servers, transcript):
        """Pairs of a scenario's full name and a call of it."""
        for function, revisions, of in self._entries:
            for revision in revisions:
                era = Stateless(transcript) if revision in STATELESS else Sessions(revision, transcript)
                name = function.__name__.replace("_", " " if of else "-")
                yield (
                    f"conformance {revision}: {f'{of}: {name}' if of else name}",
                    lambda function=function, era=era: function(era, servers),
                )


class Heard(typing.NamedTuple):
    """All that came of a request: the answer, and the messages on its stream before it."""

    status: int
    headers: dict
    message: dict | None
    # Notifications, and requests of the server.
    notices: list
    asked: list

    @property
    def result(self):
        expect_equal(self.status, 200, f"status (of {self.message})")
        expect("result" in (self.message or {}), f"no result in {self.message}")
        return self.message["result"]

    @property
    def code(self):
        expect("error" in (self.message or {}), f"no error in {self.message}")
        return self.message["error"]["code"]

    @property
    def content(self):
        """The content of a tool call that did not fail."""
        expect(not self.result.get("isError"), f"the tool failed: {self.result}")
        return self.result["content"]

    @property
    def text(self):
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    def notified(self, method):
        """The parameters of the notifications of one kind."""
        return [notice.get("params", {}) for notice in self.notices if notice["method"] == method]


def hear(wire, respond):
    """All that comes of the request that was sent on `wire`. `respond` is called with each request of the server."""
    answer = wire.begin()
    if isinstance(answer, Answer):
        return Heard(answer.status, answer.headers, answer.message, [], [])
    response, notices, asked = None, [], []
    with answer as stream:
        while (message := stream.message()) is not None:
            if is_response(message):
                response = message
            elif "id" in message:
                asked.append(message)
                respond(message)
            else:
                notices.append(message)
    return Heard(stream.status, stream.headers, response, notices, asked)


class Client:
    """What a client can do in either era."""

    def request(self, method, params=None, **options) -> Heard:
        raise NotImplementedError

    def call(self, name, arguments=None, **options):
        """Calls a tool; without `arguments` the request has none."""
        params = {"name": name} | ({} if arguments is None else {"arguments": arguments})
        return self.request("tools/call", params | options.pop("params", {}), **options)


class SessionClient(Client):
    """A client in a session, with its stream open for what is not part of a call."""

    def __init__(self, wires, revision, session):
        self._wire, self._answering_wire, self._listening_wire = wires
        self.headers = {"Mcp_Session_Id": session, "MCP_Protocol_Version": revision}
        self._ids = itertools.count(1)

    @property
    def _hyphenated(self):
        return {name.replace("_", "-"): value for name, value in self.headers.items()}

    def request(self, method, params=None, answers=None):
        """Sends a request. `answers` are the results for the server's requests, by their method."""

        def respond(asked):
            expect(asked["method"] in (answers or {}), f"the server asks {asked}")
            self.respond(asked["id"], answers[asked["method"]])

        self._wire.start("POST", *encoded(request(method, params, next(self._ids)), self.headers))
        return hear(self._wire, respond)

    def respond(self, id, result):
        """Answers a request of the server."""
        answer = self._answering_wire.post({"jsonrpc": "2.0", "id": id, "result": result}, **self.headers)
        expect_equal((answer.status, answer.body), (202, b""), "answer to a response")

    def listen(self, wire=None, last_event_id=None, answers=None):
        """Opens the stream of the session, or goes on with one, on a connection that does nothing else."""
        headers = {"Accept": "text/event-stream"} | self._hyphenated
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        wire = wire or self._listening_wire
        wire.start("GET", headers)
        stream = wire.begin(answers)
        expect(isinstance(stream, EventStream), f"GET was answered with {stream}")
        expect_equal(stream.status, 200, "status of GET")
        return stream

    def end(self):
        """Deletes the session."""
        ended = self._answering_wire.send("DELETE", self._hyphenated)
        expect(ended.status in (200, 204), f"DELETE was answered with {ended.status}")


class Sessions:
    """The era of sessions, in one of its revisions."""

    def __init__(self, revision, transcript):
        self.revision, self.transcript = revision, transcript
        self.is_stateless = False

    @contextlib.contextmanager
    def connect(self, server):
        """A client that has shaken hands and opened its stream. At the end the session is deleted, which ends the
        stream."""
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(server, self.transcript)) for _ in range(3)]
            session, opened = wires[0].open(self.revision, SESSION_CAPABILITIES)
            expect_equal(opened.result["protocolVersion"], self.revision, "negotiated revision")
            client = SessionClient(wires, self.revision, session)
            stream = stack.enter_context(client.listen())
            yield client
            client.end()
            while stream.next() is not None:
                pass


class StatelessClient(Client):
    """A client that says all it has to say with each request."""

    def __init__(self, wire):
        self._wire = wire
        self._ids = itertools.count(1)

    def request(self, method, params=None, capabilities=None, id=None, meta=None, **headers):
        """Sends a request. `capabilities` replaces what the client declares; `headers` replaces or removes."""

        def respond(asked):
            expect(False, f"the server asks {asked}")

        declared = STATELESS_CAPABILITIES if capabilities is None else capabilities
        own = (params or {}).get("_meta", {})
        params = (params or {}) | {
            "_meta": {CAPABILITIES_KEY: declared, CLIENT_INFO_KEY: CLIENT_INFO} | own | (meta or {})
        }
        message, needed = modern_request(method, params, next(self._ids) if id is None else id)
        self._wire.start("POST", *encoded(message, needed | headers))
        return hear(self._wire, respond)


class Stateless:
    """The era without sessions."""

    def __init__(self, transcript):
        self.revision, self.transcript = STATELESS[0], transcript
        self.is_stateless = True

    @contextlib.contextmanager
    def connect(self, server):
        with Wire(server, self.transcript) as wire:
            yield StatelessClient(wire)
