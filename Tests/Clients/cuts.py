"""Trials of connections that break, over HTTP: what is lost, what is resumed, what ends."""

import asyncio

from agents import exchanges_of
from conversation import Heard, Peer, announce, done, kind_of, next_event
from harness import EVENT_LIMIT, Trials, expect, expect_equal, leaves
from proxy import Proxy

TOOL_CALL = b'"tools/call"'

# Sessions of 2025-11-25: a client comes back for what it has not read.

legacy = Trials()


def resumptions(transcript, mark):
    """The GET requests since `mark` by which a client went on with a stream."""
    return [each for each in exchanges_of(transcript, mark, "GET") if "last-event-id" in each["headers"]]


@legacy
async def a_call_whose_stream_is_cut_while_the_user_is_asked_is_answered_all_the_same(agent, servers, transcript):
    async with Proxy(servers.conformance.port) as proxy:

        async def form(message, schema):
            await proxy.cut(TOOL_CALL)
            return "accept", {"username": "ada", "email": "ada@example.org"}

        peer = Peer(form=form)
        mark = len(transcript.exchanges)
        async with agent.connect(proxy.url, peer=peer) as session:
            text = await done(session, "test_elicitation", {"message": "Who are you?"})
            expect("ada@example.org" in text, f"the tool got {text!r}")
            await done(session, "test_simple_text")
        expect_equal(len(peer.forms), 1, "forms, of which none may be asked twice")
        expect_equal([each["status"] for each in resumptions(transcript, mark)], [200], "answers to the resumption")


@legacy
async def progress_on_a_stream_that_is_cut_is_neither_lost_nor_told_twice(agent, servers, transcript):
    values = Heard()
    async with Proxy(servers.conformance.port) as proxy:

        async def progress(value, total, message):
            values.add(value)
            if len(values) == 1:
                await proxy.cut(TOOL_CALL)

        mark = len(transcript.exchanges)
        async with agent.connect(proxy.url, peer=Peer()) as session:
            text = await done(session, "test_tool_with_progress", progress=progress)
        expect(text, "the answer has no text")
        expect_equal(values, [0, 50, 100], "values of progress")
        expect_equal([each["status"] for each in resumptions(transcript, mark)], [200], "answers to the resumption")


@legacy
async def progress_of_calls_that_are_cut_at_once_goes_to_their_own_streams(agent, servers, transcript):
    """Two calls of one session whose connections break together: each stream goes on with its own messages."""
    async with Proxy(servers.bench.port) as proxy:
        counts = {name: Heard() for name in ("one", "two")}

        def progress_of(name):
            async def progress(value, total, message):
                counts[name].add(value)

            return progress

        async def cut_when_both_run():
            for heard in counts.values():
                await heard.count(1, "values of progress")
            await proxy.cut(TOOL_CALL)

        mark = len(transcript.exchanges)
        async with agent.connect(proxy.url, peer=Peer()) as session:
            await session.set_level("error")
            talk = {"messages": 30, "bytes": 10, "pause": 30}
            first, second, _ = await asyncio.gather(
                done(session, "talk", talk, progress=progress_of("one")),
                done(session, "talk", talk | {"messages": 40}, progress=progress_of("two")),
                cut_when_both_run(),
            )
        expect_equal((first, second), ("said 30", "said 40"), "answers")
        expect_equal(counts["one"], list(range(1, 31)), "progress of the first")
        expect_equal(counts["two"], list(range(1, 41)), "progress of the second")
        expect_equal(len(resumptions(transcript, mark)), 2, "resumptions")


@legacy
async def a_call_that_lets_go_of_its_connection_is_answered_when_its_client_comes_back(agent, servers, transcript):
    mark = len(transcript.exchanges)
    async with agent.connect(servers.conformance.url, peer=Peer()) as session:
        expect(await done(session, "test_reconnection"), "the answer has no text")
    came_back = resumptions(transcript, mark)
    expect_equal([each["status"] for each in came_back], [200], "answers to the resumption")
    unanswered = [each for each in exchanges_of(transcript, mark) if "lastEventId" in each and not each["response"]]
    expect_equal([each["request"]["method"] for each in unanswered], ["tools/call"], "streams without an answer")


