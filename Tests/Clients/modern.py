"""Trials with the PyPI package `mcp` 2.x, which speaks revision 2026-07-28 and falls back to sessions."""

import asyncio
import contextlib
import itertools
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    ErrorData,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    Root,
    TextContent,
)

import agents
import conversation
import harness
import state
import workbench
from agents import Outcome, Refused, exchanges_of, methods_of
from harness import Trials, expect, expect_equal


class Session:
    """`agents.Session` by `mcp.Client`."""

    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version

    async def _answer(self, awaitable):
        try:
            return await awaitable
        except MCPError as error:
            raise Refused(error.code, error.message) from error

    async def tools(self):
        return [tool.name for tool in (await self._answer(self.client.list_tools(cache_mode="bypass"))).tools]

    async def call(self, name, arguments, progress=None):
        result = await self._answer(self.client.call_tool(name, arguments, progress_callback=progress))
        return Outcome(agents.texts(result.content), result.is_error)

    async def resources(self):
        return [each.uri for each in (await self._answer(self.client.list_resources())).resources]

    async def templates(self):
        return [
            each.uri_template for each in (await self._answer(self.client.list_resource_templates())).resource_templates
        ]

    async def read(self, uri):
        contents = (await self._answer(self.client.read_resource(uri, cache_mode="bypass"))).contents
        return "".join(content.text for content in contents)

    async def prompts(self):
        return [prompt.name for prompt in (await self._answer(self.client.list_prompts())).prompts]

    async def prompt(self, name, arguments):
        messages = (await self._answer(self.client.get_prompt(name, arguments))).messages
        return agents.texts(message.content for message in messages)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(PromptReference(type="ref/prompt", name=name), argument, value)

    async def complete_template(self, template, argument, value):
        return await self._complete(ResourceTemplateReference(type="ref/resource", uri=template), argument, value)

    async def _complete(self, reference, argument, value):
        result = await self._answer(self.client.complete(reference, {"name": argument, "value": value}))
        return result.completion.values

    async def set_level(self, level):
        await self._answer(self.client.set_logging_level(level))

    async def subscribe(self, uri):
        await self._answer(self.client.subscribe_resource(uri))

    def listen(self, **wishes):
        """`mcp.client.subscriptions.listen`."""
        return self.client.listen(**wishes)

    async def cancel_call(self, name, arguments, moment):
        """Calls a tool, and cancels the call once `moment` has been awaited: the library tells the server."""
        call = asyncio.create_task(self.call(name, arguments))
        await asyncio.sleep(0)  # now it is the first of what will be sent
        await moment
        expect(not call.done(), f"the call ended on its own: {call}")
        call.cancel()

    async def unsubscribe(self, uri):
        await self._answer(self.client.unsubscribe_resource(uri))


def callbacks(peer):
    """What `mcp.Client` takes to let `peer` answer and hear."""

    async def elicit(context, params):
        try:
            action, content = await peer.fill_in(params.message, params.requested_schema)
        except conversation.NoAnswer as error:
            return ErrorData(code=-32603, message=str(error))
        return ElicitResult(action=action, content=content)

    async def sample(context, params):
        text = await peer.complete([message.content.text for message in params.messages], params.max_tokens)
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text=text), model="trial")

    async def list_roots(context):
        return ListRootsResult(roots=[Root(uri=uri, name=name) for uri, name in peer.roots])

    async def log(params):
        peer.logs.add((params.level, params.data))

    async def message(message):
        if not isinstance(message, Exception):
            peer.notified(message)

    return {
        "elicitation_callback": elicit if peer.form else None,
        "sampling_callback": sample if peer.sample else None,
        "list_roots_callback": list_roots if peer.roots else None,
        "logging_callback": log,
        "log_level": peer.level,
        "message_handler": message,
    }


class Agent:
    """`agents.Agent` by `mcp` 2.x in one of its connection modes."""

    errors_for_401 = {"MCPError"}
    sets_level = True
    asks_for_progress = False

    def __init__(self, name, mode, revision):
        self.name, self.mode, self.revision = name, mode, revision

    @contextlib.asynccontextmanager
    async def connect(self, url, token=None, peer=None):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        async with create_mcp_http_client(headers=headers) as http:
            async with self._open(streamable_http_client(url, http_client=http), peer) as session:
                yield session

    @contextlib.asynccontextmanager
    async def spawn(self, command, errors, peer=None):
        """Like `connect`, to a program of its own on standard input and output; `errors` is a file."""
        parameters = StdioServerParameters(command=command[0], args=command[1:])
        async with self._open(stdio_client(parameters, errors), peer) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _open(self, transport, peer):
        async with Client(transport, mode=self.mode, **(callbacks(peer) if peer else {})) as client:
            yield Session(client)


