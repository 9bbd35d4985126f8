"""Trials of state with every client library: the `bench` server's objects and the `workbench`'s spaces."""

import asyncio
import contextlib
import json
import pathlib
import tempfile

import workbench
from harness import Failure, Trials, expect, expect_equal, until
from workbench import done, failed

UNKNOWN_OBJECT = "object_00000000000000000000000000"
UNKNOWN_SPACE = "space_00000000000000000000000000"

trials = Trials()


def is_modern(session):
    return session.revision >= "2026-07-28"


@trials
async def an_object_keeps_what_it_is_told_until_it_is_destroyed(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        handle = await done(session, "create", {})
        expect_equal(await done(session, "increment", {"by": 5, "handle": handle}), "5", "counter")
        await done(session, "put", {"key": "colour", "value": "teal", "handle": handle})
        expect_equal(await done(session, "get", {"key": "colour", "handle": handle}), "teal", "value")
        await failed(session, "get", {"key": "shape", "handle": handle})
        await done(session, "destroy", {"handle": handle})
        for tool, arguments in (("get", {"key": "colour"}), ("increment", {"by": 1}), ("size", {}), ("destroy", {})):
            text = await failed(session, tool, arguments | {"handle": handle})
            expect("create" in text, f"{tool} gives no advice: {text}")


@trials
async def an_object_outlives_the_connection_that_made_it(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        handle = await done(session, "create", {})
        await done(session, "increment", {"by": 1, "handle": handle})
    async with agent.connect(servers.bench.url) as session:
        expect_equal(await done(session, "increment", {"by": 1, "handle": handle}), "2", "counter")


@trials
async def increments_at_the_same_time_all_take_effect(agent, servers):
    async with agent.connect(servers.bench.url) as one, agent.connect(servers.bench.url) as other:
        handle = await done(one, "create", {})
        calls = (done(each, "increment", {"by": 1, "handle": handle}) for each in (one, other) * 25)
        values = await asyncio.gather(*calls)
        expect_equal(sorted(map(int, values)), list(range(1, 51)), "values answered")
        expect_equal(await done(one, "increment", {"by": 0, "handle": handle}), "50", "counter")


@trials
async def an_unknown_handle_is_an_error_that_the_model_can_read(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        for handle in (UNKNOWN_OBJECT, "nonsense", ""):
            text = await failed(session, "get", {"key": "k", "handle": handle})
            expect("create" in text, f"no advice: {text}")


@trials
async def nobody_reaches_the_object_of_somebody_else(agent, servers):
    url, tokens = servers.guarded.url, servers.tokens
    async with agent.connect(url, tokens["alice"]) as mine, agent.connect(url, tokens["bob"]) as theirs:
        handle = await done(mine, "create", {})
        stranger = await failed(theirs, "increment", {"by": 1, "handle": handle})
        expect_equal(stranger, await failed(theirs, "increment", {"by": 1, "handle": UNKNOWN_OBJECT}), "error")
        expect_equal(await done(mine, "increment", {"by": 1, "handle": handle}), "1", "counter")


@trials
async def a_session_has_a_counter_of_its_own_and_a_modern_client_needs_a_handle(agent, servers):
    async with agent.connect(servers.bench.url) as one, agent.connect(servers.bench.url) as other:
        if is_modern(one):
            for tool, arguments in (("increment", {"by": 1}), ("put", {"key": "k", "value": "v"}), ("size", {})):
                text = await failed(one, tool, arguments)
                expect("create" in text, f"{tool} gives no advice: {text}")
            return
        values = await asyncio.gather(*(done(one, "increment", {"by": 1}) for _ in range(20)))
        expect_equal(sorted(map(int, values)), list(range(1, 21)), "values answered")
        expect_equal(await done(other, "increment", {"by": 1}), "1", "counter of another session")
        await done(one, "put", {"key": "k", "value": "v"})
        await failed(other, "get", {"key": "k"})


@trials
async def a_space_is_made_used_shared_between_connections_and_destroyed(agent, servers):
    url = servers.open_workbench.url
    async with agent.connect(url) as session:
        space = await done(session, "create_space", {})
        await done(session, "save_note", {"title": "tea", "text": "green", "space": space})
        await done(session, "create_table", {"name": "t", "columns": ["a"], "space": space})
    async with agent.connect(url) as session:
        rows = [{"a": number} for number in range(20)]
        calls = (done(session, "insert_rows", {"table": "t", "rows": [row], "space": space}) for row in rows)
        await asyncio.gather(*calls)
        query = {"table": "t", "aggregate": {"function": "sum", "column": "a"}, "space": space}
        expect("190" in await done(session, "query_table", query), "rows are missing")
        expect_equal(await done(session, "read_note", {"title": "tea", "space": space}), "green", "note")
        expect_equal(await session.read(f"note://{space}/tea"), "green", "resource")
        text = await session.prompt("summarize_notes", {"topic": "tea", "space": space})
        expect("tea" in text, f"the prompt lost its topic: {text}")
        await done(session, "destroy_space", {"handle": space})
        for handle in (space, UNKNOWN_SPACE):
            text = await failed(session, "read_note", {"title": "tea", "space": handle})
            expect("create_space" in text, f"no advice: {text}")


@trials
async def a_caller_without_a_name_keeps_things_in_its_session_or_in_a_space(agent, servers):
    url, note = servers.open_workbench.url, workbench.note("mine", "alone")
    async with agent.connect(url) as one, agent.connect(url) as other:
        if is_modern(one):
            text = await failed(one, "save_note", note)
            expect("create_space" in text, f"no advice: {text}")
            return
        await done(one, "save_note", note)
        expect_equal(await done(one, "read_note", {"title": "mine"}), "alone", "note")
        await failed(other, "read_note", {"title": "mine"})


@trials
async def a_principal_lists_its_spaces(agent, servers):
    async with agent.connect(servers.workbench.url, servers.tokens["bob"]) as session:
        space = await done(session, "create_space", {})
        expect(space in await done(session, "list_spaces", {}), "the space is not listed")
        await done(session, "destroy_space", {"handle": space})
        expect(space not in await done(session, "list_spaces", {}), "the space is still listed")


@trials
async def what_was_answered_is_there_after_the_process_was_killed(agent, servers):
    with tempfile.TemporaryDirectory(prefix="torpor-trials-") as folder:
        server = servers.start("--server", "workbench", "--store", f"sqlite:{folder}/state.db")
        async with agent.connect(server.url) as session:
            space = await done(session, "create_space", {})
            await done(session, "save_note", {"title": "tea", "text": "green", "space": space})
            await done(session, "append_note", {"title": "tea", "text": "hot", "space": space})
            server.kill()
        server.start()
        async with agent.connect(server.url) as session:
            text = await done(session, "read_note", {"title": "tea", "space": space})
            expect_equal(text, "green\nhot", "note")
        server.kill()


@trials
async def a_client_goes_on_after_kills_and_evictions_as_if_nothing_had_happened(agent, servers):
    with tempfile.TemporaryDirectory(prefix="torpor-trials-") as folder:
        server = servers.start("--server", "workbench", "--store", f"sqlite:{folder}/state.db")
        async with agent.connect(server.url) as session:
            # A legacy session has a space of its own, and its id is honoured by the next process.
            place = {"space": await done(session, "create_space", {})} if is_modern(session) else {}
            lines = ["green"]
            await done(session, "save_note", {"title": "tea", "text": lines[0]} | place)
            for number in range(3):
                server.kill()
                await asyncio.to_thread(server.start)
                expect_equal(await done(session, "read_note", {"title": "tea"} | place), "\n".join(lines), "note")
                lines.append(f"after {number + 1} kills")
                await done(session, "append_note", {"title": "tea", "text": lines[-1]} | place)
                evicted = await asyncio.to_thread(evict_all, server)
                expect(evicted > 0, "nothing was in memory")
                expect_equal(await done(session, "read_note", {"title": "tea"} | place), "\n".join(lines), "note")
        server.kill()


def evict_all(server):
    """Puts everything to sleep, as an operator does; returns how many objects were awake."""
    awake = [each["id"] for each in listed(server) if each["memory"] == "resident"]
    for id in awake:
        until(lambda: is_evicted(server, id), f"{id} is evicted")
    expect(all(each["memory"] == "asleep" for each in listed(server)), f"not all sleep: {listed(server)}")
    return len(awake)


def listed(server):
    return [json.loads(line) for line in server.sessions("list", "--json").splitlines()]


def is_evicted(server, id):
    """Whether it could be done: what a call has used is let go a little after the call's answer has left."""
    with contextlib.suppress(Failure):
        return id in server.sessions("evict", id)


@trials
async def who_starts_the_server_finds_its_things_again(agent, servers):
    with tempfile.TemporaryDirectory(prefix="torpor-trials-") as folder:
        store = f"sqlite:{pathlib.Path(folder) / 'state.db'}"
        command = [servers.binary, "serve", "--stdio", "--server", "workbench", "--store", store]
        with tempfile.TemporaryFile() as errors:
            async with agent.spawn(command, errors) as session:
                await done(session, "remember", {"key": "colour", "value": "teal"})
            async with agent.spawn(command, errors) as session:
                expect_equal(await done(session, "recall", {"key": "colour"}), "teal", "value")