@legacy
async def what_changes_while_a_sessions_stream_is_cut_is_told_when_it_comes_back(agent, servers, transcript):
    server = servers.start("--server", "bench")
    peer, other = Peer(), Peer()
    async with Proxy(server.port) as proxy, agent.connect(server.url, peer=other) as witness:
        async with agent.connect(proxy.url, peer=peer) as session:
            await asyncio.to_thread(server.expect_gauge, "torpor_streams", 2)
            await announce(witness, "tools")
            await peer.notice("notifications/tools/list_changed")
            await proxy.cut(b"GET /mcp")
            await announce(witness, "prompts")
            await other.notice("notifications/prompts/list_changed")
            await peer.notice("notifications/prompts/list_changed")
            await done(session, "echo", {"message": "still here"})
            expect_equal(len(peer.notices_of("notifications/tools/list_changed")), 1, "what had been told before")


# The modern era: a stream ends with its connection.

modern = Trials()


@modern
async def a_call_whose_connection_breaks_is_cancelled(agent, servers, transcript):
    server = servers.start("--server", "bench")

    async def call_and_vanish():
        async with Proxy(server.port) as proxy, agent.connect(proxy.url, peer=Peer()) as session:
            call = asyncio.create_task(session.call("sleep", {"milliseconds": 600_000}))
            await asyncio.to_thread(server.expect_gauge, "torpor_calls_in_flight", 1)
            await proxy.cut(TOOL_CALL)
            await asyncio.to_thread(server.expect_gauge, "torpor_calls_in_flight", 0)
            call.cancel()
            await asyncio.wait([call])

    try:
        await call_and_vanish()
    except Exception as error:  # the libraries end when a connection breaks before the head of its answer
        expect(all(type(leaf).__name__ == "ReadError" for leaf in leaves(error)), f"{error!r}: {leaves(error)}")


@modern
async def a_call_that_speaks_is_cancelled_with_its_connection_too(agent, servers, transcript):
    server = servers.start("--server", "bench")
    heard = Heard()

    async def progress(value, total, message):
        heard.add(value)

    async with Proxy(server.port) as proxy, agent.connect(proxy.url, peer=Peer()) as session:
        talk = {"messages": 100_000, "bytes": 0, "pause": 20}
        call = asyncio.create_task(session.call("talk", talk, progress=progress))
        await heard.count(3, "values of progress")
        await proxy.cut(TOOL_CALL)
        for name in ("torpor_calls_in_flight", "torpor_stream_bytes"):
            await asyncio.to_thread(server.expect_gauge, name, 0)
        call.cancel()
        await asyncio.wait([call])


@modern
async def a_listener_whose_connection_breaks_is_told_and_forgotten(agent, servers, transcript):
    server = servers.start("--server", "bench")
    async with Proxy(server.port) as proxy, agent.connect(proxy.url, peer=Peer()) as session:
        async with session.listen(tools_list_changed=True) as tools:
            await proxy.cut(b'"subscriptions/listen"')
            try:
                event = await next_event(tools)
            except Exception as error:
                expect_equal(type(error).__name__, "SubscriptionLost", "error")
            else:
                expect(False, f"the listener heard {event}")
        await asyncio.to_thread(server.expect_gauge, "torpor_streams", 0)
        async with session.listen(tools_list_changed=True) as tools:
            await announce(session, "tools")
            expect_equal(kind_of(await next_event(tools)), "ToolsListChanged", "event")


@modern
async def a_server_that_drains_ends_its_listeners_gracefully(agent, servers, transcript):
    server = servers.start("--server", "bench", "--drain-delay", "0s")
    async with agent.connect(server.url, peer=Peer()) as session:
        async with session.listen(tools_list_changed=True) as tools:
            server.terminate()
            async with asyncio.timeout(EVENT_LIMIT):
                expect_equal([event async for event in tools], [], "events")
    expect_equal(await asyncio.to_thread(server.wait), 0, f"exit code (output: {server.output()[-300:]})")