AUTO = Agent("mcp 2", "auto", "2026-07-28")
PINNED = Agent("mcp 2 pinned", "2026-07-28", "2026-07-28")
LEGACY = Agent("mcp 2 legacy", "legacy", "2025-11-25")

own = Trials()


@own
async def one_discovery_opens_a_connection_and_nothing_closes_it(servers, transcript):
    mark = len(transcript.exchanges)
    async with AUTO.connect(servers.bench.url) as session:
        await session.tools()
    expect_equal(methods_of(exchanges_of(transcript, mark)), ["server/discover", "tools/list"], "requests")
    for verb in ("GET", "DELETE"):
        expect(not exchanges_of(transcript, mark, verb), f"the client sent {verb}")


@own
async def discovery_names_the_server_and_what_it_offers(servers, transcript):
    async with AUTO.connect(servers.bench.url) as session:
        found = session.client.session.discover_result
        expect("2026-07-28" in found.supported_versions, f"supported versions: {found.supported_versions}")
        expect(found.capabilities.tools is not None, "no tools capability")
        expect(session.client.server_info and session.client.server_info.version, "the server has no name")
    async with AUTO.connect(servers.workbench.url, servers.tokens[workbench.PRINCIPAL]) as session:
        offered = session.client.server_capabilities
        for name in ("tools", "resources", "prompts", "completions"):
            expect(getattr(offered, name) is not None, f"no {name} capability")


@own
async def a_pinned_client_needs_no_discovery(servers, transcript):
    mark = len(transcript.exchanges)
    async with PINNED.connect(servers.bench.url) as session:
        expect_equal(await session.call("echo", {"message": "at once"}), Outcome("at once", False), "echo")
    expect("server/discover" not in methods_of(exchanges_of(transcript, mark)), "the client discovered")


@own
async def a_session_ends_with_its_client(servers, transcript):
    mark = len(transcript.exchanges)
    async with LEGACY.connect(servers.bench.url) as session:
        await session.tools()
    ended = exchanges_of(transcript, mark, "DELETE")
    expect_equal(len(ended), 1, "DELETE requests")
    expect(
        ended[0]["status"] in (200, 204),
        f"DELETE was answered with {ended[0]['status']}: the library logs that as a failure",
    )
    expect(ended[0]["headers"].get("mcp-session-id"), "DELETE named no session")


@own
async def both_eras_of_one_principal_share_their_state(servers, transcript):
    title = workbench.fresh("era")
    token = servers.tokens[workbench.PRINCIPAL]
    async with AUTO.connect(servers.workbench.url, token) as modern, LEGACY.connect(
        servers.workbench.url, token
    ) as legacy:
        for writer, reader, text in ((modern, legacy, "written today"), (legacy, modern, "written long ago")):
            await workbench.done(writer, workbench.SAVE_NOTE, workbench.note(title, text))
            read = await workbench.done(reader, workbench.READ_NOTE, workbench.note_named(title))
            expect(text in read, f"read {read!r}")


@own
async def equal_ids_were_in_flight_at_once(servers, transcript):
    """Shows that the trial of equal ids tested what its name says: the library numbers its requests from 1."""
    mark = len(transcript.exchanges)
    await agents.clients_that_use_equal_ids_each_get_their_own_answers(AUTO, servers)
    ids = [
        each["request"]["id"] for each in exchanges_of(transcript, mark) if each["request"]["method"] == "tools/call"
    ]
    expect(len(ids) == 80 and len(set(ids)) < 40, f"80 calls had {len(set(ids))} ids")


def trials(servers, transcript):
    each = (AUTO, LEGACY)
    return itertools.chain(
        own.bound("mcp 2", servers, transcript),
        *(agents.bench.bound(agent.name, agent, servers) for agent in each),
        *(workbench.trials.bound(f"{agent.name}, workbench", agent, servers) for agent in each),
        *(state.trials.bound(f"{agent.name}, state", agent, servers) for agent in each),
    )


if __name__ == "__main__":
    sys.exit(harness.main("modern", trials, httpx2))
