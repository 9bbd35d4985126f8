"""Trials of the transport of 2024-11-05, HTTP with SSE, with the PyPI package `mcp` 1.x."""

import asyncio
import contextlib
import itertools
import sys

import httpx
from mcp import ClientSession
from mcp.client.sse import sse_client

import conversation
import harness
import legacy
from conversation import Heard, Meeting, Peer, announce, done
from harness import Trials, expect, expect_equal
from proxy import Proxy


class Agent(legacy.Agent):
    """`agents.Agent` by `mcp.client.sse`."""

    name = "mcp 1, HTTP with SSE"

    @contextlib.asynccontextmanager
    async def connect(self, url, token=None, peer=None):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        sse = url.removesuffix("/mcp") + "/sse"
        async with (
            sse_client(sse, headers=headers) as (reader, writer),
            ClientSession(reader, writer, **(legacy.callbacks(peer) if peer else {})) as client,
        ):
            yield legacy.Session(client, await client.initialize(), None)


AGENT = Agent()
own = Trials()


def stream_of(http, server):
    """Opens a stream; its first event says where to post."""
    return http.stream("GET", root_of(server) + "/sse", headers={"Accept": "text/event-stream"})


async def endpoint(server, lines):
    """Where the client of an open stream posts: the data of its first event."""
    expect_equal(await anext(lines), "event: endpoint", "first line")
    return httpx.URL(root_of(server)).join((await anext(lines)).removeprefix("data: "))


def root_of(server):
    return server.url.removesuffix("/mcp")


@own
async def the_first_event_says_where_to_post(servers, transcript):
    server = servers.bench
    async with httpx.AsyncClient() as http:
        async with stream_of(http, server) as opened:
            expect_equal(opened.status_code, 200, "status")
            expect(opened.headers["content-type"].startswith("text/event-stream"), f"{opened.headers['content-type']}")
            # Kept: an iterator that nobody holds closes the stream.
            lines = opened.aiter_lines()
            target = await endpoint(server, lines)
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            posted = await http.post(target, json=ping)
            expect_equal(posted.status_code, 202, "status of a POST")
            await lines.aclose()
    expect_equal(target.host, "127.0.0.1", "host of the endpoint")


@own
async def a_channel_vanishes_with_its_connection(servers, transcript):
    server = servers.start("--server", "bench")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx.AsyncClient() as http:
        async with stream_of(http, server) as opened:
            # Kept: an iterator that nobody holds closes the stream.
            lines = opened.aiter_lines()
            target = await endpoint(server, lines)
            expect_equal((await http.post(target, json=ping)).status_code, 202, "status of a POST")
            other = target.copy_with(query=target.query[:-1] + (b"0" if target.query[-1:] != b"0" else b"1"))
            expect_equal((await http.post(other, json=ping)).status_code, 404, "status of a POST to no channel")
            await lines.aclose()
        await asyncio.to_thread(server.expect_gauge, "torpor_sessions_held", 0)
        expect_equal((await http.post(target, json=ping)).status_code, 404, "status of a POST after the end")


@own
async def a_call_ends_with_the_connection_of_its_channel(servers, transcript):
    server = servers.start("--server", "bench")
    heard = Heard()

    async def progress(value, total, message):
        heard.add(value)

    async def call_and_vanish():
        async with Proxy(server.port) as proxy, AGENT.connect(proxy.url, peer=Peer()) as session:
            asleep = asyncio.create_task(session.call("sleep", {"milliseconds": 600_000}))
            talk = {"messages": 100_000, "bytes": 10, "pause": 20}
            talking = asyncio.create_task(session.call("talk", talk, progress=progress))
            await heard.count(3, "values of progress")
            await proxy.cut(b"GET /sse")
            for call in (asleep, talking):
                call.cancel()
            await asyncio.wait((asleep, talking))

    with contextlib.suppress(Exception):  # how the library ends without its connection is its own affair
        await call_and_vanish()
    for name in ("torpor_calls_in_flight", "torpor_sessions_held", "torpor_stream_bytes"):
        await asyncio.to_thread(server.expect_gauge, name, 0)


@own
async def two_channels_hear_of_the_same_change(servers, transcript):
    first, second = Peer(), Peer()
    server = servers.start("--server", "bench")
    async with AGENT.connect(server.url, peer=first) as session, AGENT.connect(server.url, peer=second):
        await announce(session, "tools")
        for peer in (first, second):
            await peer.notice("notifications/tools/list_changed")


class ChannelMeeting(Meeting):
    @contextlib.asynccontextmanager
    async def meet_listener(self):
        peer = Peer()
        async with self.agent.connect(self.servers.start("--server", "bench").url, peer=peer) as session:
            await done(session, "echo", {"message": "hi"})
            yield session, peer


def trials(servers, transcript):
    meeting = ChannelMeeting(AGENT, servers)
    return itertools.chain(
        own.bound("HTTP with SSE", servers, transcript),
        conversation.trials.bound(AGENT.name, meeting),
        conversation.cancellation.bound(AGENT.name, meeting),
        conversation.legacy_changes.bound(AGENT.name, meeting),
    )


if __name__ == "__main__":
    sys.exit(harness.main("sse_2024", trials, httpx))
