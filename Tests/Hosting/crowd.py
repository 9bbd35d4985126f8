"""Clients that connect, call and vanish: of both eras, without ever ending a session."""

import asyncio
import collections
import json
import pathlib
import random
import sys
import time
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Hostile"))
from raw import Connection, Hang, head, initialize, legacy, session_fields, tool  # noqa: E402

ZONES = ("UTC", "Europe/Oslo", "Asia/Tokyo", "America/Lima", "Africa/Cairo", "Australia/Perth", "Pacific/Auckland")
TOOL = "get_current_time"
CALLS_MAX = 4  # of one client
PAUSE_MAX = 1.0  # seconds between two calls of one client
WAIT_MAX = 5.0  # seconds that a client waits at most before it comes back, whatever it is told
HANDLE = "torpor_handle"
# How clients go. None says goodbye to its session.
WAYS = ("close", "reset", "fall silent", "fall silent in a stream or a call", "stay and say nothing")


class Unserved(Exception):
    """A call was not answered, or not with what it asked for."""


class Plan(typing.NamedTuple):
    """What one client will do."""

    number: int
    arrival: float
    """Seconds after the beginning."""
    is_modern: bool
    pauses: tuple
    """Before each call but the first."""
    way: str
    zone: str

    @property
    def address(self):
        """Every client has one of its own, in 127.0.0.0/8."""
        return f"127.77.{self.number // 200 + 1}.{self.number % 200 + 1}"


def plans(count, seconds, seed):
    """What `count` clients will do that arrive within `seconds`, both eras in turn."""
    source = random.Random(seed)
    return [
        Plan(
            number, source.uniform(0, seconds), number % 2 == 0,
            tuple(source.uniform(0, PAUSE_MAX) for _ in range(source.randrange(CALLS_MAX))),
            source.choice(WAYS), ZONES[number % len(ZONES)],
        )
        for number in range(count)
    ]


class Crowd:
    """Runs clients against a port and keeps what they met."""

    def __init__(self, port, speaks_modern, patience):
        """`patience` is how many seconds a call may take with all the times that it is sent again."""
        self.port, self.speaks_modern, self.patience = port, speaks_modern, patience
        self.asked = 0
        self.answered = 0
        self.refused = 0
        self.first_seconds = []
        """Of the first calls of clients, with all the times they were sent again."""
        self.further_seconds = []
        self.errors = collections.Counter()
        self.ways = collections.Counter()
        self._held = []

    async def run(self, each, afterwards=None):
        """All that `each` plans, to the end; then `afterwards`, while those who stay are there still."""
        began = time.monotonic()
        try:
            await asyncio.gather(*(self._live(plan, began) for plan in each))
            if afterwards:
                await afterwards()
        finally:
            for connection in self._held:
                connection.close()
            self._held = []

    async def _live(self, plan, began):
        await asyncio.sleep(max(0.0, began + plan.arrival - time.monotonic()))
        kind = ModernClient if plan.is_modern and self.speaks_modern else SessionClient
        client = kind(self, plan)
        try:
            await client.connect()
            await client.open()
            for number, pause in enumerate((0.0, *plan.pauses)):
                await asyncio.sleep(pause)
                self.asked += 1
                start = time.monotonic()
                await client.call(number)
                self.answered += 1
                (self.further_seconds if number else self.first_seconds).append(time.monotonic() - start)
            await self._leave(client, plan.way)
        except (Unserved, Hang, OSError, EOFError, ValueError, LookupError) as error:
            self.errors[f"{type(error).__name__}: {error}"[:300]] += 1
            if client.connection:
                client.connection.close()

    async def _leave(self, client, way):
        self.ways[way] += 1
        if way == "close":
            client.connection.close()
        elif way == "reset":
            client.connection.reset()
        elif way == "fall silent":
            client.connection.vanish()
        elif way == "fall silent in a stream or a call":
            await client.leave_unread()
            client.connection.vanish()
        else:
            self._held.append(client.connection)


class Client:
    """One client on a connection of its own."""

    def __init__(self, crowd, plan):
        self.crowd, self.plan = crowd, plan
        self.connection = None

    async def connect(self):
        self.connection = await Connection.open(self.crowd.port, self.plan.address)

    async def open(self):
        """What comes before the first call."""

    def request(self, number):
        """A whole HTTP request."""
        raise NotImplementedError

    async def leave_unread(self):
        """Begins what the client will not see the end of."""
        raise NotImplementedError

    async def ask(self, data):
        """Sends a request until it is not told to come back."""
        deadline = time.monotonic() + self.crowd.patience
        while True:
            answer = await self.connection.ask(data)
            again = answer.headers.get("retry-after")
            if answer.status not in (429, 503) or again is None:
                return answer
            self.crowd.refused += 1
            if time.monotonic() > deadline:
                raise Unserved(f"refused for {self.crowd.patience:g} s: {answer.status} {answer.body[:150]!r}")
            if answer.headers.get("connection", "").lower() == "close":
                self.connection.close()
                await self.connect()
            await asyncio.sleep(min(float(again), WAIT_MAX))

    async def call(self, number):
        answer = await self.ask(self.request(number))
        message = answer.message
        if answer.status != 200 or message is None:
            raise Unserved(f"status {answer.status}: {answer.body[:150]!r}")
        if message.get("id") != number + 1 or "result" not in message or message["result"].get("isError"):
            raise Unserved(f"a wrong answer: {json.dumps(message)[:150]}")
        zone = message["result"]["structuredContent"]["timezone"]
        if zone != self.plan.zone:
            raise Unserved(f"asked for {self.plan.zone} and was told of {zone}")
        self.heard(message["result"])

    def heard(self, result):
        """What a result means for further calls."""


class SessionClient(Client):
    """Of 2025-11-25."""

    session = ""

    async def open(self):
        answer = await self.ask(initialize())
        if answer.status != 200 or "mcp-session-id" not in answer.headers:
            raise Unserved(f"no session: status {answer.status}: {answer.body[:150]!r}")
        self.session = answer.headers["mcp-session-id"]
        body = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        answer = await self.ask(head(session_fields(self.session), length=len(body)) + body)
        if answer.status != 202:
            raise Unserved(f"notifications/initialized: status {answer.status}: {answer.body[:150]!r}")

    def request(self, number):
        params = {"name": TOOL, "arguments": {"timezone": self.plan.zone}}
        return legacy(self.session, "tools/call", params, id=number + 1)

    async def leave_unread(self):
        """The stream of the session is open; without a word from the server nobody can know that the client is gone."""
        await self.connection.send(head(session_fields(self.session), verb="GET"))
        async with asyncio.timeout(self.crowd.patience):
            await self.connection.head()


class ModernClient(Client):
    """Of 2026-07-28. The handle that it is given, if clients have a child each, names what is kept for it."""

    handle = None

    def request(self, number):
        arguments = {"timezone": self.plan.zone} | ({HANDLE: self.handle} if self.handle else {})
        return tool(TOOL, id=number + 1, **arguments)

    def heard(self, result):
        self.handle = self.handle or result.get("_meta", {}).get("torpor/handle")

    async def leave_unread(self):
        """A call is answered when nobody is there any more."""
        await self.connection.send(self.request(CALLS_MAX))
